//! Locks: one holder at a time, and the body never runs without it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use bson::{Document, doc};
use mongoqueue::Error;
use mongoqueue_tests::{Stage, soon};

async fn expire(stage: &Stage) -> Result<()> {
    let locks = stage.database.collection::<Document>("jobs.locks");
    let past = vec![doc! { "$set": { "until": { "$subtract": ["$$NOW", 1] } } }];
    locks.update_many(doc! {}, past).await?;
    Ok(())
}

#[tokio::test]
async fn the_fencing_number_grows_with_every_holder() -> Result<()> {
    let stage = Stage::new().await?;
    let lock = stage.mq.lock("l")?;
    let mut last = 0;
    for how in ["release", "drop", "expire", "release", "release"] {
        let wait = Duration::from_secs(60);
        let guard = lock.acquire(wait).await?.context("free, or soon so")?;
        assert!(guard.fence() > last, "{} after {last}", guard.fence());
        last = guard.fence();
        match how {
            "release" => guard.release().await?,
            "drop" => drop(guard),
            _ => {
                expire(&stage).await?;
                // Kept alive: it is lost by its lease, not by its drop.
                let next = lock.try_acquire().await?.context("expired")?;
                assert!(next.fence() > last);
                last = next.fence();
                next.release().await?;
                drop(guard);
            }
        }
    }
    stage.end().await
}

#[tokio::test]
async fn a_waiting_acquire_gets_it_and_gives_up_in_time() -> Result<()> {
    let stage = Stage::new().await?;
    let held = stage.mq.lock("l")?.try_acquire().await?.context("free")?;
    let begun = std::time::Instant::now();
    let wait = Duration::from_millis(300);
    assert!(stage.mq.lock("l")?.acquire(wait).await?.is_none());
    assert!(begun.elapsed() >= wait);
    let lock = stage.mq.lock("l")?;
    let waiting = tokio::spawn(async move { lock.acquire(Duration::from_secs(60)).await });
    held.release().await?;
    let guard = soon("the lock is acquired", waiting).await???.context("free")?;
    guard.release().await?;
    // Another name is another lock.
    let one = stage.mq.lock("one")?.try_acquire().await?;
    let other = stage.mq.lock("$other.")?.try_acquire().await?;
    assert!(one.is_some() && other.is_some());
    stage.end().await
}

#[tokio::test]
async fn it_is_renewed_beyond_its_lease() -> Result<()> {
    let stage = Stage::new().await?;
    let length = Duration::from_secs(3);
    let held = stage.mq.lock("l")?.lease(length)?.try_acquire().await?.context("free")?;
    // Somebody waits for it, for longer than its lease.
    assert!(stage.mq.lock("l")?.acquire(length * 3 / 2).await?.is_none());
    assert!(!held.is_lost());
    held.release().await?;
    stage.end().await
}

#[tokio::test]
async fn the_body_never_runs_unlocked() -> Result<()> {
    let stage = Stage::new().await?;
    let held = stage.mq.lock("l")?.try_acquire().await?.context("free")?;
    let ran = stage.mq.lock("l")?.run(Duration::from_millis(50), async |_| ()).await?;
    assert_eq!(ran, None);
    held.release().await?;

    // Lost while the body runs, it is cut off.
    let lock = stage.mq.lock("l")?.lease(Duration::from_millis(300))?;
    let ran = lock.run(Duration::ZERO, async |_| {
        expire(&stage).await?;
        std::future::pending::<()>().await;
        anyhow::Ok(())
    });
    let ran = soon("the body is cut off", ran).await?;
    assert!(matches!(ran, Err(Error::LockLost { ref name }) if name == "l"), "{ran:?}");
    stage.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixteen_holders_are_never_two() -> Result<()> {
    static INSIDE: AtomicU64 = AtomicU64::new(0);
    static LAST: AtomicU64 = AtomicU64::new(0);
    let stage = Stage::new().await?;
    let mut holders = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let lock = stage.mq.lock("l")?;
        holders.spawn(async move {
            for _ in 0..2 {
                let ran = lock.run(Duration::from_secs(60), async |fence| {
                    assert_eq!(INSIDE.fetch_add(1, Ordering::SeqCst), 0, "two inside");
                    assert!(LAST.swap(fence, Ordering::SeqCst) < fence, "an older fence");
                    tokio::task::yield_now().await;
                    INSIDE.fetch_sub(1, Ordering::SeqCst);
                });
                ran.await?.context("acquired within a minute")?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = holders.join_next().await {
        ended??;
    }
    stage.end().await
}

#[tokio::test]
async fn names_and_leases_that_can_never_be() -> Result<()> {
    let stage = Stage::new().await?;
    assert!(matches!(stage.mq.lock(""), Err(Error::Invalid { .. })));
    for lease in [Duration::from_millis(99), Duration::MAX] {
        assert!(matches!(stage.mq.lock("l")?.lease(lease), Err(Error::Invalid { .. })));
    }
    stage.end().await
}
