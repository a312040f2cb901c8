//! What wakes an idle worker that looks by itself but once an hour.

use std::time::{Duration, Instant};

use anyhow::Result;
use bson::{Document, doc};
use futures_util::TryStreamExt;
use mongoqueue::{Failure, NextOptions, State, Summary, WorkerOptions, from_fn};
use mongoqueue_tests::{FailPoint, Running, Stage, eventually};

use super::{HOUR, worker};

fn start(stage: &Stage, options: WorkerOptions) -> Result<Running> {
    Ok(Running::start(worker(stage, options, from_fn(async |_| anyhow::Ok(())))?))
}

fn hourly() -> WorkerOptions {
    WorkerOptions { poll: HOUR, ..WorkerOptions::default() }
}

/// Waits until somebody listens to the bell: in the server's hands, or idle between two looks.
async fn listening(stage: &Stage) -> Result<()> {
    let admin = stage.database.client().database("admin");
    let bell = format!("{}.jobs.bell", stage.database.name());
    eventually("somebody listens to the bell", async || {
        let cursors = doc! { "$currentOp": { "allUsers": true, "idleCursors": true } };
        let ours = doc! { "$match": { "ns": &bell, "cursor.tailable": true } };
        let found = admin.aggregate([cursors, ours]).await?;
        let found: Vec<Document> = found.try_collect().await?;
        Ok((!found.is_empty()).then_some(()))
    })
    .await
}

#[tokio::test]
async fn a_put_wakes_it() -> Result<()> {
    let stage = Stage::new().await?;
    let mut running = start(&stage, hourly())?;
    listening(&stage).await?;
    for n in 0..5 {
        stage.queue()?.put(doc! { "n": n }).await?;
        running.events.finished().await?;
    }
    // Those of other queues don't matter to it.
    stage.mq.queue("other")?.put(doc! {}).await?;
    assert_eq!(running.stop().await?, Summary { completed: 5, ..Summary::default() });
    stage.end().await
}

/// It rings when it is sent, too: whoever looks then finds nothing.
#[tokio::test]
async fn a_put_that_the_server_is_slow_with_wakes_it() -> Result<()> {
    let stage = Stage::private().await?;
    let mut running = start(&stage, hourly())?;
    listening(&stage).await?;
    let late = FailPoint::late(&stage, "insert").await?;
    stage.queue()?.put(doc! {}).await?;
    running.events.finished().await?;
    assert_eq!(late.off().await?, 1);
    assert_eq!(running.stop().await?.completed, 1);
    stage.end().await
}

/// As other clients do.
#[tokio::test]
async fn a_ring_by_hand_wakes_it() -> Result<()> {
    let stage = Stage::new().await?;
    let mut running = start(&stage, hourly())?;
    listening(&stage).await?;
    let due = bson::DateTime::from_millis(0);
    let job = doc! { "queue": "q", "state": "ready", "priority": 0, "due": due, "payload": {} };
    stage.jobs().insert_one(job).await?;
    stage.database.collection("jobs.bell").insert_one(doc! { "queue": "q" }).await?;
    running.events.finished().await?;
    assert_eq!(running.stop().await?.completed, 1);
    stage.end().await
}

#[tokio::test]
async fn what_is_put_while_it_starts_is_found() -> Result<()> {
    let stage = Stage::new().await?;
    for _ in 0..10 {
        let (started, put) = tokio::join!(async { start(&stage, hourly()) }, async {
            stage.queue()?.put(doc! {}).await.map_err(anyhow::Error::from)
        });
        put?;
        let mut running = started?;
        running.events.finished().await?;
        running.stop().await?;
    }
    stage.end().await
}

#[tokio::test]
async fn a_delayed_job_is_begun_when_it_is_due() -> Result<()> {
    let stage = Stage::new().await?;
    let queue = stage.queue()?;
    let mut running = start(&stage, hourly())?;
    listening(&stage).await?;
    let delay = Duration::from_millis(700);
    let late = queue.put(doc! {}).delay(delay).await?.id;
    let later = queue.put(doc! {}).delay(delay * 2).retain(HOUR).await?.id;
    for id in [late, later.clone()] {
        let finished = |event: &mongoqueue::WorkerEvent| match event {
            mongoqueue::WorkerEvent::Finished { id, .. } => Some(id.clone()),
            _ => None,
        };
        assert_eq!(running.events.until("it is done", finished).await?, id);
    }
    let job = queue.get(&later).await?;
    assert!(job.finished_at.is_some_and(|at| at >= job.due), "{job:?}");
    running.stop().await?;
    stage.end().await
}

#[tokio::test]
async fn a_job_that_comes_back_wakes_it() -> Result<()> {
    let stage = Stage::new().await?;
    let queue = stage.queue()?;
    queue.put(doc! { "dead": true }).await?;
    let dead = stage.claim().await?;
    let dead_id = dead.job().id.clone();
    assert_eq!(dead.error(Failure::new("no").reject()).await?, State::Dead);
    for _ in 0..3 {
        queue.put(doc! {}).await?;
    }
    let held: Vec<_> = [stage.claim().await?, stage.claim().await?, stage.claim().await?].into();
    let mut running = start(&stage, hourly())?;
    listening(&stage).await?;
    assert!(queue.retry(&dead_id).await?);
    running.events.finished().await?;
    let mut held = held.into_iter();
    if let Some(job) = held.next() {
        job.error("again").await?;
        running.events.finished().await?;
    }
    if let Some(job) = held.next() {
        job.release(Duration::ZERO).await?;
        running.events.finished().await?;
    }
    if let Some(job) = held.next() {
        // Handed back.
        drop(job);
        running.events.finished().await?;
    }
    assert_eq!(running.stop().await?.completed, 4);
    stage.end().await
}

#[tokio::test]
async fn a_failed_attempt_of_its_own_is_tried_again() -> Result<()> {
    let stage = Stage::new().await?;
    stage.queue()?.put(doc! {}).await?;
    let handler = from_fn(async |attempt: mongoqueue::Attempt| match attempt.job().attempt() {
        3 => Ok(()),
        n => Err(format!("attempt {n}")),
    });
    let mut running = Running::start(worker(&stage, hourly(), handler)?);
    for _ in 0..3 {
        running.events.finished().await?;
    }
    let summary = running.stop().await?;
    assert_eq!((summary.failed, summary.completed), (2, 1));
    stage.end().await
}

#[tokio::test]
async fn without_a_bell_the_poll_finds_it() -> Result<()> {
    let stage = Stage::new().await?;
    let poll = Duration::from_millis(50);
    let options = WorkerOptions { poll, watch: false, ..WorkerOptions::default() };
    let mut running = start(&stage, options)?;
    for delay in [Duration::ZERO, Duration::from_millis(300)] {
        stage.queue()?.put(doc! {}).delay(delay).await?;
        running.events.finished().await?;
    }
    let job = stage.queue()?.next(&NextOptions::default()).await?;
    assert!(job.is_none());
    running.stop().await?;
    stage.end().await
}

/// Nobody can wait at the end of an empty collection: it is asked ever less often.
#[tokio::test]
async fn a_bell_that_is_none_is_not_pulled_at() -> Result<()> {
    let stage = Stage::new().await?;
    stage.database.collection::<Document>("jobs.bell").drop().await?;
    let empty = doc! { "create": "jobs.bell", "capped": true, "size": 4_096 };
    stage.database.run_command(empty).await?;
    stage.database.run_command(doc! { "profile": 2 }).await?;
    let profile = stage.database.collection::<Document>("system.profile");
    let begin = Instant::now();
    let running = start(&stage, hourly())?;
    eventually("it asked some times", async || {
        let asked = doc! { "command.find": "jobs.bell" };
        Ok((profile.count_documents(asked).await? >= 6).then_some(()))
    })
    .await?;
    // At the least half of 100, 200, 400, 800 and 1,600 ms lie between those.
    assert!(begin.elapsed() >= Duration::from_millis(1_550), "{:?}", begin.elapsed());
    running.stop().await?;
    stage.end().await
}
