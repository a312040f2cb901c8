//! What a cluster that is sharded by `queue` would be asked: the server's profiler shows every
//! statement, and whether its filter says which queue it is about. There is no cluster here.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result};
use bson::{Bson, Document, doc};
use futures_util::TryStreamExt;
use mongodb::Collection;
use mongoqueue::{
    Attempt, Failure, JobId, ListOptions, Payload, Progress, State, Worker, WorkerOptions, from_fn,
};
use mongoqueue_tests::{Stage, soon};

/// What goes to all shards, as docs/performance.md says.
const ALL_SHARDS: [&str; 7] = [
    // A job by its id, whatever queue it is in.
    "jobs: query by _id",
    // The names of all queues.
    "jobs: distinct by state",
    "jobs: distinct by finished_at",
    "jobs.leases: distinct by ",
    // An index that the first job needs; the end of a read, which goes where that was.
    "jobs: createIndexes by ",
    "jobs: killCursors by ",
    // The harness moves the end of all leases.
    "jobs.leases: update by ",
];

const HOUR: Duration = Duration::from_secs(3_600);

/// Everything that is done with jobs.
async fn everything(stage: &Stage) -> Result<()> {
    let queue = stage.queue()?;
    let put = |n: i32| queue.put(doc! { "n": n });
    put(0).id("mine".parse()?).await?;
    put(0).id("mine".parse()?).await?;
    put(1).unique_key("one").await?;
    assert!(put(2).unique_key("one").await.is_err());
    queue.put_many(vec![mongoqueue::NewJob::new(Payload::Bson(1.into()))]).await?;
    queue.room_for(1, 10).await?;

    let job = stage.claim().await?;
    job.progress(&Progress::default()).await?;
    job.attempt().save(&Payload::Bson(1.into())).await?;
    job.extend(HOUR).await?;
    stage.mq.find_lease(&job.job().id, job.token()).await?.detach();
    job.complete(None).await?;
    stage.claim().await?.release(Duration::ZERO).await?;
    stage.claim().await?.error(Failure::new("again")).await?;
    let dead = put(3).max_attempts(1).priority(9).await?.id;
    assert_eq!(stage.claim().await?.error("wrong").await?, State::Dead);
    queue.deaths(10).await?;
    queue.retry(&dead).await?;
    stage.claim().await?.error("wrong").await?;
    queue.retry_dead().await?;
    let kept = put(4).priority(9).retain(HOUR).await?.id;
    stage.claim().await?.complete(Some(Payload::Bson(1.into()))).await?;
    queue.get(&kept).await?;
    put(5).priority(9).await?;
    let lost = stage.claim().await?;
    queue.cancel(&lost.job().id).await?;
    lost.heartbeat().await?;
    lost.detach();
    stage.expire_leases().await?;
    queue.cancel(&put(6).delay(HOUR).await?.id).await?;

    let options = WorkerOptions { slots: 2, until_empty: true, ..WorkerOptions::default() };
    let worker = Worker::new(&stage.mq, options);
    let worker = worker.serve(queue.clone(), from_fn(async |_: Attempt| anyhow::Ok(())));
    soon("the worker is done", worker.run(std::future::pending())).await??;
    queue.stats().await?;
    for state in State::ALL {
        queue.list(&ListOptions { state: Some(state), ..ListOptions::default() }).await?;
    }
    queue.explain_next(1).await?;
    stage.mq.queues().await?;
    let nobody: JobId = "nobody".parse()?;
    assert!(queue.get(&nobody).await.is_err());
    queue.clear().await?;
    Ok(())
}

/// What the statement looks for: `None` where it looks for nothing.
fn filter(statement: &Document) -> Option<Document> {
    // What is explained.
    if let Ok(explained) = statement.get_document("explain") {
        return filter(explained);
    }
    let stage = || {
        let pipeline = statement.get_array("pipeline").ok()?;
        pipeline.first()?.as_document()?.get_document("$match").ok()
    };
    let named = ["filter", "q", "query"].iter().find_map(|it| statement.get_document(*it).ok());
    named.or_else(stage).cloned()
}

#[tokio::test]
async fn every_statement_names_its_queue_but_those_that_are_told() -> Result<()> {
    let stage = Stage::new().await?;
    stage.database.run_command(doc! { "profile": 2, "slowms": 0 }).await?;
    everything(&stage).await?;
    stage.database.run_command(doc! { "profile": 0 }).await?;

    let profile: Collection<Document> = stage.database.collection("system.profile");
    let of = doc! { "op": { "$nin": ["insert", "getmore"] } };
    let statements: Vec<Document> = profile.find(of).await?.try_collect().await?;
    let (mut named, mut others) = (0, BTreeSet::new());
    for seen in &statements {
        let (namespace, op) = (seen.get_str("ns")?, seen.get_str("op")?);
        let collection = namespace.split_once('.').context("a collection")?.1;
        if !["jobs", "jobs.leases"].contains(&collection) {
            continue;
        }
        let statement = seen.get_document("command")?;
        let filter = filter(statement).unwrap_or_default();
        if matches!(filter.get("queue"), Some(Bson::String(_) | Bson::Document(_))) {
            named += 1;
            continue;
        }
        let verb = if op == "command" { statement.keys().next().context("a verb")? } else { op };
        let keys: Vec<&str> = filter.keys().map(String::as_str).collect();
        others.insert(format!("{collection}: {verb} by {}", keys.join(", ")));
    }
    assert!(named > 50, "{named} of {}", statements.len());
    assert!(others.contains("jobs: query by _id"), "{others:#?}");
    let told = ALL_SHARDS.map(str::to_owned).into();
    let untold: Vec<&String> = others.difference(&told).collect();
    assert!(untold.is_empty(), "{untold:#?}");
    stage.end().await
}
