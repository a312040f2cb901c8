//! What comes after an attempt: the next one, where the last one got to, a place to run in.

use std::time::Duration;

use anyhow::{Context, Result};
use bson::{Bson, doc};
use mongoqueue::{
    Attempt, Backoff, Handler, IntoPayload, Job, Outcome, State, Worker, WorkerEvent, WorkerOptions,
};
use mongoqueue_tests::{Running, Stage};
use mongoqueue_wasmtime::{ComponentHandler, Grants, Limits, Sandbox, SandboxOptions};
use serde_json::json;

use super::{HOUR, alone, misbehave, source, work};

#[tokio::test]
async fn a_job_is_tried_until_it_works_or_is_dead() -> Result<()> {
    let stage = Stage::new().await?;
    let queue = stage.queue()?;
    let put = queue.put(json!({"do": "flaky", "succeed_at": 3})).max_attempts(3).retain(HOUR);
    let flaky = put.await?.id;
    let trapping = queue.put(json!({"do": "abort"})).max_attempts(3).await?.id;
    let rejected = queue.put(json!({"do": "reject"})).max_attempts(3).await?.id;
    work(&stage, misbehave(&stage)?).await?;

    let job = queue.get(&flaky).await?;
    assert_eq!((job.state, job.attempts), (State::Completed, 2));
    let said: Vec<&str> = job.errors.iter().map(|record| record.message.as_str()).collect();
    assert_eq!(said, ["attempt 1 is too early", "attempt 2 is too early"]);
    let job = queue.get(&trapping).await?;
    assert_eq!((job.state, job.attempts), (State::Dead, 3));
    let attempts: Vec<u32> = job.errors.iter().map(|record| record.attempt).collect();
    assert_eq!(attempts, [1, 2, 3]);
    assert!(job.errors.iter().all(|record| record.kind == "trap:unreachable"));
    let job = queue.get(&rejected).await?;
    assert_eq!((job.state, job.attempts), (State::Dead, 1));
    stage.end().await
}

#[tokio::test]
async fn a_guest_says_when_it_wants_to_be_tried_again() -> Result<()> {
    let stage = Stage::new().await?;
    let queue = stage.queue()?;
    let hour = i64::try_from(HOUR.as_millis())?;
    let failed = queue.put(json!({"do": "retry-after", "ms": hour})).max_attempts(2).await?.id;
    let released = queue.put(json!({"do": "release", "ms": hour})).max_attempts(1).await?.id;
    work(&stage, misbehave(&stage)?).await?;
    let before = queue.get(&failed).await?.created_at.timestamp_millis();
    for (id, attempts) in [(&failed, 1), (&released, 0)] {
        let job = queue.get(id).await?;
        assert_eq!(
            (job.state, job.attempts, job.errors.len()),
            (State::Ready, attempts, attempts as usize)
        );
        assert!(job.due.timestamp_millis() >= before + hour, "{job:?}");
    }
    assert_eq!(queue.stats().await?.scheduled, 2);
    stage.make_due().await?;
    work(&stage, misbehave(&stage)?).await?;
    assert_eq!(queue.get(&failed).await?.state, State::Dead);
    assert_eq!(queue.get(&released).await?.state, State::Ready);
    stage.end().await
}

#[tokio::test]
async fn what_was_saved_is_gone_on_from() -> Result<()> {
    let stage = Stage::new().await?;
    let queue = stage.queue()?;
    let put = queue.put(json!({"steps": 5, "die_at": 3})).max_attempts(2).retain(HOUR);
    // Time for a look between the attempts.
    let id = put.backoff(Backoff::exponential(HOUR, HOUR)).await?.id;
    let handler = alone("resumable")?;
    work(&stage, handler.clone()).await?;

    let job = queue.get(&id).await?;
    assert_eq!((job.state, job.attempts), (State::Ready, 1));
    let record = job.last_error().context("no record")?;
    assert_eq!(record.kind, "trap:unreachable");
    assert!(record.message.ends_with("dying before step 3, as the payload asks"));
    assert_eq!(job.progress.as_ref().map(|it| (it.count, it.total)), Some((2, Some(5))));
    // A native document: whoever looks into the database can read it.
    let saved = stage.document(&job).await?.get("saved").cloned();
    assert_eq!(saved, Some(Bson::from(doc! { "next": 3, "sum": 3 })));

    stage.make_due().await?;
    work(&stage, handler).await?;
    let job = queue.get(&id).await?;
    assert_eq!((job.state, job.attempts), (State::Completed, 1));
    let output = job.output.context("no output")?.to_json();
    assert_eq!(output, json!({"attempt": 2, "started_at": 3, "sum": 15}));
    assert_eq!(job.progress.map(|progress| progress.count), Some(5));
    stage.end().await
}

#[tokio::test]
async fn a_job_for_which_there_is_no_room_goes_back_uncounted() -> Result<()> {
    let stage = Stage::new().await?;
    let queue = stage.queue()?;
    let one = SandboxOptions { instances: 1, ..SandboxOptions::default() };
    let grants = Grants::default().queue("next", stage.mq.queue("next")?);
    let handler = ComponentHandler::load(&Sandbox::new(one)?, source("misbehave")?, grants)?;
    // Has the only place from the first poll on, until it is dropped.
    let first = json!({"do": "sleep", "ms": 3_600_000}).into_payload()?;
    let mut job = Job::new("q", first);
    job.timeout = HOUR;
    let mut first = handler.handle(Attempt::detached(job));
    assert!(futures_util::poll!(&mut first).is_pending());

    // Waits for half of its time.
    let time = Duration::from_secs(6);
    let put = queue.put(json!({"do": "ok"})).max_attempts(1).timeout(time).retain(HOUR);
    let id = put.await?.id;
    let options = WorkerOptions { slots: 1, ..WorkerOptions::default() };
    let mut running =
        Running::start(Worker::new(&stage.mq, options).serve(queue.clone(), handler.clone()));
    let (outcome, state) = running.events.finished().await?;
    assert_eq!((&*outcome, state), (&Outcome::HandedBack, Some(State::Ready)));
    drop(first);
    running
        .events
        .until("it completes", |event| match event {
            WorkerEvent::Finished { outcome, .. } => {
                matches!(**outcome, Outcome::Completed(_)).then_some(())
            }
            _ => None,
        })
        .await?;
    running.stop().await?;
    let job = queue.get(&id).await?;
    assert_eq!((job.state, job.attempts, job.errors.len()), (State::Completed, 0, 0));
    stage.end().await
}

#[tokio::test]
async fn a_component_that_needs_more_than_its_limits_is_to_blame_itself() -> Result<()> {
    let stage = Stage::new().await?;
    let id = stage.queue()?.put(json!({"name": "Ada"})).max_attempts(1).await?.id;
    let limits = Limits { memory: 64 << 10, ..Limits::default() };
    work(&stage, alone("hello")?.with_limits(limits)).await?;
    let job = stage.queue()?.get(&id).await?;
    let record = job.last_error().context("no record")?;
    assert_eq!((job.state, record.kind.as_str()), (State::Dead, "load"));
    assert!(record.message.starts_with("out of memory: 0 bytes in use, "), "{}", record.message);
    assert!(record.message.ends_with(", the limit is 64 KiB"), "{}", record.message);
    stage.end().await
}
