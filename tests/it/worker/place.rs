//! Where a worker looks on that keeps up with its queue: behind what it claimed last.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;
use bson::{Bson, DateTime, Document, doc};
use futures_util::TryStreamExt;
use mongoqueue::{Attempt, PutOptions, WorkerOptions, from_fn};
use mongoqueue_tests::{Running, Stage, eventually};

use super::{HOUR, put, worker};

fn start(stage: &Stage) -> Result<Running> {
    let options = WorkerOptions { poll: HOUR, ..WorkerOptions::default() };
    Ok(Running::start(worker(stage, options, from_fn(async |_| anyhow::Ok(())))?))
}

/// Puts jobs one by one, each when the one before is done.
async fn keep_up(stage: &Stage, running: &mut Running, jobs: usize) -> Result<()> {
    for n in 0..jobs {
        stage.queue()?.put(doc! { "n": n as i64 }).await?;
        running.events.finished().await?;
    }
    Ok(())
}

/// Of any priority, and due long ago: as a job is that came back to its old place.
#[tokio::test]
async fn what_comes_in_front_of_it_is_found() -> Result<()> {
    let stage = Stage::new().await?;
    let mut running = start(&stage)?;
    let mut jobs = 0;
    for (priority, due) in [(9, DateTime::now()), (-9, DateTime::now()), (0, DateTime::MIN)] {
        keep_up(&stage, &mut running, 5).await?;
        let job = doc! {
            "queue": "q", "state": "ready", "priority": priority, "due": due, "payload": {},
        };
        stage.jobs().insert_one(job).await?;
        stage.database.collection("jobs.bell").insert_one(doc! { "queue": "q" }).await?;
        running.events.finished().await?;
        jobs += 6;
    }
    assert_eq!(running.stop().await?.completed, jobs);
    stage.end().await
}

/// Not by the next claim, which would keep it waiting; and what is there is claimed before the rest.
#[tokio::test]
async fn a_busy_worker_looks_at_the_head_beside_its_claims() -> Result<()> {
    let stage = Stage::new().await?;
    let looks = doc! { "command.find": "jobs", "command.projection": { "_id": 1 } };
    stage.database.run_command(doc! { "profile": 1, "filter": looks }).await?;
    let done = Arc::new(AtomicBool::new(false));
    let urgent = done.clone();
    let handler = from_fn(move |attempt: Attempt| {
        urgent.fetch_or(attempt.job().priority > 0, Ordering::Relaxed);
        async { anyhow::Ok(()) }
    });
    let options = WorkerOptions { poll: HOUR, ..WorkerOptions::default() };
    let running = Running::start(worker(&stage, options, handler)?);
    // There is always more to claim.
    let top_up = async || {
        let waiting = stage.jobs().estimated_document_count().await?;
        if waiting < 10_000 {
            put(&stage, 5_000, PutOptions::default()).await?;
        }
        anyhow::Ok(())
    };
    let profile = stage.database.collection::<Document>("system.profile");
    eventually("it looks there, and finds nothing", async || {
        top_up().await?;
        let nothing = doc! { "nreturned": 0, "command.min": { "$exists": true } };
        Ok((profile.count_documents(nothing).await? > 0).then_some(()))
    })
    .await?;
    put(&stage, 1, PutOptions { priority: 9, ..PutOptions::default() }).await?;
    eventually("what is there is claimed", async || {
        top_up().await?;
        Ok(done.load(Ordering::Relaxed).then_some(()))
    })
    .await?;
    running.stop().await?;
    stage.end().await
}

/// A search from the head would walk over the keys of all that was claimed in the last minutes.
#[tokio::test]
async fn most_searches_begin_there() -> Result<()> {
    const JOBS: usize = 40;
    let stage = Stage::new().await?;
    let mut running = start(&stage)?;
    keep_up(&stage, &mut running, 1).await?;
    stage.database.run_command(doc! { "profile": 2 }).await?;
    keep_up(&stage, &mut running, JOBS).await?;
    stage.database.run_command(doc! { "profile": 0 }).await?;
    running.stop().await?;

    let profile = stage.database.collection::<Document>("system.profile");
    let claims = doc! {
        "command.find": "jobs", "command.hint": "claim", "nreturned": { "$gt": 0 },
    };
    let found: Vec<Document> = profile.find(claims).await?.try_collect().await?;
    let from_place = |find: &&Document| {
        find.get_document("command")
            .is_ok_and(|it| matches!(it.get("min"), Some(Bson::Document(_))))
    };
    let there = found.iter().filter(from_place).count();
    assert!(found.len() >= JOBS / 2, "{} searches found something", found.len());
    assert!(there * 2 > found.len(), "{there} of {}", found.len());
    stage.end().await
}
