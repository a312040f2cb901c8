//! Putting: one by one with many in flight, and a thousand at once, beside the driver's inserts of
//! the same documents.

use std::time::Instant;

use futures_util::StreamExt;
use futures_util::stream::iter;
use mongoqueue::{NewJob, Payload, Queue};

use crate::error::Result;
use crate::fill::{Filling, document, fill, payload};
use crate::ground::{Ground, QUEUE};
use crate::options::{Options, Samples};
use crate::report::Part;

/// Single puts in flight: enough for the server to commit them in groups.
const IN_FLIGHT: usize = 64;
/// Batches in flight, as [`fill`] has them; and their size.
const BATCHES: usize = 4;
const BATCH: usize = 1_000;

pub(super) async fn measure(ground: &Ground, options: &Options) -> Result<Part> {
    let mut part = Part::new("put");
    let mut rates: [Samples; 4] = Default::default();
    for round in options.rounds() {
        // One by one costs more than twenty times what many at once do.
        let few = (round.jobs / 5).max(IN_FLIGHT);
        let mq = ground.fresh().await?;
        let queue = mq.queue(QUEUE)?;
        let [single, raw_single, many, raw_many] = &mut rates;
        raw_single.add(&round, inserts(ground, few, options.payload).await?);
        single.add(&round, puts(&queue, few, options.payload).await?);
        let started = Instant::now();
        fill(ground, round.jobs, Filling::of(options.payload)).await?;
        raw_many.add(&round, round.jobs as f64 / started.elapsed().as_secs_f64());
        many.add(&round, batches(&queue, round.jobs, options.payload).await?);
    }
    let [single, raw_single, many, raw_many] = rates.map(|rates| rates.0);
    part.figure(("single", format!("put, {IN_FLIGHT} in flight")), &single, "jobs/s");
    part.figure(("raw-single", "insert_one of the bare driver"), &raw_single, "jobs/s");
    part.ratio(("single/raw", "put / insert_one"), (&single, &raw_single));
    part.figure(("many", "put_many of 1,000, 4 in flight"), &many, "jobs/s");
    part.figure(("raw-many", "insert_many of the bare driver"), &raw_many, "jobs/s");
    part.ratio(("many/raw", "put_many / insert_many"), (&many, &raw_many));
    part.note("all at majority, with the journal");
    Ok(part)
}

async fn puts(queue: &Queue, n: usize, bytes: usize) -> Result<f64> {
    let started = Instant::now();
    let put = |n| {
        let queue = queue.clone();
        tokio::spawn(async move { queue.put(payload(n, bytes)).await })
    };
    let mut puts = iter(0..n).map(put).buffer_unordered(IN_FLIGHT);
    while let Some(put) = puts.next().await {
        put??;
    }
    Ok(n as f64 / started.elapsed().as_secs_f64())
}

async fn inserts(ground: &Ground, n: usize, bytes: usize) -> Result<f64> {
    let filling = Filling::of(bytes);
    let started = Instant::now();
    let insert = |n| {
        let jobs = ground.jobs();
        tokio::spawn(async move { Result::Ok(jobs.insert_one(document(n, &filling)?).await?) })
    };
    let mut inserts = iter(0..n).map(insert).buffer_unordered(IN_FLIGHT);
    while let Some(inserted) = inserts.next().await {
        inserted??;
    }
    Ok(n as f64 / started.elapsed().as_secs_f64())
}

async fn batches(queue: &Queue, n: usize, bytes: usize) -> Result<f64> {
    let started = Instant::now();
    let put = |first: usize| {
        let queue = queue.clone();
        tokio::spawn(async move {
            let jobs = (first..(first + BATCH).min(n)).map(|n| Payload::json(&payload(n, bytes)));
            let jobs: mongoqueue::Result<Vec<_>> = jobs.map(|it| it.map(NewJob::new)).collect();
            for receipt in queue.put_many(jobs?).await? {
                receipt?;
            }
            Result::Ok(())
        })
    };
    let mut puts = iter((0..n).step_by(BATCH)).map(put).buffer_unordered(BATCHES);
    while let Some(put) = puts.next().await {
        put??;
    }
    Ok(n as f64 / started.elapsed().as_secs_f64())
}
