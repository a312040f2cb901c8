//! What MongoDB's users write by hand: `findOneAndUpdate` to claim, `deleteOne` when done.

use std::time::Instant;

use anyhow::Result;
use bson::{Bson, Document, doc};
use mongodb::Collection;

use crate::server::Server;

/// Enough for a steady rate; at its 500 to 1,500 jobs a second more would only take longer.
const JOBS: usize = 2_000;

/// The best rate of a few concurrencies, in jobs per second, and which one that was.
pub(crate) async fn best(server: &Server) -> Result<(f64, usize)> {
    let mut best = (0.0, 0);
    for concurrency in [1, 2, 4, 16, 64] {
        let rate = drain(server, concurrency).await?;
        if rate > best.0 {
            best = (rate, concurrency);
        }
    }
    Ok(best)
}

async fn drain(server: &Server, concurrency: usize) -> Result<f64> {
    let database = server.client.database(&server.database("by_hand"));
    database.drop().await?;
    let jobs: Collection<Document> = database.collection("jobs");
    let index = doc! { "key": { "locked_at": 1, "priority": -1, "_id": 1 }, "name": "claim" };
    database.run_command(doc! { "createIndexes": "jobs", "indexes": [index] }).await?;
    let pad = "x".repeat(150);
    let job = |n: i32| doc! { "locked_at": Bson::Null, "priority": 0, "payload": { "n": n, "pad": &pad } };
    jobs.insert_many((0..JOBS as i32).map(job)).await?;
    let started = Instant::now();
    let workers: Vec<_> = (0..concurrency).map(|_| tokio::spawn(work(jobs.clone()))).collect();
    let mut done = 0;
    for worker in workers {
        done += worker.await??;
    }
    anyhow::ensure!(done == JOBS, "{done} of {JOBS} jobs were done");
    Ok(JOBS as f64 / started.elapsed().as_secs_f64())
}

async fn work(jobs: Collection<Document>) -> Result<usize> {
    let mut done = 0;
    loop {
        let claim = doc! { "$currentDate": { "locked_at": true } };
        let job = jobs
            .find_one_and_update(doc! { "locked_at": Bson::Null }, claim)
            .sort(doc! { "priority": -1, "_id": 1 })
            .await?;
        let Some(job) = job else { return Ok(done) };
        jobs.delete_one(doc! { "_id": job.get_object_id("_id")? }).await?;
        done += 1;
    }
}
