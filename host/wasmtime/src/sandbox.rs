//! Where guests run: one engine for the process, a store for each attempt, limits on everything.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::component::Linker;
use wasmtime::{Engine, Store, StoreContextMut, UpdateDeadline};

use crate::component::{Cache, Compiler};
use crate::jobs::JobsCtx;

mod chance;
mod engine;
mod guest;
mod host;
mod limits;
mod machine;
mod meter;
mod output;
mod wish;

pub(crate) use engine::{TICK, compiling_config, weight};
pub(crate) use guest::{Cut, Guest, Input};
pub use host::HostLimits;
use host::Room;
pub use limits::Limits;
pub(crate) use meter::Refusal;

/// Long enough for a guest that computes to reach the next tick of the engine's clock.
const LAST_MOMENT: Duration = Duration::from_millis(100);

/// How a [`Sandbox`] is made.
#[derive(Clone, Debug)]
pub struct SandboxOptions {
    /// What each guest may use, unless its own component is given other limits.
    pub limits: Limits,
    /// What all guests together may take of this machine.
    pub host: HostLimits,
    /// Guests that run at the same time; further ones wait. Default: 256.
    pub instances: u32,
    /// A folder for compiled components, which is made where it is missing. Nobody but its owner
    /// may write there, as what lies there is run. Default: `None`, compile at each start.
    pub cache: Option<PathBuf>,
    /// Who compiles components. Default: this process.
    pub compiler: Compiler,
}

impl Default for SandboxOptions {
    fn default() -> Self {
        let (limits, host) = (Limits::default(), HostLimits::default());
        Self { limits, host, instances: 256, cache: None, compiler: Compiler::Here }
    }
}

/// Why there is no sandbox.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// The folder for compiled components can't be used; the operator's to mend.
    #[error("cannot keep compiled components in {}: {why}", path.display())]
    CacheFolder {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// This machine can't run components.
    #[error("no WebAssembly engine on this machine: {why}")]
    Engine {
        /// wasmtime's words.
        why: String,
    },
}

/// An engine and all that guests share. Cheap to clone. Make one for a process: engines don't
/// share what they compiled, and each has a thread for its clock.
#[derive(Clone)]
pub struct Sandbox(Arc<Inner>);

struct Inner {
    engine: Engine,
    linker: Linker<Guest>,
    limits: Limits,
    pooled: u32,
    slots: Arc<Semaphore>,
    size: u32,
    room: Room,
    /// For loaded components.
    seats: Arc<Semaphore>,
    host: HostLimits,
    cache: Option<Cache>,
    compiler: Compiler,
    /// Who has it compiles.
    compiling: Mutex<()>,
}

/// One of the loaded components.
#[derive(Clone)]
pub(crate) struct Seat(
    #[expect(dead_code, reason = "it counts while it is held")] Arc<OwnedSemaphorePermit>,
);

/// Where one guest runs, until this is dropped.
pub(crate) struct Place {
    _slot: OwnedSemaphorePermit,
    _memory: OwnedSemaphorePermit,
}

impl Sandbox {
    /// A sandbox. Reserves address space for `instances` guests; where there is not enough, fewer
    /// are kept ready, and in the end each guest's memory is made when it is needed.
    ///
    /// # Errors
    /// Where the cache's folder is not private, or wasmtime can't work here.
    pub fn new(options: SandboxOptions) -> Result<Self, SandboxError> {
        Self::make(options, false)
    }

    /// A sandbox for [`ComponentHandler::replay`](crate::ComponentHandler::replay), and never for
    /// a worker: its guests' host calls can be traced, and a trap leaves a core dump.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn for_replay(options: SandboxOptions) -> Result<Self, SandboxError> {
        Self::make(options, true)
    }

    fn make(options: SandboxOptions, for_replay: bool) -> Result<Self, SandboxError> {
        let SandboxOptions { limits, host, instances, cache, compiler } = options;
        let instances = instances.clamp(1, engine::MOST_INSTANCES);
        let unfit = |error: wasmtime::Error| SandboxError::Engine { why: format!("{error:#}") };
        let (engine, pooled) = engine::make(&limits, instances, for_replay).map_err(unfit)?;
        engine::tick(&engine).map_err(|e| SandboxError::Engine { why: e.to_string() })?;
        let linker = guest::linker(&engine, for_replay).map_err(unfit)?;
        let cache = cache.map(|path| Cache::open(path, &engine, host.cache_bytes)).transpose()?;
        let size = if pooled == 0 { instances } else { pooled };
        let slots = Arc::new(Semaphore::new(size as usize));
        Ok(Self(Arc::new(Inner {
            engine,
            linker,
            limits,
            pooled,
            slots,
            size,
            room: Room::new(host.whole()),
            seats: Arc::new(Semaphore::new(host.components.min(Semaphore::MAX_PERMITS))),
            host,
            cache,
            compiler,
            compiling: Mutex::default(),
        })))
    }

    /// What each guest may use.
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// For how many guests memory is kept ready; 0 where it is made when it is needed.
    pub fn pooled(&self) -> u32 {
        self.0.pooled
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.0.engine
    }

    pub(crate) fn linker(&self) -> &Linker<Guest> {
        &self.0.linker
    }

    pub(crate) fn cache(&self) -> Option<&Cache> {
        self.0.cache.as_ref()
    }

    pub(crate) fn host(&self) -> &HostLimits {
        &self.0.host
    }

    pub(crate) fn compiler(&self) -> &Compiler {
        &self.0.compiler
    }

    /// A place among the loaded components, until it is dropped; `None` where all are taken.
    pub(crate) fn seat(&self) -> Option<Seat> {
        self.0.seats.clone().try_acquire_owned().ok().map(|seat| Seat(Arc::new(seat)))
    }

    /// The turn to compile.
    pub(crate) fn compiling(&self) -> MutexGuard<'_, ()> {
        self.0.compiling.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes of memory that all guests have together.
    pub(crate) fn whole_memory(&self) -> u64 {
        self.0.room.whole()
    }

    /// These limits, where nothing is larger than what is kept ready for it, or than the whole.
    pub(crate) fn fit(&self, limits: Limits) -> Limits {
        let whole = usize::try_from(self.whole_memory()).unwrap_or(usize::MAX);
        let most = &self.0.limits;
        Limits {
            memory: limits.memory.min(most.memory).min(whole),
            table_elements: limits.table_elements.min(most.table_elements),
            instances: limits.instances.min(most.instances),
            ..limits
        }
    }

    /// A place to run in with so much memory, or `None` when none came free in time. `weight` is
    /// the component's, see [`weight`].
    pub(crate) async fn place(&self, weight: u32, memory: usize, wait: Duration) -> Option<Place> {
        let slots = self.0.slots.clone();
        let booked = async {
            // The semaphore is never closed.
            let _slot = slots.acquire_many_owned(weight.min(self.0.size)).await.ok()?;
            let _memory = self.0.room.book(memory).await?;
            Some(Place { _slot, _memory })
        };
        tokio::time::timeout(wait, booked).await.ok()?
    }

    /// Waits for a guest that has `time`, or `None`. One that computes ends by itself, cut off by
    /// its store with its backtrace; one that waits in a host call is dropped a moment later.
    pub(crate) async fn in_time<T>(time: Duration, guest: impl Future<Output = T>) -> Option<T> {
        tokio::time::timeout(time.saturating_add(LAST_MOMENT), guest).await.ok()
    }

    /// A store for one guest, cut off after `time` or when its attempt's lease is lost.
    ///
    /// # Errors
    /// Where something that the guest is granted isn't there.
    pub(crate) fn store(
        &self,
        jobs: JobsCtx,
        time: Duration,
        input: &Input,
    ) -> wasmtime::Result<Store<Guest>> {
        let (hostcall, handles) = (jobs.limits().hostcall_bytes, jobs.limits().handles);
        let deadline = Instant::now().checked_add(time);
        let mut store = Store::new(self.engine(), Guest::new(jobs, deadline, input)?);
        store.limiter(|guest| guest.meter());
        store.set_hostcall_fuel(hostcall);
        store.set_max_component_handles(handles);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|mut context| look_up(&mut context));
        Ok(store)
    }
}

/// What a guest that computes does at each tick of the engine's clock.
pub(crate) fn look_up(
    context: &mut StoreContextMut<'_, Guest>,
) -> wasmtime::Result<UpdateDeadline> {
    context.data_mut().tick()?;
    // Others get their turn, and the timer that cuts off guests waiting in a host call.
    Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sandbox")
            .field("limits", &self.0.limits)
            .field("pooled", &self.0.pooled)
            .finish_non_exhaustive()
    }
}
