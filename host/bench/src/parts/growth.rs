//! What the server writes for a job from its put to its end, beside the least that this needs: an
//! insert, a mark and a removal in batches, of the same document, with the index of the claim.

use std::time::Duration;

use bson::{Bson, Document, doc};
use mongoqueue::from_fn;

use crate::crew::no_op;
use crate::error::Result;
use crate::fill::{Filling, document, fill};
use crate::ground::{Ground, JOBS, QUEUE};
use crate::options::{Options, Samples};
use crate::raw::BATCH;
use crate::report::Part;
use crate::status::number;

/// A collection with nothing of ours.
const LEAST: &str = "least";

/// Bytes for each job.
struct Growth {
    written: f64,
    index: f64,
}

pub(super) async fn measure(ground: &Ground, options: &Options) -> Result<Part> {
    let mut part = Part::new("growth");
    let mut all: [Samples; 4] = Default::default();
    for round in options.few_rounds() {
        let [written, index, least_written, least_index] = &mut all;
        let least = least(ground, round.jobs, options.payload).await?;
        let ours = ours(ground, round.jobs, options.payload).await?;
        written.add(&round, ours.written);
        index.add(&round, ours.index);
        least_written.add(&round, least.written);
        least_index.add(&round, least.index);
    }
    let [written, index, least_written, least_index] = all.map(|samples| samples.0);
    part.figure(("written", "written for a job: put, claimed, done"), &written, "bytes");
    part.figure(("raw-written", "the least: insert, mark, remove"), &least_written, "bytes");
    part.ratio(("written/raw", "written / the least"), (&written, &least_written));
    part.figure(("index", "indexes of a job that waits"), &index, "bytes");
    part.figure(("raw-index", "the least: of its id, and of the claim"), &least_index, "bytes");
    part.ratio(("index/raw", "indexes / the least"), (&index, &least_index));
    part.note("data, indexes, oplog and journal of the server, after a checkpoint at both ends");
    Ok(part)
}

async fn ours(ground: &Ground, n: usize, bytes: usize) -> Result<Growth> {
    let mq = ground.fresh().await?;
    let before = written(ground).await;
    fill(ground, n, Filling::of(bytes)).await?;
    ground.checkpoint().await;
    let index = index(ground, JOBS).await? / n as f64;
    ground.drain(&mq.queue(QUEUE)?, n, from_fn(no_op)).await?;
    Ok(Growth { written: (written(ground).await - before) / n as f64, index })
}

async fn least(ground: &Ground, n: usize, bytes: usize) -> Result<Growth> {
    ground.fresh().await?;
    let jobs = ground.database().collection::<bson::RawDocumentBuf>(LEAST);
    let index_key = doc! { "queue": 1, "priority": -1, "due": 1, "_id": 1 };
    let ready = doc! { "state": "ready" };
    let claim = doc! { "name": "claim", "key": index_key, "partialFilterExpression": ready };
    let create = doc! { "createIndexes": LEAST, "indexes": [claim] };
    ground.database().run_command(create).await?;

    let before = written(ground).await;
    let (mut batches, filling) = (Vec::new(), Filling::of(bytes));
    for first in (0..n).step_by(BATCH) {
        let numbers = first..(first + BATCH).min(n);
        let documents = numbers.map(|n| document(n, &filling)).collect::<Result<Vec<_>>>()?;
        let inserted = jobs.insert_many(documents).await?.inserted_ids;
        batches.push(inserted.into_values().collect::<Vec<Bson>>());
    }
    ground.checkpoint().await;
    let index = index(ground, LEAST).await? / n as f64;
    // In transactions, which write one entry of the oplog for a batch rather than one for a job.
    let mut session = ground.client.start_session().await?;
    for ids in batches {
        let of = doc! { "_id": { "$in": ids } };
        let mark: Document = doc! { "$set": { "state": "running" } };
        session.start_transaction().await?;
        jobs.update_many(of.clone(), mark).session(&mut session).await?;
        session.commit_transaction().await?;
        session.start_transaction().await?;
        jobs.delete_many(of).session(&mut session).await?;
        session.commit_transaction().await?;
    }
    Ok(Growth { written: (written(ground).await - before) / n as f64, index })
}

/// Until the journal is on the disk too: the server writes it every tenth of a second.
const JOURNAL: Duration = Duration::from_millis(200);

async fn written(ground: &Ground) -> f64 {
    ground.checkpoint().await;
    tokio::time::sleep(JOURNAL).await;
    ground.status().await.written()
}

async fn index(ground: &Ground, collection: &str) -> Result<f64> {
    let stats = ground.database().run_command(doc! { "collStats": collection }).await?;
    Ok(number(&stats, &["totalIndexSize"]))
}
