//! The worker's leases: kept while their jobs run, and what becomes of an attempt that lost its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use bson::{Bson, DateTime, Document, Uuid, doc};
use mongoqueue::{
    Attempt, JobId, NextOptions, Progress, PutOptions, State, Summary, WorkerEvent, WorkerOptions,
    from_fn,
};
use mongoqueue_tests::{Running, Stage};

use super::{Gate, assert_empty, drain, put, until_empty, worker};

/// Short to wait for, and long enough for a heartbeat in time on a machine that is busy.
fn short(slots: usize) -> WorkerOptions {
    WorkerOptions { lease: Duration::from_secs(3), ..until_empty(slots) }
}

fn lost(event: &WorkerEvent) -> Option<JobId> {
    match event {
        WorkerEvent::LeaseLost { id, queue, .. } if queue == "q" => Some(id.clone()),
        _ => None,
    }
}

/// A handler whose attempts wait at the gate, and count those that were cut off there.
fn gated(gate: &Gate, cut: &Arc<AtomicU32>) -> impl mongoqueue::Handler {
    struct Inside(Arc<AtomicU32>);
    impl Drop for Inside {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let (gate, cut) = (gate.clone(), cut.clone());
    from_fn(move |_: Attempt| {
        let (gate, inside) = (gate.clone(), Inside(cut.clone()));
        async move {
            gate.pass().await;
            std::mem::forget(inside);
            anyhow::Ok(())
        }
    })
}

/// Where its last jobs are in two parts that are written at once, neither is the last one. A lease that
/// stays is looked at by claimers when it has run out.
#[tokio::test]
async fn no_lease_stays_behind_a_busy_worker() -> Result<()> {
    let stage = Stage::new().await?;
    put(&stage, 6_000, PutOptions::default()).await?;
    let summary = drain(&stage, until_empty(64), from_fn(async |_| anyhow::Ok(()))).await?;
    assert_eq!(summary.completed, 6_000);
    assert_empty(&stage).await?;
    stage.end().await
}

/// Of a worker that died before it could close it. The majority's word takes the server until its
/// journal is written, and claims wait.
#[tokio::test]
async fn a_lease_that_holds_nothing_is_taken_back_without_asking_a_majority() -> Result<()> {
    let stage = Stage::new().await?;
    let id = put(&stage, 1, PutOptions::default()).await?.remove(0);
    let gone: Vec<Bson> = (0..9).map(|n| format!("gone-{n}").into()).collect();
    let lease = doc! {
        "_id": Uuid::new(), "queue": "q", "consumer": "dead", "jobs": gone, "at_once": 2_i64,
        "until": DateTime::from_millis(0), "length_ms": 1_000_i64,
    };
    stage.leases().insert_one(lease).await?;
    let majority = doc! { "command.readConcern.level": "linearizable" };
    stage.database.run_command(doc! { "profile": 2 }).await?;
    let job = stage.queue()?.next(&NextOptions::default()).await?.context("a job")?;
    assert_eq!(job.job().id, id);
    job.complete(None).await?;
    stage.database.run_command(doc! { "profile": 0 }).await?;
    let profile = stage.database.collection::<Document>("system.profile");
    assert_eq!(profile.count_documents(majority).await?, 0);
    let claims = doc! { "command.find": "jobs", "command.hint": "claim" };
    assert!(profile.count_documents(claims).await? > 0);
    assert_empty(&stage).await?;
    stage.end().await
}

#[tokio::test]
async fn heartbeats_keep_jobs_longer_than_their_lease() -> Result<()> {
    let stage = Stage::new().await?;
    put(&stage, 3, PutOptions::default()).await?;
    let (gate, cut) = (Gate::new(), Arc::default());
    let options = short(3);
    let lease = options.lease;
    let running = Running::start(worker(&stage, options, gated(&gate, &cut))?);
    gate.begun(3).await?;
    // Somebody who wants one asks for it, for longer than the lease.
    let want = NextOptions { wait: lease * 3 / 2, ..NextOptions::default() };
    let other = stage.connect("consumer-2").await?.queue("q")?;
    assert!(other.next(&want).await?.is_none());
    gate.open(3);
    let summary = running.ended().await?;
    assert_eq!(summary, Summary { completed: 3, ..Summary::default() });
    assert_empty(&stage).await?;
    stage.end().await
}

#[tokio::test]
async fn one_lease_for_a_batch_which_goes_with_its_last_job() -> Result<()> {
    let stage = Stage::new().await?;
    put(&stage, 4, PutOptions::default()).await?;
    let (gate, cut) = (Gate::new(), Arc::default());
    let mut running = Running::start(worker(&stage, until_empty(4), gated(&gate, &cut))?);
    gate.begun(4).await?;
    for left in (0..4).rev() {
        let leases = stage.all(&stage.leases()).await?;
        assert_eq!(leases.len(), 1);
        assert_eq!(leases[0].get_array("jobs")?.len(), 4);
        gate.open(1);
        running.events.finished().await?;
        let stats = stage.queue()?.stats().await?;
        assert_eq!((stats.running, stats.ready), (left, 0));
    }
    running.ended().await?;
    assert_empty(&stage).await?;
    stage.end().await
}

#[tokio::test]
async fn a_lost_lease_cuts_its_attempts_off_and_the_worker_goes_on() -> Result<()> {
    let stage = Stage::new().await?;
    let mut ids = put(&stage, 2, PutOptions::default()).await?;
    let (gate, cut) = (Gate::new(), Arc::new(AtomicU32::new(0)));
    let options = WorkerOptions { until_empty: false, ..short(2) };
    let mut running = Running::start(worker(&stage, options, gated(&gate, &cut))?);
    gate.begun(2).await?;
    stage.leases().delete_many(doc! {}).await?;
    let mut told = vec![
        running.events.until("a lease is lost", lost).await?,
        running.events.until("another", lost).await?,
    ];
    told.sort();
    ids.sort();
    assert_eq!(told, ids);
    assert_eq!(cut.load(Ordering::SeqCst), 2, "attempts that were cut off");
    // Nothing was written.
    for id in &ids {
        let job = stage.queue()?.get(id).await?;
        assert_eq!((job.state, job.attempts), (State::Running, 0));
    }
    put(&stage, 1, PutOptions::default()).await?;
    gate.begun(1).await?;
    gate.open(1);
    running.events.finished().await?;
    let summary = running.stop().await?;
    assert_eq!(summary, Summary { completed: 1, lost: 2, ..Summary::default() });
    stage.end().await
}

#[tokio::test]
async fn a_result_that_comes_after_the_job_was_taken_is_dropped() -> Result<()> {
    let stage = Stage::new().await?;
    let id = put(&stage, 1, PutOptions::default()).await?.remove(0);
    let (gate, cut) = (Gate::new(), Arc::default());
    // No heartbeat comes before the attempt ends, and the worker doesn't claim the job again.
    let lease = Duration::from_secs(60);
    let options = WorkerOptions { lease, prefetch: 0, ..until_empty(1) };
    let mut running = Running::start(worker(&stage, options, gated(&gate, &cut))?);
    gate.begun(1).await?;
    stage.expire_leases().await?;
    let other = stage.connect("consumer-2").await?.queue("q")?;
    let taken = other.next(&NextOptions::default()).await?.context("claimable")?;
    assert_eq!((&taken.job().id, taken.job().attempts), (&id, 1));
    gate.open(1);
    assert_eq!(running.events.until("the lease is lost", lost).await?, id);
    // The other has it, untouched by that.
    taken.heartbeat().await?;
    taken.complete(None).await?;
    let summary = running.ended().await?;
    assert_eq!(summary, Summary { lost: 1, ..Summary::default() });
    assert_empty(&stage).await?;
    stage.end().await
}

#[tokio::test]
async fn one_lost_job_does_not_touch_the_others_of_its_batch() -> Result<()> {
    let stage = Stage::new().await?;
    let ids = put(&stage, 5, PutOptions::default()).await?;
    let (gate, cut) = (Gate::new(), Arc::default());
    let mut running = Running::start(worker(&stage, until_empty(5), gated(&gate, &cut))?);
    gate.begun(5).await?;
    // Somebody else has completed it, with the token that it has.
    let claim = stage.queue()?.get(&ids[2]).await?.claim.context("claimed")?;
    stage.queue()?.lease(&ids[2], claim.token).await?.complete(None).await?;
    gate.open(5);
    assert_eq!(running.events.until("one is lost", lost).await?, ids[2]);
    let summary = running.ended().await?;
    assert_eq!(summary, Summary { completed: 4, lost: 1, ..Summary::default() });
    assert_empty(&stage).await?;
    stage.end().await
}

#[tokio::test]
async fn a_worker_takes_back_what_a_dead_one_held_and_says_so() -> Result<()> {
    let stage = Stage::new().await?;
    put(&stage, 3, PutOptions::default()).await?;
    let dead = stage.connect("dead").await?.queue("q")?;
    for _ in 0..3 {
        dead.next(&NextOptions::default()).await?.context("due")?.detach();
    }
    stage.expire_leases().await?;
    let handler = from_fn(async |_| anyhow::Ok(()));
    let mut running = Running::start(worker(&stage, until_empty(2), handler)?);
    let mut jobs = 0;
    while jobs < 3 {
        jobs += running
            .events
            .until("a lease is taken back", |event| match event {
                WorkerEvent::TookBack { queue, jobs, consumer } => {
                    Some((queue.as_str(), consumer.as_str()) == ("q", "dead")).map(|same| {
                        assert!(same, "{event:?}");
                        *jobs
                    })
                }
                _ => None,
            })
            .await?;
    }
    assert_eq!(running.ended().await?.completed, 3);
    assert_empty(&stage).await?;
    stage.end().await
}

#[tokio::test]
async fn a_lease_goes_with_its_last_job_though_another_was_taken_away() -> Result<()> {
    let stage = Stage::new().await?;
    let taken: JobId = "taken".parse()?;
    stage.queue()?.put(doc! {}).id(taken.clone()).await?;
    put(&stage, 1, PutOptions::default()).await?;
    let gates = [Gate::new(), Gate::new()];
    let handler = from_fn({
        let (gates, taken) = (gates.clone(), taken.clone());
        move |attempt: Attempt| {
            let gate = gates[usize::from(attempt.job().id != taken)].clone();
            async move {
                gate.pass().await;
                attempt.progress(&Progress::default()).await
            }
        }
    });
    let mut running = Running::start(worker(&stage, until_empty(2), handler)?);
    for gate in &gates {
        gate.begun(1).await?;
    }
    stage.jobs().delete_one(doc! { "_id": "taken" }).await?;
    // The database tells it that it holds nothing any more.
    gates[0].open(1);
    assert_eq!(running.events.until("a lease is lost", lost).await?, taken);
    gates[1].open(1);
    let summary = running.ended().await?;
    assert_eq!(summary, Summary { completed: 1, lost: 1, ..Summary::default() });
    assert_eq!(stage.all(&stage.leases()).await?, []);
    stage.end().await
}
