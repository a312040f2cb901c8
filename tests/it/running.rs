//! `Lease::run`: the claimed job as a scope.

use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use bson::doc;
use mongoqueue::{Error, Lease, NextOptions, RunError, State};
use mongoqueue_tests::{Stage, every, soon};

async fn claim_for(stage: &Stage, lease: Duration) -> Result<Lease> {
    let options = NextOptions { lease: Some(lease), ..NextOptions::default() };
    stage.queue()?.next(&options).await?.context("due")
}

#[tokio::test]
async fn ok_completes_and_gives_the_value() -> Result<()> {
    let stage = Stage::new().await?;
    stage.queue()?.put(doc! { "n": 20 }).await?;
    let ran = stage.claim().await?.run(async |attempt| {
        let payload: bson::Document = attempt.job().payload.deserialize()?;
        anyhow::Ok(payload.get_i32("n")? + 1)
    });
    assert_eq!(ran.await?, 21);
    assert_eq!(stage.jobs().count_documents(every()).await?, 0);
    stage.end().await
}

#[tokio::test]
async fn an_error_is_recorded_with_its_chain_and_backtrace() -> Result<()> {
    let stage = Stage::new().await?;
    let id = stage.queue()?.put(doc! {}).await?.id;
    let ran = stage.claim().await?.run(async |_| {
        let cause = std::io::Error::other("no route");
        Err::<(), _>(anyhow!(cause).context("connecting").context("sending the mail"))
    });
    let error = ran.await.err().context("it failed")?;
    assert!(matches!(&error, RunError::Failed(_)));
    assert_eq!(error.to_string(), "sending the mail");
    let job = stage.queue()?.get(&id).await?;
    let record = job.last_error().context("a record")?;
    assert_eq!(record.message, "sending the mail: connecting: no route");
    assert_eq!((record.kind.as_str(), record.attempt), ("failure", 1));
    assert_eq!(record.consumer, "consumer-1");
    assert!(record.backtrace.as_ref().is_some_and(|trace| !trace.is_empty()), "{record:?}");
    stage.end().await
}

#[tokio::test]
async fn a_panic_is_an_error_and_is_no_panic_here() -> Result<()> {
    let stage = Stage::new().await?;
    let id = stage.queue()?.put(doc! {}).await?.id;
    let ran = stage.claim().await?.run(async |_| -> Result<()> { panic!("the {} broke", "axle") });
    let error = ran.await.err().context("it panicked")?;
    assert_eq!(error.to_string(), "the closure panicked: the axle broke");
    let job = stage.queue()?.get(&id).await?;
    let record = job.last_error().context("a record")?;
    assert_eq!((record.kind.as_str(), record.message.as_str()), ("panic", "the axle broke"));
    let trace = record.backtrace.as_deref().unwrap_or_default();
    assert!(trace.starts_with("panicked at tests/it/running.rs:"), "{trace}");
    stage.end().await
}

#[tokio::test]
async fn heartbeats_keep_a_short_lease_longer_than_its_length() -> Result<()> {
    let stage = Stage::new().await?;
    stage.queue()?.put(doc! {}).await?;
    let length = Duration::from_secs(3);
    let job = claim_for(&stage, length).await?;
    let other = stage.connect("consumer-2").await?.queue("q")?;
    let ran = job.run(async |attempt| {
        // Somebody who wants the job asks for it, for longer than its lease.
        let want = NextOptions { wait: length * 3 / 2, ..NextOptions::default() };
        let stolen = other.next(&want).await?.map(|job| job.job().id.clone());
        assert!(!attempt.is_lost());
        anyhow::Ok(stolen)
    });
    assert_eq!(ran.await?, None);
    assert_eq!(stage.jobs().count_documents(every()).await?, 0);
    stage.end().await
}

#[tokio::test]
async fn a_lost_lease_cuts_the_closure_off() -> Result<()> {
    let stage = Stage::new().await?;
    let id = stage.queue()?.put(doc! {}).await?.id;
    let job = claim_for(&stage, Duration::from_millis(300)).await?;
    let ran = job.run(async |_| {
        stage.leases().delete_many(doc! {}).await?;
        std::future::pending::<()>().await;
        anyhow::Ok(())
    });
    let ran = soon("the closure is cut off", ran).await?;
    assert!(matches!(ran, Err(RunError::Unsettled(Error::LeaseLost { .. }))), "{ran:?}");
    // Nothing was written.
    let job = stage.queue()?.get(&id).await?;
    assert_eq!((job.state, job.attempts), (State::Running, 0));
    stage.end().await
}

#[tokio::test]
async fn a_closure_that_goes_on_after_a_loss_has_its_result_dropped() -> Result<()> {
    let stage = Stage::new().await?;
    let id = stage.queue()?.put(doc! {}).await?.id;
    let ran = stage.claim().await?.run(async |_| {
        stage.expire_leases().await?;
        let other = stage.connect("consumer-2").await?.queue("q")?;
        let stolen = other.next(&NextOptions::default()).await?.context("taken")?;
        stolen.detach();
        anyhow::Ok(())
    });
    let ran = ran.await;
    assert!(matches!(ran, Err(RunError::Unsettled(Error::LeaseLost { .. }))), "{ran:?}");
    let job = stage.queue()?.get(&id).await?;
    assert_eq!(job.claim.map(|claim| claim.consumer).as_deref(), Some("consumer-2"));
    stage.end().await
}

#[tokio::test]
async fn a_closure_hears_of_a_cancel() -> Result<()> {
    let stage = Stage::new().await?;
    let queue = stage.queue()?;
    let id = queue.put(doc! {}).await?.id;
    let job = claim_for(&stage, Duration::from_millis(300)).await?;
    let ran = job.run(async |attempt| {
        queue.cancel(&attempt.job().id).await?;
        attempt.cancelled().await;
        Err::<(), _>(anyhow!("stopped"))
    });
    let ran = soon("the closure hears of it", ran).await?;
    assert!(matches!(ran, Err(RunError::Failed(_))), "{ran:?}");
    assert_eq!(queue.get(&id).await?.state, State::Cancelled);
    stage.end().await
}
