//! What MongoDB's users write by hand: `findOneAndUpdate` to claim, `deleteOne` when done.

use std::time::Instant;

use bson::{DateTime, Document, doc};
use mongodb::Collection;
use tokio::task::JoinSet;

use crate::error::{Error, Result, ensure};
use crate::fill::payload;
use crate::ground::Ground;

/// How many are in flight where that is fastest, found by trying some with so many jobs each; and the
/// rate of one, which is a loop that does nothing else.
pub(crate) async fn best(ground: &Ground, jobs: usize, bytes: usize) -> Result<(usize, f64)> {
    let alone = drain(ground, jobs, (1, bytes)).await?;
    let mut best = (alone, 1);
    for in_flight in [2, 4, 8, 16, 64] {
        let rate = drain(ground, jobs, (in_flight, bytes)).await?;
        if rate > best.0 {
            best = (rate, in_flight);
        }
    }
    Ok((best.1, alone))
}

/// The rate of a drain of so many jobs, in jobs per second.
pub(crate) async fn drain(
    ground: &Ground,
    n: usize,
    (in_flight, bytes): (usize, usize),
) -> Result<f64> {
    let database = ground.database();
    let jobs: Collection<Document> = database.collection("by_hand");
    jobs.drop().await?;
    // In claim order, so that each claim reads one key.
    let key = doc! { "queue": 1, "state": 1, "priority": -1, "due": 1, "_id": 1 };
    let index = doc! { "key": key, "name": "claim" };
    database.run_command(doc! { "createIndexes": jobs.name(), "indexes": [index] }).await?;
    let job = |n: usize| {
        doc! {
            "queue": "bench", "state": "ready", "priority": 0, "due": DateTime::now(),
            "payload": payload(n, bytes),
        }
    };
    jobs.insert_many((0..n).map(job)).await?;
    let started = Instant::now();
    let mut workers: JoinSet<Result<usize>> = JoinSet::new();
    for _ in 0..in_flight {
        workers.spawn(work(jobs.clone()));
    }
    let mut done = 0;
    while let Some(worker) = workers.join_next().await {
        done += worker??;
    }
    ensure(done == n, || format!("{done} of {n} jobs were done by hand"))?;
    Ok(n as f64 / started.elapsed().as_secs_f64())
}

async fn work(jobs: Collection<Document>) -> Result<usize> {
    let mut done = 0;
    loop {
        let due = doc! { "queue": "bench", "state": "ready", "due": { "$lte": DateTime::now() } };
        let claim = doc! { "$set": { "state": "running", "locked_at": DateTime::now() } };
        let job = jobs
            .find_one_and_update(due, claim)
            .sort(doc! { "priority": -1, "due": 1, "_id": 1 })
            .await?;
        let Some(job) = job else { return Ok(done) };
        let id = job.get_object_id("_id").map_err(|error| Error::Wrong(error.to_string()))?;
        jobs.delete_one(doc! { "_id": id }).await?;
        done += 1;
    }
}
