//! The examples in Rust, as components; those in other languages have tests in their own.

use std::time::Duration;

use anyhow::{Context, Result};
use mongoqueue::{
    Attempt, Disposition, Handler, IntoPayload, Job, Outcome, State, Worker, WorkerOptions,
};
use mongoqueue_tests::{Running, Stage, built, eventually, soon};
use mongoqueue_wasmtime::{ComponentHandler, Grants};
use serde_json::{Value, json};

async fn example(name: &str) -> Result<ComponentHandler> {
    super::load(built::guest(name)?, Grants::default()).await
}

async fn attempt(handler: &ComponentHandler, payload: Value) -> Result<Outcome> {
    let job = Job::new("q", payload.into_payload()?);
    soon("the attempt ends", handler.handle(Attempt::detached(job))).await
}

async fn output(handler: &ComponentHandler, payload: Value) -> Result<Value> {
    let outcome = attempt(handler, payload).await?;
    let Outcome::Completed(Some(output)) = outcome else { anyhow::bail!("{outcome:?}") };
    Ok(output.deserialize()?)
}

#[tokio::test]
async fn hello() -> Result<()> {
    let hello = example("hello").await?;
    assert_eq!(output(&hello, json!({ "name": "Ada" })).await?, json!("Hello, Ada!"));
    Ok(())
}

#[tokio::test]
async fn typed() -> Result<()> {
    let typed = example("typed").await?;
    let nail = json!({ "sku": "nail", "count": 100, "cents": 2 });
    let saw = json!({ "sku": "saw", "count": 1, "cents": 999 });
    let total = output(&typed, json!({ "lines": [nail, saw] })).await?;
    assert_eq!(total, json!({ "items": 101, "cents": 1_199 }));
    let outcome = attempt(&typed, json!({ "lines": [{}] })).await?;
    let Outcome::Failed(failure) = outcome else { anyhow::bail!("{outcome:?}") };
    assert_eq!(failure.disposition, Disposition::Reject);
    assert_eq!(failure.code.as_deref(), Some("bad-payload"));
    Ok(())
}

#[tokio::test]
async fn dispositions() -> Result<()> {
    let deliver = example("dispositions").await?;
    assert_eq!(output(&deliver, json!({ "status": 200 })).await?, json!({ "delivered": true }));
    let released = attempt(&deliver, json!({ "status": 503 })).await?;
    assert_eq!(released, Outcome::Released { delay: Duration::from_secs(30) });
    let ends = [
        (429, "busy", Disposition::RetryAfter(Duration::from_secs(60))),
        (404, "http-404", Disposition::Reject),
        (500, "http-500", Disposition::Retry),
    ];
    for (status, code, disposition) in ends {
        let outcome = attempt(&deliver, json!({ "status": status })).await?;
        let Outcome::Failed(failure) = outcome else { anyhow::bail!("{outcome:?}") };
        assert_eq!((failure.code.as_deref(), failure.disposition), (Some(code), disposition));
    }
    Ok(())
}

/// What these two say is seen on the job.
#[tokio::test]
async fn progress_and_cancel() -> Result<()> {
    let stage = Stage::new().await?;
    let (loads, prints) = (stage.mq.queue("loads")?, stage.mq.queue("prints")?);
    let load = loads.put(json!({ "rows": 250 })).retain(Duration::from_secs(60)).await?;
    let print = prints.put(json!({ "pages": i64::MAX })).retain(Duration::from_secs(60)).await?;
    // A short lease, so that the worker soon hears of a job that is to stop.
    let options = WorkerOptions { lease: Duration::from_secs(3), ..Default::default() };
    let worker = Worker::new(&stage.mq, options)
        .serve(loads.clone(), example("progress").await?)
        .serve(prints.clone(), example("cancel").await?);
    let running = Running::start(worker);
    let loaded = eventually("the rows are loaded", async || {
        let job = loads.get(&load.id).await?;
        Ok((job.state == State::Completed).then_some(job))
    })
    .await?;
    let progress = loaded.progress.context("progress")?;
    assert_eq!((progress.count, progress.total), (250, Some(250)));
    assert_eq!(progress.note.as_deref(), Some("done"));

    eventually("it prints", async || {
        Ok((prints.get(&print.id).await?.state == State::Running).then_some(()))
    })
    .await?;
    prints.cancel(&print.id).await?;
    eventually("it stops", async || {
        Ok((prints.get(&print.id).await?.state == State::Cancelled).then_some(()))
    })
    .await?;
    running.stop().await?;
    stage.end().await
}
