//! What MongoDB's users write by hand: `findOneAndUpdate` to claim, `deleteOne` when done.

use std::time::Instant;

use anyhow::Result;
use bson::{DateTime, Document, doc};
use mongodb::Collection;

use crate::server::Server;

/// Enough to see which concurrency is best.
const TRIAL: usize = 1_000;

/// The rate of a drain of so many jobs at the best of a few concurrencies, in jobs per second, and
/// which one that is.
pub(crate) async fn best(server: &Server, jobs: usize) -> Result<(f64, usize)> {
    let mut best = (0.0, 0);
    for concurrency in [1, 2, 4, 8, 16, 64] {
        let rate = drain(server, TRIAL, concurrency).await?;
        if rate > best.0 {
            best = (rate, concurrency);
        }
    }
    let (_, concurrency) = best;
    Ok((drain(server, jobs, concurrency).await?, concurrency))
}

async fn drain(server: &Server, n: usize, concurrency: usize) -> Result<f64> {
    let database = server.client.database(&server.database("by_hand"));
    database.drop().await?;
    let jobs: Collection<Document> = database.collection("jobs");
    // In claim order, so that each claim reads one key.
    let key = doc! { "queue": 1, "state": 1, "priority": -1, "due": 1, "_id": 1 };
    let index = doc! { "key": key, "name": "claim" };
    database.run_command(doc! { "createIndexes": "jobs", "indexes": [index] }).await?;
    let pad = "x".repeat(150);
    let job = |n: usize| {
        doc! {
            "queue": "bench", "state": "ready", "priority": 0, "due": DateTime::now(),
            "payload": { "n": n as i64, "pad": &pad },
        }
    };
    jobs.insert_many((0..n).map(job)).await?;
    let started = Instant::now();
    let workers: Vec<_> = (0..concurrency).map(|_| tokio::spawn(work(jobs.clone()))).collect();
    let mut done = 0;
    for worker in workers {
        done += worker.await??;
    }
    anyhow::ensure!(done == n, "{done} of {n} jobs were done");
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
        jobs.delete_one(doc! { "_id": job.get_object_id("_id")? }).await?;
        done += 1;
    }
}
