//! What the parts of a worker share.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, Semaphore, broadcast};
use tokio_util::sync::CancellationToken;

use super::{Summary, WorkerEvent, WorkerOptions};
use crate::error::Error;
use crate::handler::Handler;
use crate::job::Job;
use crate::lease::Hold;
use crate::queue::Queue;
use crate::store::Store;

pub(super) struct Shared {
    pub(super) store: Store,
    pub(super) consumer: Arc<str>,
    pub(super) options: WorkerOptions,
    pub(super) served: Vec<Served>,
    /// Cancelled: claim no more, attempts should return soon.
    pub(super) stop: CancellationToken,
    /// Cancelled: the grace is over.
    pub(super) cut: CancellationToken,
    pub(super) slots: Arc<Semaphore>,
    /// The queue that is served next.
    pub(super) turn: AtomicUsize,
    /// Told when a buffer got jobs.
    pub(super) filled: Notify,
    /// Told when a queue was found empty.
    pub(super) empty: Notify,
    last_empty: Mutex<Instant>,
    /// Every lease with jobs that aren't settled.
    pub(super) holds: Mutex<Vec<Weak<Hold>>>,
    /// Jobs claimed and not settled.
    unsettled: AtomicUsize,
    /// Jobs whose handlers are at work.
    pub(super) at_work: AtomicUsize,
    /// Batches claimed so far, from whatever queue.
    claims: AtomicU64,
    events: broadcast::Sender<WorkerEvent>,
    summary: Mutex<Summary>,
    trouble: Mutex<Option<Instant>>,
}

/// One queue that the worker serves.
pub(super) struct Served {
    pub(super) queue: Queue,
    pub(super) handler: Arc<dyn Handler>,
    buffer: Mutex<Buffer>,
    /// Jobs that got a slot, ever.
    pub(super) begun: AtomicU64,
    /// Its feed may be waiting for a slot.
    waits: AtomicBool,
    /// It has enough as long as more jobs than these wait in the buffer.
    enough: AtomicUsize,
    /// Told when the feed should look again.
    pub(super) look: Notify,
    /// Found empty, with nothing claimed anywhere in this worker.
    drained: Mutex<Option<u64>>,
    /// The last look found nothing.
    pub(super) empty: AtomicBool,
}

/// What is claimed and waits for a slot, first in, first out.
#[derive(Default)]
pub(super) struct Buffer {
    jobs: VecDeque<Waiting>,
    bytes: usize,
}

impl Buffer {
    pub(super) fn len(&self) -> usize {
        self.jobs.len()
    }

    /// Of the payloads.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn push(&mut self, waiting: Waiting) {
        self.bytes += waiting.job.payload.size();
        self.jobs.push_back(waiting);
    }

    pub(super) fn pop(&mut self) -> Option<Waiting> {
        let waiting = self.jobs.pop_front()?;
        self.bytes -= waiting.job.payload.size();
        Some(waiting)
    }
}

/// A feed counts again when one in so many of the jobs that wait has been begun.
const PART: usize = 8;

/// A claimed job that waits for a slot.
pub(super) struct Waiting {
    pub(super) job: Job,
    pub(super) hold: Arc<Hold>,
}

impl Served {
    pub(super) fn new(queue: Queue, handler: Arc<dyn Handler>) -> Self {
        Self {
            queue,
            handler,
            buffer: Mutex::default(),
            begun: AtomicU64::new(0),
            waits: AtomicBool::new(false),
            enough: AtomicUsize::new(0),
            look: Notify::new(),
            drained: Mutex::default(),
            empty: AtomicBool::new(false),
        }
    }

    /// Found empty after so many claims of the worker.
    pub(super) fn set_drained(&self, claims: u64) {
        *lock(&self.drained) = Some(claims);
    }

    pub(super) fn drained(&self) -> Option<u64> {
        *lock(&self.drained)
    }

    /// Its feed counts what it has, and may then wait for a slot, or for a part of what waits here to
    /// be begun: it need not be told of each job that ends.
    pub(super) fn waits(&self) {
        let waiting = self.buffer().len();
        self.enough.store(waiting - waiting.div_ceil(PART), Ordering::Release);
        // Before the slots are counted, so that one that comes free in between is told of.
        self.waits.store(true, Ordering::Release);
    }

    /// Its feed waits for no slot.
    pub(super) fn looks(&self) {
        self.waits.store(false, Ordering::Release);
    }

    /// One of its jobs is over.
    pub(super) fn ended_one(&self) {
        if self.buffer().len() <= self.enough.load(Ordering::Acquire) {
            self.look.notify_one();
        }
    }

    /// Another queue's job is over, and all share the slots.
    pub(super) fn another_ended(&self) {
        if self.waits.load(Ordering::Acquire) {
            self.look.notify_one();
        }
    }

    pub(super) fn buffer(&self) -> MutexGuard<'_, Buffer> {
        lock(&self.buffer)
    }
}

impl Shared {
    pub(super) fn new(
        (store, consumer): (Store, Arc<str>),
        options: WorkerOptions,
        served: Vec<Served>,
        (stop, cut, events): (CancellationToken, CancellationToken, broadcast::Sender<WorkerEvent>),
    ) -> Self {
        Self {
            store,
            consumer,
            slots: Arc::new(Semaphore::new(options.slots.min(Semaphore::MAX_PERMITS))),
            turn: AtomicUsize::new(0),
            options,
            served,
            stop,
            cut,
            filled: Notify::new(),
            empty: Notify::new(),
            last_empty: Mutex::new(Instant::now()),
            holds: Mutex::default(),
            unsettled: AtomicUsize::new(0),
            at_work: AtomicUsize::new(0),
            claims: AtomicU64::new(0),
            events,
            summary: Mutex::default(),
            trouble: Mutex::default(),
        }
    }

    pub(super) fn queue_names(&self) -> Vec<String> {
        self.served.iter().map(|served| served.queue.name().to_owned()).collect()
    }

    /// Tells whoever listens; the event is not made when nobody does.
    pub(super) fn say(&self, event: impl FnOnce() -> WorkerEvent) {
        if self.events.receiver_count() > 0 {
            // An error says that the last listener has just gone.
            let _ = self.events.send(event());
        }
    }

    pub(super) fn running(&self) -> usize {
        self.at_work.load(Ordering::Relaxed)
    }

    pub(super) fn summary(&self) -> Summary {
        *lock(&self.summary)
    }

    pub(super) fn count(&self, count: impl FnOnce(&mut Summary)) {
        count(&mut lock(&self.summary));
    }

    pub(super) fn unsettled(&self) -> usize {
        self.unsettled.load(Ordering::Acquire)
    }

    pub(super) fn claimed(&self, jobs: usize) {
        self.claims.fetch_add(1, Ordering::AcqRel);
        self.unsettled.fetch_add(jobs, Ordering::AcqRel);
    }

    /// How many batches have been claimed; `None` while some of their jobs aren't settled, and may
    /// put others.
    pub(super) fn quiet(&self) -> Option<u64> {
        let claims = self.claims.load(Ordering::Acquire);
        (self.unsettled() == 0).then_some(claims)
    }

    /// So many claims are over. With the last one, who waits for the queue to be empty looks.
    pub(super) fn settled(&self, jobs: usize) {
        if self.unsettled.fetch_sub(jobs, Ordering::AcqRel) == jobs && self.options.until_empty {
            self.served.iter().for_each(|served| served.look.notify_one());
        }
    }

    /// A queue was found empty.
    pub(super) fn found_empty(&self, served: &Served) {
        served.empty.store(true, Ordering::Release);
        *lock(&self.last_empty) = Instant::now();
        self.empty.notify_one();
    }

    /// True when a queue is empty as far as is known, or was found so not long ago.
    pub(super) fn was_empty_within(&self, time: Duration) -> bool {
        self.served.iter().any(|served| served.empty.load(Ordering::Acquire))
            || lock(&self.last_empty).elapsed() < time
    }

    pub(super) fn hold(&self, hold: &Arc<Hold>) {
        lock(&self.holds).push(Arc::downgrade(hold));
    }

    /// The leases that are held now.
    pub(super) fn held(&self) -> Vec<Arc<Hold>> {
        let mut holds = lock(&self.holds);
        holds.retain(|hold| hold.strong_count() > 0);
        holds.iter().filter_map(Weak::upgrade).collect()
    }

    /// The database failed: said once per outage.
    pub(super) fn trouble(&self, error: &Error) {
        let mut trouble = lock(&self.trouble);
        if trouble.is_none() {
            *trouble = Some(Instant::now());
            self.say(|| WorkerEvent::Trouble { error: error.to_string() });
        }
    }

    /// The database answered.
    pub(super) fn no_trouble(&self) {
        let since = lock(&self.trouble).take();
        if let Some(since) = since {
            self.say(|| WorkerEvent::Recovered { after: since.elapsed() });
        }
    }
}

/// The pause after the `n`th failure in a row: from 100 ms up to 5 s, so that a database that
/// comes back isn't met by all workers at once, and is found again within seconds.
pub(super) fn pause(failures: u32) -> Duration {
    let longest = Duration::from_millis(100 << failures.min(6)).min(Duration::from_secs(5));
    crate::claim::chance(longest)
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}
