//! From a put to the start of its handler on an idle queue, beside the server's own steps: the
//! insert at majority, the change event, the find and the transaction of the claim.

use std::time::{Duration, Instant};

use bson::{Document, doc};
use futures_util::StreamExt;
use mongodb::change_stream::ChangeStream;
use mongodb::options::ReadConcern;
use mongoqueue::{Attempt, BoxError, Worker, WorkerOptions, from_fn};
use tokio::sync::mpsc;

use crate::error::{Error, Result};
use crate::fill::{Filling, document, payload};
use crate::ground::{GRACE, Ground, QUEUE};
use crate::options::{Options, Round};
use crate::raw::Raw;
use crate::report::Part;
use crate::stats::percentile;

/// Puts of a run; the first ones of each open the connections and don't count.
const PUTS: usize = 150;
const WARM_UP: usize = 10;
/// A put whose job has not started by then means that something is broken.
const LOST: Duration = Duration::from_secs(30);

/// The server's own steps, in milliseconds: put, event, claim.
type Steps = [f64; 3];

pub(super) async fn measure(ground: &Ground, options: &Options) -> Result<Part> {
    let mut part = Part::new("latency");
    let (mut waits, mut floor) = (Vec::new(), Vec::new());
    let (mut medians, mut floor_medians) = (Vec::new(), Vec::new());
    for Round { counts, .. } in options.few_rounds() {
        let steps = server_steps(ground, options).await?;
        let run = starts(ground, options).await?;
        if counts {
            let totals: Vec<f64> = steps.iter().map(|steps| steps.iter().sum()).collect();
            floor_medians.push(percentile(&totals, 0.5));
            medians.push(percentile(&run, 0.5));
            floor.extend(steps);
            waits.extend(run);
        }
    }
    part.figure(("p50", "half of them within"), &medians, "ms");
    part.figure(("p99", "99 of 100 within, of all runs"), &[percentile(&waits, 0.99)], "ms");
    part.figure(("floor-p50", "the server's own steps: half within"), &floor_medians, "ms");
    let totals: Vec<f64> = floor.iter().map(|steps| steps.iter().sum()).collect();
    part.figure(("floor-p99", "99 of 100 within"), &[percentile(&totals, 0.99)], "ms");
    for (i, (name, words)) in [
        ("floor-put", "of these: the insert at majority"),
        ("floor-event", "until its change event"),
        ("floor-claim", "find and claim it"),
    ]
    .into_iter()
    .enumerate()
    {
        let step: Vec<f64> = floor.iter().filter_map(|steps| steps.get(i).copied()).collect();
        part.figure((name, words), &[percentile(&step, 0.5)], "ms");
    }
    part.ratio(("p50/floor", "half within / the server's own"), (&medians, &floor_medians));
    Ok(part)
}

/// Puts while a worker is idle; from the call to the start of the handler, in milliseconds.
async fn starts(ground: &Ground, options: &Options) -> Result<Vec<f64>> {
    let mq = ground.fresh().await?;
    let queue = mq.queue(QUEUE)?;
    let (started, mut starts) = mpsc::unbounded_channel();
    let handler = from_fn(move |_: Attempt| {
        let started = started.clone();
        async move { started.send(Instant::now()).map_err(BoxError::from) }
    });
    let settings = WorkerOptions { grace: GRACE, ..WorkerOptions::default() };
    let worker = ground.start(Worker::new(&mq, settings).serve(queue.clone(), handler));
    let mut waits = Vec::new();
    for n in 0..WARM_UP + options.count(PUTS) {
        let put = Instant::now();
        queue.put(payload(n, options.payload)).await?;
        let start = tokio::time::timeout(LOST, starts.recv()).await.ok().flatten();
        let start =
            start.ok_or_else(|| Error::Wrong("a job was put and never begun".to_owned()))?;
        waits.push(start.duration_since(put).as_secs_f64() * 1e3);
        rest().await;
    }
    worker.end().await?;
    Ok(waits.split_off(WARM_UP))
}

async fn server_steps(ground: &Ground, options: &Options) -> Result<Vec<Steps>> {
    ground.fresh().await?;
    let (jobs, raw) = (ground.jobs(), Raw::new(ground));
    let inserts = doc! { "$match": { "operationType": "insert", "fullDocument.queue": QUEUE } };
    let due = doc! { "$project": { "due": "$fullDocument.due" } };
    let watch = jobs.watch().pipeline([inserts, due]).read_concern(ReadConcern::majority());
    let mut events: ChangeStream<Document> = watch.await?.with_type();
    let mut all = Vec::new();
    for n in 0..WARM_UP + options.count(PUTS) {
        let begun = Instant::now();
        jobs.insert_one(document(n, &Filling::of(options.payload))?).await?;
        let put = begun.elapsed();
        events.next().await.transpose()?;
        let event = begun.elapsed();
        let found = raw.find(None, 1).await?;
        let token = raw.claim(found.ids()).await?;
        let claimed = begun.elapsed();
        all.push([put, event - put, claimed - event].map(|time| time.as_secs_f64() * 1e3));
        raw.settle(found.ids().to_vec(), token).await?;
        rest().await;
    }
    Ok(all.split_off(WARM_UP))
}

/// So that the worker is idle again, and not in step with anything.
async fn rest() {
    tokio::time::sleep(Duration::from_millis(rand::random_range(5..25))).await;
}
