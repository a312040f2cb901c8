//! The fence: whoever has lost a claim changes nothing, whatever it tries.

use std::time::Duration;

use anyhow::{Context, Result};
use bson::{Document, doc};
use mongoqueue::{Error, IntoPayload, Lease, NextOptions, Payload, Progress, State};
use mongoqueue_tests::{Stage, every};

/// How a holder comes to be a stale one.
#[derive(Clone, Copy, Debug)]
enum Loss {
    /// Its lease ran out, and the job waits.
    TakenBack,
    /// Another consumer has the job.
    ClaimedByAnother,
    /// The same consumer has claimed the job again.
    ClaimedBySame,
    /// Somebody settled it with the same token.
    Completed,
    /// The job was retained, dead, or cancelled meanwhile.
    Dead,
    /// All jobs of the queue were removed.
    Cleared,
}

const LOSSES: [Loss; 6] = [
    Loss::TakenBack,
    Loss::ClaimedByAnother,
    Loss::ClaimedBySame,
    Loss::Completed,
    Loss::Dead,
    Loss::Cleared,
];

const VERBS: [&str; 9] =
    ["progress", "heartbeat", "extend", "save", "complete", "keep", "error", "release", "drop"];

#[tokio::test]
async fn a_stale_holder_changes_nothing() -> Result<()> {
    let stage = Stage::new().await?;
    for loss in LOSSES {
        for verb in VERBS {
            attempt(&stage, loss, verb).await.with_context(|| format!("{loss:?}, {verb}"))?;
        }
    }
    stage.end().await
}

async fn attempt(stage: &Stage, loss: Loss, verb: &str) -> Result<()> {
    let queue = stage.queue()?;
    let retain = (verb == "keep").then_some(Duration::from_secs(60));
    let mut put = queue.put(doc! {});
    if let Some(retain) = retain {
        put = put.retain(retain);
    }
    put.await?;
    let stale = stage.claim().await?;
    let holder = lose(stage, &stale, loss).await?;
    let before = snapshot(stage).await?;

    let answer = act(stale, verb).await;
    assert!(matches!(answer, Err(Error::LeaseLost { .. })), "{answer:?}");
    assert_eq!(snapshot(stage).await?, before);
    if let Some(holder) = holder {
        holder.heartbeat().await?;
        holder.complete(None).await?;
    }
    queue.clear().await?;
    stage.leases().delete_many(doc! {}).await?;
    Ok(())
}

async fn lose(stage: &Stage, stale: &Lease, loss: Loss) -> Result<Option<Lease>> {
    let id = &stale.job().id;
    let queue = stage.queue()?;
    let again = async |consumer: &str| {
        stage.expire_leases().await?;
        let queue = stage.connect(consumer).await?.queue("q")?;
        queue.next(&NextOptions::default()).await?.context("claimable again")
    };
    match loss {
        Loss::TakenBack => {
            let job = again("consumer-2").await?;
            job.release(Duration::from_secs(3_600)).await?;
        }
        Loss::ClaimedByAnother => return Ok(Some(again("consumer-2").await?)),
        Loss::ClaimedBySame => return Ok(Some(again("consumer-1").await?)),
        Loss::Completed => stage.mq.find_lease(id, stale.token()).await?.complete(None).await?,
        Loss::Dead => {
            let same = stage.mq.find_lease(id, stale.token()).await?;
            let state = same.error(mongoqueue::Failure::new("no").reject()).await?;
            assert_eq!(state, State::Dead);
        }
        Loss::Cleared => assert_eq!(queue.clear().await?, 1),
    }
    Ok(None)
}

async fn act(stale: Lease, verb: &str) -> mongoqueue::Result<()> {
    let kept = match verb {
        "progress" => stale.progress(&Progress { count: 9, ..Progress::default() }).await,
        "heartbeat" => stale.heartbeat().await,
        "extend" => stale.extend(Duration::from_secs(900)).await,
        "save" => stale.attempt().save(&doc! { "stale": true }.into_payload()?).await,
        "error" => return stale.error("stale").await.map(|_| ()),
        "release" => return stale.release(Duration::ZERO).await,
        "drop" => {
            // What the drop would do, awaited.
            return stale.settle(mongoqueue::Outcome::HandedBack).await.map(|_| ());
        }
        _ => return stale.complete(Some(Payload::bytes("text/plain", "output"))).await,
    };
    stale.detach();
    kept
}

/// Everything in the collections that a settlement touches.
async fn snapshot(stage: &Stage) -> Result<(Vec<Document>, Vec<Document>)> {
    Ok((stage.all(&stage.jobs()).await?, stage.all(&stage.leases()).await?))
}

#[tokio::test]
async fn a_lease_that_ran_out_is_good_until_somebody_takes_it() -> Result<()> {
    let stage = Stage::new().await?;
    let queue = stage.queue()?;
    for verb in ["complete", "error", "release"] {
        let id = queue.put(doc! {}).await?.id;
        let job = stage.claim().await?;
        stage.expire_leases().await?;
        act(job, verb).await?;
        let attempts = queue.get(&id).await.map(|job| (job.attempts, job.state));
        match verb {
            "complete" => assert!(matches!(attempts, Err(Error::NoSuchJob { .. }))),
            "error" => assert_eq!(attempts?, (1, State::Ready)),
            _ => assert_eq!(attempts?, (0, State::Ready)),
        }
        queue.clear().await?;
    }
    // A heartbeat in time renews it.
    queue.put(doc! {}).await?;
    let job = stage.claim().await?;
    stage.expire_leases().await?;
    job.heartbeat().await?;
    assert!(queue.next(&NextOptions::default()).await?.is_none());
    job.complete(None).await?;
    assert_eq!(stage.leases().count_documents(every()).await?, 0);
    stage.end().await
}
