//! The loop that claims jobs, runs them and settles them.
//!
//! ```no_run
//! use mongoqueue::{MongoQueue, Worker, WorkerOptions, from_fn};
//!
//! # async fn example(mq: MongoQueue) -> mongoqueue::Result<()> {
//! let worker = Worker::new(&mq, WorkerOptions::default()).serve(
//!     mq.queue("emails")?,
//!     from_fn(async |attempt: mongoqueue::Attempt| {
//!         println!("{}", attempt.job().payload.to_json());
//!         Ok::<(), mongoqueue::BoxError>(())
//!     }),
//! );
//! let ctrl_c = async { drop(tokio::signal::ctrl_c().await) };
//! let summary = worker.run(ctrl_c).await?;
//! println!("{} completed", summary.completed);
//! # Ok(())
//! # }
//! ```
//!
//! Jobs flow one way: [`feed`] claims batches into a buffer, [`dispatch`] takes them from there as
//! slots come free, [`once`] makes one attempt, [`settle`] gathers the ends and writes them;
//! [`keep`] renews the leases beside it, [`wake`] tells the feeds when to look.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{broadcast, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::error::{Error, Result};
use crate::handler::Handler;
use crate::queue::{MongoQueue, Queue};

mod dispatch;
mod event;
mod feed;
mod keep;
mod mend;
mod once;
mod settle;
mod shared;
mod wake;

pub use event::{Summary, WorkerEvent};

pub(crate) use settle::within_limit;
use shared::{Served, Shared};

/// How a worker works.
#[derive(Clone, Debug)]
pub struct WorkerOptions {
    /// How many jobs run at once. Default: twice the cores.
    pub slots: usize,
    /// How long a claim outlives a worker that died; renewed at a third of it. Default: 30 s.
    pub lease: Duration,
    /// How often an idle worker looks, if nothing wakes it; jittered. Default: 1 s.
    pub poll: Duration,
    /// How long running jobs may go on after a shutdown was asked for. Default: 20 s.
    pub grace: Duration,
    /// The most jobs of a queue that are claimed ahead of free slots; how many really are follows
    /// the load; half of it beside other workers. Default: 2,000.
    pub prefetch: usize,
    /// How often, at most, one of the workers that share a collection looks for jobs that run under
    /// no lease, as in a collection restored without its leases, and gives them back. Reads the
    /// whole collection, and is put off where that takes long. Default: a minute.
    pub mend: Duration,
    /// Let the bell wake the worker, which every put, retry and return of a job rings. Default: true.
    pub watch: bool,
    /// End when nothing is due and nothing runs here any more; what is scheduled for later is
    /// left. Default: false.
    pub until_empty: bool,
}

impl Default for WorkerOptions {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, |cores| cores.get());
        Self {
            slots: 2 * cores,
            lease: Duration::from_secs(30),
            poll: Duration::from_secs(1),
            grace: Duration::from_secs(20),
            prefetch: 2_000,
            mend: Duration::from_secs(60),
            watch: true,
            until_empty: false,
        }
    }
}

/// Serves queues with handlers.
pub struct Worker {
    mq: MongoQueue,
    options: WorkerOptions,
    served: Vec<(Queue, Arc<dyn Handler>)>,
    events: broadcast::Sender<WorkerEvent>,
}

/// Events that a slow listener may be behind before it misses some.
const EVENTS: usize = 8_192;

impl Worker {
    /// A worker that serves no queue yet.
    pub fn new(mq: &MongoQueue, options: WorkerOptions) -> Self {
        let (events, _) = broadcast::channel(EVENTS);
        Self { mq: mq.clone(), options, served: Vec::new(), events }
    }

    /// Does the jobs of `queue` with `handler`.
    pub fn serve(mut self, queue: Queue, handler: impl Handler) -> Self {
        self.served.push((queue, Arc::new(handler)));
        self
    }

    /// What happens from here on. A listener that is behind by more than 8,192 events misses some,
    /// and is told how many.
    pub fn events(&self) -> broadcast::Receiver<WorkerEvent> {
        self.events.subscribe()
    }

    /// Works until `shutdown` is done (then: claims no more, lets what runs finish within the
    /// grace, hands the rest back uncounted), or, with [`WorkerOptions::until_empty`], until there
    /// is nothing to do. Outlives any outage of the database.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it has no queue, a queue twice, no slot, or a lease under 100 ms.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<Summary> {
        self.check()?;
        let stop = CancellationToken::new();
        let cut = CancellationToken::new();
        let (to_settle, ends) = mpsc::channel(settle::WAITING);
        let served = self.served.into_iter().map(|(queue, handler)| Served::new(queue, handler));
        let shared = Arc::new(Shared::new(
            (self.mq.store().clone(), self.mq.consumer().into()),
            self.options,
            served.collect(),
            (stop.clone(), cut.clone(), self.events),
        ));
        shared.say(|| WorkerEvent::Ready { queues: shared.queue_names() });

        let settler = tokio::spawn(settle::run(shared.clone(), ends));
        let beside = TaskTracker::new();
        let keeper = CancellationToken::new();
        beside.spawn(keeper.clone().run_until_cancelled_owned(keep::run(shared.clone())));
        beside.spawn(stop.clone().run_until_cancelled_owned(mend::run(shared.clone())));
        if shared.options.watch {
            beside.spawn(stop.clone().run_until_cancelled_owned(wake::run(shared.clone())));
        }
        let feeds = TaskTracker::new();
        for index in 0..shared.served.len() {
            feeds.spawn(feed::run(shared.clone(), index));
        }
        feeds.close();
        let dispatcher = tokio::spawn(dispatch::run(shared.clone(), feeds, to_settle));
        beside.close();

        tokio::select! {
            () = shutdown => {}
            () = stop.cancelled() => {}
        }
        shared.say(|| WorkerEvent::Stopping { running: shared.running() });
        stop.cancel();
        let grace = shared.options.grace;
        tokio::pin!(dispatcher);
        if tokio::time::timeout(grace, &mut dispatcher).await.is_err() {
            cut.cancel();
            let _ = dispatcher.await;
        }
        let _ = settler.await;
        keeper.cancel();
        beside.wait().await;
        Ok(shared.summary())
    }

    fn check(&self) -> Result<()> {
        let options = &self.options;
        if self.served.is_empty() {
            return Err(Error::invalid("worker", "it serves no queue"));
        }
        if options.slots == 0 {
            return Err(Error::invalid("slots", "a worker needs at least 1"));
        }
        if options.lease < Duration::from_millis(100) {
            return Err(Error::invalid("lease", "a worker needs at least 100 ms to renew it"));
        }
        crate::check::duration_is_valid("lease", options.lease)?;
        let mut names: Vec<&str> = self.served.iter().map(|(queue, _)| queue.name()).collect();
        names.sort_unstable();
        let twice = names.windows(2).find(|pair| pair.first() == pair.last());
        match twice.and_then(|pair| pair.first()) {
            Some(name) => Err(Error::invalid("worker", format!("it serves {name:?} twice"))),
            None => Ok(()),
        }
    }
}
