//! Attempts that must not go on: the lease is lost, the job cancelled, the worker told to stop.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bson::Document;
use mongoqueue::{
    Error, Handler, JobId, NextOptions, Outcome, State, Summary, Worker, WorkerEvent, WorkerOptions,
};
use mongoqueue_tests::{Running, Stage, eventually, soon};
use mongoqueue_wasmtime::{Limits, Source};
use serde_json::{Value, json};

use super::{HOUR, Lines, misbehave, work};

/// A worker on `q`, and what its guests say.
struct Host {
    running: Running,
    said: Lines,
}

impl Host {
    /// It asks after its leases every second, and does `slots` jobs at once.
    fn start(stage: &Stage, slots: usize, grace: Duration) -> Result<Self> {
        let lease = Duration::from_secs(3);
        let options =
            WorkerOptions { lease, grace, slots, prefetch: 0, ..WorkerOptions::default() };
        let said = Lines::default();
        let handler = misbehave(stage)?.with_log(said.sink());
        let worker = Worker::new(&stage.mq, options).serve(stage.queue()?, handler);
        Ok(Self { running: Running::start(worker), said })
    }

    /// Waits until so many guests run.
    async fn begun(&self, guests: usize) -> Result<()> {
        eventually("the guests run", async || {
            let begun = self.said.of(Source::Log);
            Ok((begun.iter().filter(|line| *line == "begun").count() == guests).then_some(()))
        })
        .await
    }

    async fn lost(&mut self) -> Result<()> {
        let lost = |event: &WorkerEvent| matches!(event, WorkerEvent::LeaseLost { .. });
        self.running.events.until("a lease is lost", |event| lost(event).then_some(())).await
    }
}

/// Long enough to end by oneself.
const GRACE: Duration = Duration::from_secs(20);

async fn put(stage: &Stage, job: Value) -> Result<JobId> {
    Ok(stage.queue()?.put(job).max_attempts(1).timeout(HOUR).retain(HOUR).await?.id)
}

/// Guests that write to their jobs all the time are in the way of it.
async fn clear(stage: &Stage) -> Result<()> {
    let cleared = eventually("the queue is cleared", async || match stage.queue()?.clear().await {
        Err(Error::Contended { .. }) => Ok(None),
        cleared => Ok(Some(cleared?)),
    });
    cleared.await.map(|_| ())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_sees_that_its_job_is_cancelled() -> Result<()> {
    let stage = Stage::new().await?;
    let id = put(&stage, json!({"do": "slow-cooperative", "ms": 3_600_000})).await?;
    let mut host = Host::start(&stage, 1, GRACE)?;
    host.begun(1).await?;
    assert_eq!(stage.queue()?.cancel(&id).await?, State::Running);
    let (outcome, state) = host.running.events.finished().await?;
    assert_eq!(*outcome, Outcome::Released { delay: Duration::ZERO });
    assert_eq!(state, Some(State::Cancelled));
    assert_eq!(host.said.of(Source::Log), ["begun", "asked to stop"]);
    let job = stage.queue()?.get(&id).await?;
    assert_eq!((job.state, job.attempts, job.errors.len()), (State::Cancelled, 0, 0));
    assert_eq!(host.running.stop().await?, Summary { released: 1, ..Summary::default() });
    stage.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_sees_that_its_host_shuts_down() -> Result<()> {
    let stage = Stage::new().await?;
    let id = put(&stage, json!({"do": "slow-cooperative", "ms": 3_600_000})).await?;
    let host = Host::start(&stage, 1, GRACE)?;
    host.begun(1).await?;
    assert_eq!(host.running.stop().await?, Summary { released: 1, ..Summary::default() });
    assert_eq!(host.said.of(Source::Log), ["begun", "asked to stop"]);
    let job = stage.queue()?.get(&id).await?;
    assert_eq!((job.state, job.attempts, job.errors.len()), (State::Ready, 0, 0));
    assert!(stage.all(&stage.leases()).await?.is_empty());
    stage.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_that_does_not_look_is_cut_off_after_the_grace() -> Result<()> {
    let stage = Stage::new().await?;
    let mut ids = Vec::new();
    for job in [json!({"do": "loop"}), json!({"do": "sleep", "ms": 3_600_000})] {
        ids.push(put(&stage, job).await?);
    }
    let host = Host::start(&stage, 2, Duration::from_millis(100))?;
    host.begun(2).await?;
    host.running.stop().await?;
    for id in ids {
        let job = stage.queue()?.get(&id).await?;
        assert_eq!((job.state, job.attempts, job.errors.len()), (State::Ready, 0, 0));
    }
    stage.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_whose_job_is_gone_is_cut_off() -> Result<()> {
    let stage = Stage::new().await?;
    for job in [
        json!({"do": "loop"}),
        json!({"do": "sleep", "ms": 3_600_000}),
        json!({"do": "heartbeat-storm", "ms": 3_600_000}),
        json!({"do": "progress-storm", "count": 1_000_000_000}),
    ] {
        put(&stage, job).await?;
    }
    let mut host = Host::start(&stage, 4, GRACE)?;
    host.begun(3).await?;
    clear(&stage).await?;
    for _ in 0..4 {
        host.lost().await?;
    }
    // Nothing is reported, nothing is left: the results are dropped.
    assert_eq!(host.running.stop().await?, Summary { lost: 4, ..Summary::default() });
    assert_eq!(stage.all(&stage.jobs()).await?, Vec::<Document>::new());
    stage.end().await
}

/// What a guest comes to that calls its host again and again, when its job is gone.
async fn its_calls(stage: &Stage, storm: &Value, limits: Limits) -> Result<Outcome> {
    put(stage, storm.clone()).await?;
    let claimed = stage.claim().await?;
    let handler = misbehave(stage)?.with_limits(limits);
    let attempt = claimed.attempt().clone();
    let guest = tokio::spawn(async move { handler.handle(attempt).await });
    let first = stage.all(&stage.leases()).await?;
    let calls = eventually("it extends its lease", async || {
        Ok((stage.all(&stage.leases()).await? != first).then_some(()))
    });
    calls.await?;
    clear(stage).await?;
    let outcome = soon("the guest ends", guest).await??;
    claimed.detach();
    Ok(outcome)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_calls_of_a_guest_answer_that_the_lease_is_lost() -> Result<()> {
    let stage = Stage::new().await?;
    let seldom = Limits { notes_per_second: 1, ..Limits::default() };
    for (storm, limits) in [
        (json!({"do": "heartbeat-storm", "ms": 3_600_000}), Limits::default()),
        // It calls on while its last report is written, and is told by the next call.
        (json!({"do": "progress-storm", "count": 1_000_000_000}), seldom),
    ] {
        // A guest may be cut off between the answer and its end.
        let mut told = false;
        for _ in 0..200 {
            match its_calls(&stage, &storm, limits.clone()).await? {
                Outcome::Failed(failure) => {
                    assert_eq!(failure.code.as_deref(), Some("lease-lost"), "{storm}");
                    told = true;
                    break;
                }
                outcome => assert_eq!(outcome, Outcome::HandedBack, "{storm}"),
            }
        }
        ensure!(told, "{storm}: no answer reached the guest");
    }
    stage.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_went_to_another_worker_is_settled_by_that_one() -> Result<()> {
    let stage = Stage::new().await?;
    let put = stage.queue()?.put(json!({"do": "loop"})).max_attempts(2).timeout(HOUR).retain(HOUR);
    let id = put.await?.id;
    let mut host = Host::start(&stage, 1, GRACE)?;
    host.begun(1).await?;
    let other = stage.connect("consumer-2").await?.queue("q")?;
    // The first may renew the lease before the other sees that it has run out.
    let taken = eventually("the other one takes it", async || {
        stage.expire_leases().await?;
        Ok(other.next(&NextOptions::default()).await?)
    });
    let taken = taken.await?;
    assert_eq!(taken.job().id, id);
    host.lost().await?;
    taken.complete(None).await?;
    assert_eq!(host.running.stop().await?, Summary { lost: 1, ..Summary::default() });
    let job = stage.queue()?.get(&id).await?;
    assert_eq!((job.state, job.attempts, job.claims), (State::Completed, 1, 2));
    let kinds: Vec<&str> = job.errors.iter().map(|record| record.kind.as_str()).collect();
    assert_eq!(kinds, ["lease-expired"]);
    stage.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn computing_has_a_limit_and_waiting_has_none() -> Result<()> {
    let stage = Stage::new().await?;
    let limits = Limits { cpu: Duration::from_millis(200), ..Limits::default() };
    let handler = misbehave(&stage)?.with_limits(limits);
    let spent = put(&stage, json!({ "do": "loop" })).await?;
    let asleep = put(&stage, json!({ "do": "sleep", "ms": 600 })).await?;
    work(&stage, handler).await?;
    let dead = stage.queue()?.get(&spent).await?;
    let record = dead.last_error().context("no record")?;
    assert_eq!((dead.state, &*record.kind), (State::Dead, "cpu"), "{record:#?}");
    assert_eq!(record.message, "it computed for longer than the 200ms that it may");
    assert!(record.backtrace.as_ref().is_some_and(|it| it.contains("forever")), "{record:#?}");
    assert_eq!(stage.queue()?.get(&asleep).await?.state, State::Completed);
    stage.end().await
}
