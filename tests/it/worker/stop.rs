//! The stop: no more claims, running jobs finish within the grace, the rest is handed back.

use std::time::Duration;

use anyhow::Result;
use mongoqueue::{
    Attempt, BoxError, ListOptions, PutOptions, State, Summary, WorkerEvent, WorkerOptions, from_fn,
};
use mongoqueue_tests::{Running, Stage};

use super::{Gate, put, ready, worker};

/// So many jobs wait, none of which has counted an attempt or is held.
async fn assert_handed_back(stage: &Stage, jobs: usize) -> Result<()> {
    let listed = stage.queue()?.list(&ListOptions { limit: 10_000, state: None }).await?;
    assert_eq!(listed.len(), jobs);
    for job in listed {
        assert_eq!((job.state, job.attempts, job.errors.len()), (State::Ready, 0, 0), "{job:?}");
        assert!(job.claim.is_none());
    }
    Ok(())
}

#[tokio::test]
async fn what_runs_finishes_within_the_grace_and_no_more_is_claimed() -> Result<()> {
    let stage = Stage::new().await?;
    put(&stage, 10, PutOptions::default()).await?;
    let gate = Gate::new();
    let gated = gate.clone();
    let handler = from_fn(move |attempt: Attempt| {
        let gate = gated.clone();
        async move {
            gate.pass().await;
            assert!(attempt.is_cancelled(), "an attempt is told of the stop");
            Ok::<(), BoxError>(())
        }
    });
    let options = WorkerOptions { slots: 2, ..WorkerOptions::default() };
    let mut running = Running::start(worker(&stage, options, handler)?);
    gate.begun(2).await?;
    running.ask_to_stop();
    let stopping = |event: &WorkerEvent| match event {
        WorkerEvent::Stopping { running } => Some(*running),
        _ => None,
    };
    assert_eq!(running.events.until("it stops", stopping).await?, 2);
    gate.open(2);
    let summary = running.ended().await?;
    assert_eq!((summary.completed, summary.failed, summary.lost), (2, 0, 0));
    assert_handed_back(&stage, 8).await?;
    stage.end().await
}

#[tokio::test]
async fn beyond_the_grace_it_is_cut_off_and_handed_back_uncounted() -> Result<()> {
    let stage = Stage::new().await?;
    put(&stage, 5, PutOptions::default()).await?;
    let gate = Gate::new();
    let gated = gate.clone();
    let handler = from_fn(move |_| {
        let gate = gated.clone();
        async move {
            gate.pass().await;
            anyhow::Ok(())
        }
    });
    let grace = Duration::from_millis(200);
    let options = WorkerOptions { slots: 3, grace, ..WorkerOptions::default() };
    let running = Running::start(worker(&stage, options, handler)?);
    gate.begun(3).await?;
    let summary = running.stop().await?;
    assert!(summary.handed_back >= 3, "{summary:?}");
    assert_eq!(summary, Summary { handed_back: summary.handed_back, ..Summary::default() });
    assert_handed_back(&stage, 5).await?;
    // In their old order.
    let first = stage.claim().await?;
    assert_eq!(first.payload().deserialize::<i32>()?, 0);
    first.complete(None).await?;
    stage.end().await
}

#[tokio::test]
async fn what_was_claimed_ahead_is_handed_back() -> Result<()> {
    let stage = Stage::new().await?;
    put(&stage, 3_000, PutOptions::default()).await?;
    let gate = Gate::new();
    let gated = gate.clone();
    // Quick at first, so that much is claimed ahead; then nothing goes on.
    let handler = from_fn(move |attempt: Attempt| {
        let gate = gated.clone();
        async move {
            if attempt.job().payload.deserialize::<i32>()? >= 1_000 {
                gate.pass().await;
            }
            Ok::<(), BoxError>(())
        }
    });
    let grace = Duration::from_millis(100);
    let options = WorkerOptions { slots: 8, grace, ..WorkerOptions::default() };
    let running = Running::start(worker(&stage, options, handler)?);
    gate.begun(8).await?;
    let summary = running.stop().await?;
    assert_eq!((summary.failed, summary.lost), (0, 0));
    assert!(summary.handed_back > 8, "nothing was claimed ahead: {summary:?}");
    assert_handed_back(&stage, 3_000 - usize::try_from(summary.completed)?).await?;
    stage.end().await
}

#[tokio::test]
async fn a_stop_at_any_moment_leaves_nothing_behind() -> Result<()> {
    let stage = Stage::new().await?;
    put(&stage, 400, PutOptions::default()).await?;
    let mut completed = 0;
    for yields in 0..20 {
        let handler = from_fn(async |_| anyhow::Ok(()));
        let options = WorkerOptions { slots: 2, prefetch: 20, ..WorkerOptions::default() };
        let mut running = Running::start(worker(&stage, options, handler)?);
        // Later in each round: while it starts, looks, marks, runs and settles.
        ready(&mut running).await?;
        for _ in 0..yields * 5 {
            tokio::task::yield_now().await;
        }
        let summary = running.stop().await?;
        assert_eq!((summary.failed, summary.lost), (0, 0));
        completed += usize::try_from(summary.completed)?;
        assert_handed_back(&stage, 400 - completed).await?;
    }
    stage.end().await
}

#[tokio::test]
async fn an_idle_worker_stops_at_once() -> Result<()> {
    let stage = Stage::new().await?;
    let hour = Duration::from_secs(3_600);
    let options = WorkerOptions { poll: hour, grace: hour, ..WorkerOptions::default() };
    let handler = from_fn(async |_| anyhow::Ok(()));
    let mut running = Running::start(worker(&stage, options, handler)?);
    ready(&mut running).await?;
    assert_eq!(running.stop().await?, Summary::default());
    stage.end().await
}
