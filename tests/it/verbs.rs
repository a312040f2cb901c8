//! The operator's verbs: cancel, retry, list, stats, clear; and what is kept of completed jobs.

use std::time::Duration;

use anyhow::{Context, Result};
use bson::doc;
use mongoqueue::{
    Error, Failure, JobId, ListOptions, NewJob, NextOptions, Payload, PutOptions, State, Stats,
};
use mongoqueue_tests::Stage;

const HOUR: Duration = Duration::from_secs(3_600);

fn without_age(stats: Stats) -> Stats {
    Stats { oldest_ready: None, ..stats }
}

#[tokio::test]
async fn a_waiting_job_is_cancelled_at_once() -> Result<()> {
    let stage = Stage::new().await?;
    let queue = stage.queue()?;
    for delay in [Duration::ZERO, HOUR] {
        let id = queue.put(doc! {}).delay(delay).await?.id;
        assert_eq!(queue.cancel(&id).await?, State::Cancelled);
        assert_eq!(queue.cancel(&id).await?, State::Cancelled, "again");
        let job = queue.get(&id).await?;
        assert!(job.finished_at.is_some() && job.errors.is_empty());
    }
    assert!(queue.next(&NextOptions::default()).await?.is_none());
    assert_eq!(queue.stats().await?, Stats { cancelled: 2, ..Stats::default() });
    let stranger: JobId = "stranger".parse()?;
    assert!(
        matches!(queue.cancel(&stranger).await, Err(Error::NoSuchJob { id, .. }) if id == stranger)
    );
    stage.end().await
}

#[tokio::test]
async fn a_running_job_hears_of_its_cancel_by_a_heartbeat() -> Result<()> {
    let stage = Stage::new().await?;
    let queue = stage.queue()?;
    let id = queue.put(doc! {}).await?.id;
    let job = stage.claim().await?;
    assert_eq!(queue.cancel(&id).await?, State::Running);
    assert!(queue.get(&id).await?.cancel_at.is_some());
    assert!(!job.attempt().is_cancelled());
    job.heartbeat().await?;
    assert!(job.attempt().is_cancelled());
    job.attempt().cancelled().await;
    // Whoever comes later to the claim hears of it at once.
    let found = stage.mq.find_lease(&id, job.token()).await?;
    assert!(found.attempt().is_cancelled());
    found.detach();
    assert_eq!(job.error("stopped").await?, State::Cancelled);
    let job = queue.get(&id).await?;
    assert_eq!((job.attempts, job.errors.len()), (1, 1));
    assert!(job.cancel_at.is_none() && job.finished_at.is_some());
    stage.end().await
}

#[tokio::test]
async fn a_cancelled_attempt_may_complete_and_ends_in_any_other_way_cancelled() -> Result<()> {
    let stage = Stage::new().await?;
    let queue = stage.queue()?;
    for end in ["complete", "release", "expire", "reject"] {
        let id = queue.put(doc! {}).retain(HOUR).await?.id;
        let job = stage.claim().await?;
        assert_eq!(queue.cancel(&id).await?, State::Running);
        let after = match end {
            "complete" => {
                job.complete(None).await?;
                State::Completed
            }
            "release" => {
                job.release(HOUR).await?;
                State::Cancelled
            }
            "expire" => {
                job.detach();
                stage.expire_leases().await?;
                assert!(queue.next(&NextOptions::default()).await?.is_none());
                State::Cancelled
            }
            _ => job.error(Failure::new("no").reject()).await?,
        };
        assert_eq!(queue.get(&id).await?.state, after, "{end}");
        // It did say that no other attempt would do better.
        assert_eq!(after == State::Dead, end == "reject");
    }
    stage.end().await
}

#[tokio::test]
async fn retry_starts_over_and_keeps_the_records() -> Result<()> {
    let stage = Stage::new().await?;
    let queue = stage.queue()?;
    let id = queue.put(doc! {}).max_attempts(1).priority(3).unique_key("k").await?.id;
    assert!(!queue.retry(&id).await?, "it waits");
    let job = stage.claim().await?;
    assert!(!queue.retry(&id).await?, "it runs");
    assert_eq!(job.error("one").await?, State::Dead);
    assert!(queue.retry(&id).await?);
    let job = queue.get(&id).await?;
    assert_eq!((job.state, job.attempts, job.priority), (State::Ready, 0, 3));
    assert_eq!((job.errors.len(), job.finished_at), (1, None));
    assert_eq!(stage.claim().await?.error("two").await?, State::Dead);
    assert_eq!(queue.get(&id).await?.errors.len(), 2);

    let cancelled = queue.put(doc! {}).await?.id;
    queue.cancel(&cancelled).await?;
    assert!(queue.retry(&cancelled).await?);
    assert_eq!(queue.cancel(&cancelled).await?, State::Cancelled);

    for _ in 0..3 {
        queue.put(doc! {}).max_attempts(1).await?;
        stage.claim().await?.error("dead").await?;
    }
    // All the dead and none of the cancelled.
    assert_eq!(queue.retry_dead().await?, 4);
    assert_eq!(queue.retry_dead().await?, 0);
    assert_eq!(
        without_age(queue.stats().await?),
        Stats { ready: 4, cancelled: 1, ..Stats::default() }
    );

    let done = queue.put(doc! {}).retain(HOUR).priority(9).await?.id;
    stage.claim().await?.complete(None).await?;
    assert!(!queue.retry(&done).await?, "it is done");
    let stranger = queue.retry(&"stranger".parse()?).await;
    assert!(matches!(stranger, Err(Error::NoSuchJob { .. })));
    stage.end().await
}

#[tokio::test]
async fn the_list_has_an_order_for_each_state() -> Result<()> {
    let stage = Stage::new().await?;
    let queue = stage.queue()?;
    let put = async |name: &str, priority: i32| {
        let put = queue.put(doc! {}).id(name.parse()?).priority(priority).retain(HOUR);
        put.await.map(|_| ())
    };
    for (i, end) in ["complete", "dead", "cancel", "complete", "dead", "cancel"].iter().enumerate()
    {
        let name = format!("{end}-{i}");
        put(&name, 0).await?;
        if *end == "cancel" {
            queue.cancel(&name.parse()?).await?;
            continue;
        }
        let job = stage.claim().await?;
        match *end {
            "complete" => job.complete(None).await?,
            _ => assert_eq!(job.error(Failure::new("no").reject()).await?, State::Dead),
        }
    }
    for (name, priority) in [("low", -1), ("first", 0), ("second", 0), ("high", 9), ("runs", 99)] {
        put(name, priority).await?;
    }
    let running = stage.claim().await?;
    let list = async |options: ListOptions| {
        let jobs = queue.list(&options).await?;
        anyhow::Ok(jobs.iter().map(|job| job.id.to_string()).collect::<Vec<_>>().join(" "))
    };
    let of = |state| ListOptions { state: Some(state), limit: 0 };
    assert_eq!(list(of(State::Running)).await?, "runs");
    assert_eq!(list(of(State::Ready)).await?, "high first second low");
    assert_eq!(list(of(State::Dead)).await?, "dead-4 dead-1");
    assert_eq!(list(of(State::Cancelled)).await?, "cancel-5 cancel-2");
    assert_eq!(list(of(State::Completed)).await?, "complete-3 complete-0");
    let all = "runs high first second low dead-4 dead-1 cancel-5 cancel-2 complete-3 complete-0";
    assert_eq!(list(ListOptions::default()).await?, all);
    assert_eq!(list(ListOptions { limit: 3, state: None }).await?, "runs high first");
    assert_eq!(list(ListOptions { limit: 1, ..of(State::Dead) }).await?, "dead-4");
    running.complete(None).await?;
    stage.end().await
}

#[tokio::test]
async fn the_stats_count_each_state() -> Result<()> {
    let stage = Stage::new().await?;
    let queue = stage.queue()?;
    let due = bson::DateTime::from_millis(bson::DateTime::now().timestamp_millis() - 3_600_000);
    let job = |priority, retain| {
        let mut job = NewJob::new(Payload::Bson(0.into()));
        job.options = PutOptions { priority, retain, ..PutOptions::default() };
        job
    };
    let mut jobs: Vec<NewJob> = (0..5).map(|_| job(5, Some(HOUR))).collect();
    jobs.extend((0..4).map(|_| job(4, None)));
    jobs.extend((0..3).map(|_| job(3, None)));
    queue.put_many(jobs).await?;
    for _ in 0..5 {
        stage.claim().await?.complete(None).await?;
    }
    for _ in 0..4 {
        stage.claim().await?.error(Failure::new("no").reject()).await?;
    }
    for _ in 0..3 {
        stage.claim().await?.detach();
    }
    for _ in 0..2 {
        let id = queue.put(doc! {}).await?.id;
        queue.cancel(&id).await?;
    }
    queue.put(doc! {}).delay(HOUR).await?;
    let stats =
        Stats { completed: 5, dead: 4, running: 3, cancelled: 2, scheduled: 1, ..Stats::default() };
    assert_eq!(queue.stats().await?, stats);
    queue.put(doc! {}).await?;
    queue.put(doc! {}).due(due).await?;
    let with_age = queue.stats().await?;
    assert_eq!(without_age(with_age), Stats { ready: 2, ..stats });
    // `due` in the past is put as now.
    let age = with_age.oldest_ready.context("an age")?;
    assert!(age < HOUR, "{age:?}");
    stage.end().await
}

#[tokio::test]
async fn clear_removes_all_and_who_runs_one_has_lost_it() -> Result<()> {
    let stage = Stage::new().await?;
    let queue = stage.queue()?;
    let other = stage.mq.queue("other")?;
    other.put(doc! {}).await?;
    let spared = other.next(&NextOptions::default()).await?.context("due")?;
    queue.put(doc! {}).max_attempts(1).await?;
    stage.claim().await?.error("dead").await?;
    queue.put(doc! {}).retain(HOUR).await?;
    stage.claim().await?.complete(None).await?;
    queue.put(doc! {}).await?;
    let running = stage.claim().await?;
    queue.put(doc! {}).await?;
    queue.put(doc! {}).delay(HOUR).unique_key("k").await?;
    assert_eq!(queue.clear().await?, 5);
    assert_eq!(queue.stats().await?, Stats::default());
    let lost = running.complete(None).await;
    assert!(matches!(lost, Err(Error::LeaseLost { .. })), "{lost:?}");
    assert!(queue.put(doc! {}).unique_key("k").await?.created);
    assert_eq!(queue.clear().await?, 1);
    assert_eq!(queue.clear().await?, 0);
    assert_eq!(stage.leases().count_documents(doc! { "queue": "q" }).await?, 0);
    spared.complete(None).await?;
    stage.end().await
}

#[tokio::test]
async fn what_is_retained_is_kept_for_its_time_with_the_output() -> Result<()> {
    let stage = Stage::new().await?;
    let queue = stage.queue()?;
    let id = queue.put(doc! {}).retain(HOUR).await?.id;
    let output = Payload::json(&serde_json::json!({ "html": "<p>" }))?;
    stage.claim().await?.complete(Some(output.clone())).await?;
    let job = queue.get(&id).await?;
    assert_eq!((job.state, job.output.as_ref()), (State::Completed, Some(&output)));
    let document = stage.document(&job).await?;
    let finished = job.finished_at.context("finished")?.timestamp_millis();
    assert_eq!(document.get_datetime("expire_at")?.timestamp_millis() - finished, 3_600_000);
    // Without a retention nothing is left, whatever the output.
    let id = queue.put(doc! {}).await?.id;
    stage.claim().await?.complete(Some(output)).await?;
    assert!(matches!(queue.get(&id).await, Err(Error::NoSuchJob { .. })));

    let mut indexes = stage.jobs().list_indexes().await?;
    let mut expiry = None;
    while indexes.advance().await? {
        let index = indexes.deserialize_current()?;
        if index.keys == doc! { "expire_at": 1 } {
            expiry = index.options.and_then(|options| options.expire_after);
        }
    }
    assert_eq!(expiry, Some(Duration::ZERO));
    stage.end().await
}
