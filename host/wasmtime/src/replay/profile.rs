//! Where a guest spends its time: its stack at each tick of the engine's clock.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use wasmtime::component::Component;
use wasmtime::{GuestProfiler, Store, StoreContextMut};

use crate::sandbox::{Guest, TICK, look_up};

/// Samples of deep stacks are slow to take and large to keep, and a guest may be as deep as it
/// likes: no more are taken when so much time went into them.
const MOST_TIME: Duration = Duration::from_millis(500);

/// Bytes of the profile. What the samples above come to is less.
const MOST_BYTES: usize = 256 << 20;

/// A profile of a guest, for <https://profiler.firefox.com>.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Profile {
    /// JSON in the profiler's processed format.
    pub json: Vec<u8>,
    /// How often the guest's stack was looked at: once in 10 ms that it computed.
    pub samples: u64,
    /// True when it was not looked at to the end, as its stack was too deep.
    pub cut: bool,
}

/// A profile that is being taken.
#[derive(Clone)]
pub(crate) struct Sampling(Arc<Mutex<Option<Sampler>>>);

struct Sampler {
    profiler: GuestProfiler,
    samples: u64,
    spent: Duration,
}

impl Sampling {
    /// Looks at the store's guest from now on.
    pub(crate) fn of(
        store: &mut Store<Guest>,
        component: &Component,
        name: &str,
    ) -> wasmtime::Result<Self> {
        let component = component.clone();
        let profiler = GuestProfiler::new_component(store.engine(), name, TICK, component, [])?;
        let sampler = Sampler { profiler, samples: 0, spent: Duration::ZERO };
        let this = Self(Arc::new(Mutex::new(Some(sampler))));
        let sampling = this.clone();
        store.epoch_deadline_callback(move |mut context| {
            sampling.sample(&context);
            look_up(&mut context)
        });
        Ok(this)
    }

    fn sample(&self, context: &StoreContextMut<'_, Guest>) {
        if let Some(sampler) = self.sampler().as_mut().filter(|it| it.spent < MOST_TIME) {
            let start = Instant::now();
            sampler.profiler.sample(context, TICK);
            sampler.samples += 1;
            sampler.spent += start.elapsed();
        }
    }

    /// The profile, or why there is none.
    pub(crate) fn finish(&self) -> Result<Profile, String> {
        let sampler = self.sampler().take();
        let Sampler { profiler, samples, spent } = sampler.ok_or("it was taken before")?;
        let mut json = Bounded(Vec::new());
        profiler.finish(&mut json).map_err(|error| format!("{error:#}"))?;
        Ok(Profile { json: json.0, samples, cut: spent >= MOST_TIME })
    }

    fn sampler(&self) -> MutexGuard<'_, Option<Sampler>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Bounded(Vec<u8>);

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MOST_BYTES {
            return Err(io::Error::other(format!("it has more than {MOST_BYTES} bytes")));
        }
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
