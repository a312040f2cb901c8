//! The twelve cases of the seed's test-suite, by its names, with what its own were too empty to
//! assert.

use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use bson::{DateTime, doc};
use mongoqueue::{NextOptions, Progress, RunError, State, Stats};
use mongoqueue_tests::{Stage, every};

#[tokio::test]
async fn put_next() -> Result<()> {
    let stage = Stage::new().await?;
    let payload = doc! {
        "context_id": "alpha", "data": [1, 2, 3], "more-data": 1_300_000_000.25,
    };
    stage.queue()?.put(payload.clone()).await?;
    let job = stage.claim().await?;
    assert_eq!(job.payload().deserialize::<bson::Document>()?, payload);
    job.complete(None).await?;
    stage.end().await
}

#[tokio::test]
async fn get_empty_queue() -> Result<()> {
    let stage = Stage::new().await?;
    assert!(stage.queue()?.next(&NextOptions::default()).await?.is_none());
    stage.end().await
}

#[tokio::test]
async fn priority() -> Result<()> {
    let stage = Stage::new().await?;
    let queue = stage.queue()?;
    for (name, priority) in [("alice", 1), ("bob", 2), ("mike", 0)] {
        queue.put(doc! { "name": name }).priority(priority).await?;
    }
    for name in ["bob", "alice", "mike"] {
        let job = stage.claim().await?;
        assert_eq!(job.payload().deserialize::<bson::Document>()?, doc! { "name": name });
        job.complete(None).await?;
    }
    stage.end().await
}

#[tokio::test]
async fn complete() -> Result<()> {
    let stage = Stage::new().await?;
    let queue = stage.queue()?;
    let payload = doc! { "context_id": "alpha", "at": DateTime::from_millis(1_300_000_000_123) };
    queue.put(payload.clone()).await?;
    assert_eq!(stage.jobs().count_documents(every()).await?, 1);
    let job = stage.claim().await?;
    assert_eq!(job.payload().deserialize::<bson::Document>()?, payload);
    job.complete(None).await?;
    assert_eq!(stage.jobs().count_documents(every()).await?, 0);
    assert_eq!(stage.leases().count_documents(every()).await?, 0);
    stage.end().await
}

#[tokio::test]
async fn release() -> Result<()> {
    let stage = Stage::new().await?;
    let queue = stage.queue()?;
    queue.put(doc! { "context_id": "alpha" }).await?;
    stage.claim().await?.release(Duration::ZERO).await?;
    assert_eq!(stage.jobs().count_documents(every()).await?, 1);
    let job = stage.claim().await?;
    assert_eq!(job.payload().deserialize::<bson::Document>()?, doc! { "context_id": "alpha" });
    // Against the seed, and as its README had it: a release is no attempt.
    assert_eq!((job.job().attempts, job.job().claims), (0, 2));
    job.complete(None).await?;
    stage.end().await
}

#[tokio::test]
async fn error() -> Result<()> {
    let stage = Stage::new().await?;
    let queue = stage.queue()?;
    let id = queue.put(doc! {}).await?.id;
    for (attempts, after) in [(1, State::Ready), (2, State::Ready), (3, State::Dead)] {
        assert_eq!(stage.claim().await?.error(format!("problem {attempts}")).await?, after);
        assert_eq!(queue.get(&id).await?.attempts, attempts);
    }
    assert!(queue.next(&NextOptions::default()).await?.is_none());
    let job = queue.get(&id).await?;
    let said: Vec<&str> = job.errors.iter().map(|error| error.message.as_str()).collect();
    assert_eq!(said, ["problem 1", "problem 2", "problem 3"]);
    stage.end().await
}

#[tokio::test]
async fn progress() -> Result<()> {
    let stage = Stage::new().await?;
    let queue = stage.queue()?;
    let id = queue.put(doc! {}).timeout(Duration::from_secs(60)).await?.id;
    let job = stage.claim().await?;
    let lease = async || anyhow::Ok(stage.all(&stage.leases()).await?.remove(0));
    let before = lease().await?.get_datetime("until")?.timestamp_millis();
    let progress = Progress { count: 7, total: Some(10), note: Some("$row".to_owned()) };
    job.progress(&progress).await?;
    assert_eq!(queue.get(&id).await?.progress, Some(progress));
    let after = lease().await?.get_datetime("until")?.timestamp_millis();
    assert!(after > before, "the lease was not extended: {before} to {after}");
    // The next report replaces it whole.
    let progress = Progress { count: 8, ..Progress::default() };
    job.progress(&progress).await?;
    assert_eq!(queue.get(&id).await?.progress, Some(progress));
    job.complete(None).await?;
    stage.end().await
}

#[tokio::test]
async fn stats() -> Result<()> {
    let stage = Stage::new().await?;
    let queue = stage.queue()?;
    for i in 0..5 {
        queue.put(doc! { "i": i }).await?;
    }
    stage.claim().await?.error("problem").await?;
    let stats = queue.stats().await?;
    assert_eq!(Stats { oldest_ready: None, ..stats }, Stats { ready: 5, ..Stats::default() });
    stage.end().await
}

#[tokio::test]
async fn context_manager_error() -> Result<()> {
    let stage = Stage::new().await?;
    stage.queue()?.put(doc! { "foobar": 1 }).await?;
    let job = stage.claim().await?;
    let ran = job.run(async |attempt| {
        let payload: bson::Document = attempt.job().payload.deserialize()?;
        assert_eq!(payload, doc! { "foobar": 1 });
        Err::<(), _>(anyhow!("invalid syntax"))
    });
    let Err(RunError::Failed(error)) = ran.await else { anyhow::bail!("the error is swallowed") };
    assert_eq!(error.to_string(), "invalid syntax");
    let job = stage.claim().await?;
    assert_eq!(job.job().attempts, 1);
    job.complete(None).await?;
    stage.end().await
}

#[tokio::test]
async fn context_manager_complete() -> Result<()> {
    let stage = Stage::new().await?;
    stage.queue()?.put(doc! { "foobar": 1 }).await?;
    let job = stage.claim().await?;
    let ran = job.run(async |attempt| {
        anyhow::Ok(attempt.job().payload.deserialize::<bson::Document>()?.get_i32("foobar")?)
    });
    assert_eq!(ran.await?, 1);
    assert!(stage.queue()?.next(&NextOptions::default()).await?.is_none());
    stage.end().await
}

#[tokio::test]
async fn lock_acquire_release_context_manager() -> Result<()> {
    let stage = Stage::new().await?;
    let lock = stage.mq.lock("test1")?;
    let ran = lock.run(Duration::ZERO, async |_| {
        let other = stage.mq.lock("test1")?.try_acquire().await?;
        assert!(other.is_none(), "locked while the body runs");
        anyhow::Ok(1)
    });
    assert_eq!(ran.await?.context("the body ran")??, 1);
    // Free afterwards. The record stays, for the fencing number that must never start again.
    let guard = stage.mq.lock("test1")?.try_acquire().await?.context("free again")?;
    guard.release().await?;
    stage.end().await
}

#[tokio::test]
async fn auto_expires_old() -> Result<()> {
    let stage = Stage::new().await?;
    let first = stage.mq.lock("test1")?.try_acquire().await?.context("free")?;
    assert!(!first.is_lost());
    // As if the holder had been away for longer than its lease.
    let locks = stage.database.collection::<bson::Document>("jobs.locks");
    let past = vec![doc! { "$set": { "until": { "$subtract": ["$$NOW", 1] } } }];
    locks.update_one(doc! { "_id": "test1" }, past).await?;

    let second = stage.mq.lock("test1")?.try_acquire().await?.context("expired, so free")?;
    assert!(second.fence() > first.fence());
    // Against the seed: who has lost the lock is told so, and changes nothing.
    assert!(matches!(first.release().await, Err(mongoqueue::Error::LockLost { .. })));
    let records = stage.all(&locks).await?;
    assert_eq!(records.len(), 1);
    assert!(stage.mq.lock("test1")?.try_acquire().await?.is_none(), "the second holds it");
    second.release().await?;
    stage.end().await
}
