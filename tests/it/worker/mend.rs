//! What a worker does about jobs whose holders are gone: who pays an attempt for a lease that ran
//! out, and jobs that run under no lease at all.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::Result;
use bson::{Bson, doc};
use mongoqueue::{Attempt, NextOptions, PutOptions, State, WorkerEvent, WorkerOptions, from_fn};
use mongoqueue_tests::{Running, Stage, eventually};

use super::{Gate, HOUR, put, worker};

const SLOTS: usize = 2;

#[tokio::test]
async fn a_host_that_dies_costs_an_attempt_only_what_it_may_have_begun() -> Result<()> {
    let stage = Stage::new().await?;
    put(&stage, 600, PutOptions::default()).await?;
    let gate = Gate::new();
    let gated = gate.clone();
    // Quick at first, so that the worker claims ahead of its slots.
    let handler = from_fn(move |attempt: Attempt| {
        let gate = gated.clone();
        async move {
            let n: i32 = attempt.job().payload.deserialize()?;
            if n >= 100 {
                gate.pass().await;
            }
            anyhow::Ok(())
        }
    });
    let options = WorkerOptions { slots: SLOTS, lease: HOUR, ..WorkerOptions::default() };
    let running = Running::start(worker(&stage, options, handler)?);
    gate.begun(SLOTS as u32).await?;
    let stats = async || anyhow::Ok(stage.queue()?.stats().await?);
    let before = stats().await?;
    assert!(before.running > SLOTS as u64, "it claimed ahead: {before:?}");
    let leases = stage.all(&stage.leases()).await?;
    stage.expire_leases().await?;
    // A claim takes back what has run out, the oldest leases first.
    let claimed = stage.connect("consumer-2").await?.queue("q")?;
    let mut held = Vec::new();
    eventually("every lease is taken back", async || {
        held.extend(claimed.next(&NextOptions::default()).await?);
        let tokens: Vec<Bson> = leases.iter().filter_map(|it| it.get("_id").cloned()).collect();
        let left = stage.leases().count_documents(doc! { "_id": { "$in": tokens } }).await?;
        anyhow::Ok((left == 0).then_some(()))
    })
    .await?;
    let jobs = stage.all(&stage.jobs()).await?;
    let counted: HashSet<Bson> = jobs
        .iter()
        .filter(|job| job.get_i32("attempts").is_ok_and(|n| n == 1))
        .filter_map(|job| job.get("_id").cloned())
        .collect();
    let there: HashSet<Bson> = jobs.iter().filter_map(|job| job.get("_id").cloned()).collect();
    assert!((SLOTS..=SLOTS * leases.len()).contains(&counted.len()), "{}", counted.len());
    for lease in &leases {
        let ids = lease.get_array("jobs")?.iter().filter(|id| there.contains(id));
        for (place, id) in ids.enumerate() {
            assert_eq!(counted.contains(id), place < SLOTS, "{place}: {id}");
        }
    }
    drop(running);
    stage.end().await
}

#[tokio::test]
async fn jobs_under_no_lease_are_given_back() -> Result<()> {
    let stage = Stage::new().await?;
    put(&stage, 3, PutOptions { max_attempts: Some(2), ..PutOptions::default() }).await?;
    let (deleted, torn, kept) = (stage.claim().await?, stage.claim().await?, stage.claim().await?);
    // One lease deleted by hand, one claim that says nothing; the third is as it should be.
    stage
        .leases()
        .delete_one(doc! { "_id": bson::Uuid::parse_str(deleted.token().to_string())? })
        .await?;
    let nothing = doc! { "$unset": { "claim": "" } };
    stage.jobs().update_one(doc! { "payload": 1 }, nothing).await?;
    stage
        .leases()
        .delete_one(doc! { "_id": bson::Uuid::parse_str(torn.token().to_string())? })
        .await?;
    let options = WorkerOptions { mend: Duration::from_millis(50), ..WorkerOptions::default() };
    // Serves another queue: whoever looks does it for all.
    let idle = stage.mq.queue("other")?;
    let worker = mongoqueue::Worker::new(&stage.mq, options)
        .serve(idle, from_fn(|_: Attempt| async { anyhow::Ok(()) }));
    let mut running = Running::start(worker);
    let mut mended = 0;
    while mended < 2 {
        let event = |event: &WorkerEvent| match event {
            WorkerEvent::Mended { queue, jobs } if queue == "q" => Some(*jobs),
            _ => None,
        };
        mended += running.events.until("jobs are mended", event).await?;
    }
    assert_eq!(mended, 2);
    running.stop().await?;
    let queue = stage.queue()?;
    for (lease, why) in [
        (&deleted, "the lease of consumer-1 is gone"),
        (&torn, "the lease of an unknown consumer is gone"),
    ] {
        let job = queue.get(&lease.job().id).await?;
        let told: Vec<_> = job.errors.iter().map(|e| (&*e.kind, &*e.message)).collect();
        assert_eq!(
            (job.state, job.attempts, told),
            (State::Ready, 1, vec![("lease-expired", why)])
        );
    }
    assert_eq!(queue.get(&kept.job().id).await?.state, State::Running);
    kept.complete(None).await?;
    assert!(deleted.complete(None).await.is_err());
    assert!(torn.complete(None).await.is_err());
    stage.end().await
}
