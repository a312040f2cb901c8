//! The worker, with native handlers: what it does with the ends of attempts, its slots, its leases,
//! its stop, what wakes it, and what an outage does to it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use mongoqueue::{
    Handler, JobId, NewJob, Payload, PutOptions, Summary, Worker, WorkerEvent, WorkerOptions,
};
use mongoqueue_tests::{Running, Stage, every, soon};
use tokio::sync::Semaphore;

mod ends;

mod locked;

mod slots;

mod leases;

mod stop;

mod wake;

mod outage;

mod mend;

mod turns;

mod place;

/// A worker that ends when nothing is left.
pub(crate) fn until_empty(slots: usize) -> WorkerOptions {
    WorkerOptions { slots, until_empty: true, ..WorkerOptions::default() }
}

/// A worker of the queue `q`.
fn worker(stage: &Stage, options: WorkerOptions, handler: impl Handler) -> Result<Worker> {
    Ok(Worker::new(&stage.mq, options).serve(stage.queue()?, handler))
}

/// Runs a worker of the queue `q` until nothing is left.
pub(crate) async fn drain(
    stage: &Stage,
    options: WorkerOptions,
    handler: impl Handler,
) -> Result<Summary> {
    let running = worker(stage, options, handler)?.run(std::future::pending());
    Ok(soon("the worker is done", running).await??)
}

/// Puts so many jobs on `q`, with their numbers as payloads.
async fn put(stage: &Stage, n: i32, options: PutOptions) -> Result<Vec<JobId>> {
    let job = |n: i32| NewJob { payload: Payload::Bson(n.into()), options: options.clone() };
    let answers = stage.queue()?.put_many((0..n).map(job).collect()).await?;
    Ok(answers.into_iter().map(|answer| answer.map(|it| it.id)).collect::<Result<_, _>>()?)
}

/// Attempts that wait at a gate until the test lets them through.
#[derive(Clone)]
struct Gate {
    begun: Arc<Semaphore>,
    open: Arc<Semaphore>,
}

impl Gate {
    fn new() -> Self {
        Self { begun: Arc::new(Semaphore::new(0)), open: Arc::new(Semaphore::new(0)) }
    }

    /// An attempt comes to the gate, and passes it when it may.
    async fn pass(&self) {
        self.begun.add_permits(1);
        // Never closed.
        if let Ok(open) = self.open.acquire().await {
            open.forget();
        }
    }

    /// Waits until `n` more attempts have come.
    async fn begun(&self, n: u32) -> Result<()> {
        let begun = soon("attempts begin", self.begun.acquire_many(n)).await?;
        begun.context("never closed")?.forget();
        Ok(())
    }

    /// Lets `n` of them through.
    fn open(&self, n: usize) {
        self.open.add_permits(n);
    }
}

/// Waits until the worker looks for jobs.
async fn ready(running: &mut Running) -> Result<()> {
    let ready = |event: &WorkerEvent| matches!(event, WorkerEvent::Ready { .. }).then_some(());
    running.events.until("the worker is ready", ready).await
}

pub(crate) const HOUR: Duration = Duration::from_secs(3_600);

/// No job is left, and no lease.
pub(crate) async fn assert_empty(stage: &Stage) -> Result<()> {
    assert_eq!(stage.queue()?.stats().await?, Default::default());
    assert_eq!(stage.jobs().count_documents(every()).await?, 0);
    assert_eq!(stage.leases().count_documents(every()).await?, 0);
    Ok(())
}
