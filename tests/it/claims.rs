//! Who is next: order, waiting, leases that ran out, and how the server finds it.

use std::time::Duration;

use anyhow::{Context, Result};
use bson::{DateTime, Document, doc};
use mongoqueue::{Error, JobId, NewJob, NextOptions, Payload, PutOptions, State};
use mongoqueue_tests::{FailPoint, Stage, eventually, every, soon};

fn number(n: i32, priority: i32, due: Option<DateTime>) -> NewJob {
    let mut job = NewJob::new(Payload::Bson(n.into()));
    job.options = PutOptions { priority, due, ..PutOptions::default() };
    job
}

#[tokio::test]
async fn first_in_first_out_within_a_priority_and_the_highest_first() -> Result<()> {
    let stage = Stage::new().await?;
    let queue = stage.queue()?;
    let jobs = (0..60).map(|n| number(n, [0, 5, -5, i32::MAX, i32::MIN][n as usize % 5], None));
    for answer in queue.put_many(jobs.collect()).await? {
        answer?;
    }
    let mut seen = Vec::new();
    while let Some(job) = queue.next(&NextOptions::default()).await? {
        seen.push((job.job().priority, job.payload().deserialize::<i32>()?));
        job.complete(None).await?;
    }
    let mut order = seen.clone();
    order.sort_by_key(|&(priority, n)| (-i64::from(priority), n));
    assert_eq!(seen.len(), 60);
    assert_eq!(seen, order);
    stage.end().await
}

#[tokio::test]
async fn puts_one_by_one_keep_their_order_too() -> Result<()> {
    let stage = Stage::new().await?;
    let queue = stage.queue()?;
    for n in 0..50 {
        queue.put(Payload::Bson(n.into())).await?;
    }
    for n in 0..50 {
        let job = stage.claim().await?;
        assert_eq!(job.payload().deserialize::<i32>()?, n);
        job.complete(None).await?;
    }
    stage.end().await
}

#[tokio::test]
async fn a_failed_job_is_behind_those_that_wait_and_a_released_one_too() -> Result<()> {
    let stage = Stage::new().await?;
    let queue = stage.queue()?;
    for n in 0..3 {
        queue.put(Payload::Bson(n.into())).await?;
    }
    let mut seen = Vec::new();
    for end in ["error", "release", "complete", "complete", "complete"] {
        let job = stage.claim().await?;
        seen.push(job.payload().deserialize::<i32>()?);
        match end {
            "error" => drop(job.error("again").await?),
            "release" => job.release(Duration::ZERO).await?,
            _ => job.complete(None).await?,
        }
    }
    assert_eq!(seen, [0, 1, 2, 0, 1]);
    stage.end().await
}

#[tokio::test]
async fn what_is_due_later_waits_whatever_its_priority() -> Result<()> {
    let stage = Stage::new().await?;
    let queue = stage.queue()?;
    queue.put(doc! { "n": 1 }).priority(9).delay(Duration::from_secs(3_600)).await?;
    let now = queue.put(doc! { "n": 2 }).await?.id;
    let job = stage.claim().await?;
    assert_eq!(job.job().id, now);
    job.complete(None).await?;
    assert!(queue.next(&NextOptions::default()).await?.is_none());
    stage.make_due().await?;
    stage.claim().await?.complete(None).await?;
    stage.end().await
}

#[tokio::test]
async fn a_waiting_next_gets_what_is_put_meanwhile() -> Result<()> {
    let stage = Stage::new().await?;
    let queue = stage.queue()?;
    let wait = NextOptions { wait: Duration::from_secs(60), ..NextOptions::default() };
    let waiter = queue.clone();
    let waiting = tokio::spawn(async move { waiter.next(&wait).await });
    let id = queue.put(doc! {}).await?.id;
    let job = soon("next answers", waiting).await???.context("a job")?;
    assert_eq!(job.job().id, id);
    job.complete(None).await?;
    stage.end().await
}

#[tokio::test]
async fn a_waiting_next_gets_what_comes_due_and_what_comes_back() -> Result<()> {
    let stage = Stage::new().await?;
    let queue = stage.queue()?;
    let wait = NextOptions { wait: Duration::from_secs(60), ..NextOptions::default() };
    queue.put(doc! {}).delay(Duration::from_millis(300)).await?;
    let job = queue.next(&wait).await?.context("a job that came due")?;
    let waiter = queue.clone();
    let other = wait.clone();
    let waiting = tokio::spawn(async move { waiter.next(&other).await });
    job.release(Duration::ZERO).await?;
    let job = soon("next answers", waiting).await???.context("a job that came back")?;
    job.detach();
    stage.expire_leases().await?;
    let job = queue.next(&wait).await?.context("a job whose lease ran out")?;
    assert_eq!(job.job().attempts, 1);
    job.complete(None).await?;
    stage.end().await
}

#[tokio::test]
async fn a_waiting_next_gives_up_in_time() -> Result<()> {
    let stage = Stage::new().await?;
    let wait = NextOptions { wait: Duration::from_millis(300), ..NextOptions::default() };
    let begun = std::time::Instant::now();
    assert!(stage.queue()?.next(&wait).await?.is_none());
    assert!(begun.elapsed() >= wait.wait);
    let forever = NextOptions { wait: Duration::MAX, ..NextOptions::default() };
    stage.queue()?.put(doc! {}).await?;
    assert!(stage.queue()?.next(&forever).await?.is_some());
    stage.end().await
}

#[tokio::test]
async fn the_claimers_name_and_lease_can_be_given() -> Result<()> {
    let stage = Stage::new().await?;
    let queue = stage.queue()?;
    let id = queue.put(doc! {}).await?.id;
    let options = NextOptions {
        lease: Some(Duration::from_secs(600)),
        consumer: Some("$$ROOT".to_owned()),
        ..NextOptions::default()
    };
    let job = queue.next(&options).await?.context("due")?;
    let claim = queue.get(&id).await?.claim.context("claimed")?;
    assert_eq!((claim.consumer.as_str(), claim.token), ("$$ROOT", job.token()));
    let lease = stage.leases().find_one(every()).await?.context("a lease")?;
    let long = lease.get_datetime("until")?.timestamp_millis() - claim.at.timestamp_millis();
    // The lease comes first, and each of the two statements has a `$$NOW` of its own.
    assert!((540_000..=600_000).contains(&long), "{long} ms");
    job.extend(Duration::from_secs(3_600)).await?;
    let later = stage.leases().find_one(every()).await?.context("a lease")?;
    let longer = later.get_datetime("until")?.timestamp_millis();
    assert!(longer - claim.at.timestamp_millis() >= 3_600_000);
    // A heartbeat never makes it shorter.
    job.heartbeat().await?;
    let same = stage.leases().find_one(every()).await?.context("a lease")?;
    assert!(same.get_datetime("until")?.timestamp_millis() >= longer);
    job.complete(None).await?;
    let too_long = NextOptions { lease: Some(Duration::MAX), ..NextOptions::default() };
    assert!(matches!(queue.next(&too_long).await.err(), Some(Error::Invalid { .. })));
    let unnamed = NextOptions { consumer: Some(String::new()), ..NextOptions::default() };
    assert!(matches!(queue.next(&unnamed).await.err(), Some(Error::Invalid { .. })));
    stage.end().await
}

#[tokio::test]
async fn an_expired_lease_is_anybodys_at_once_and_says_whose_it_was() -> Result<()> {
    let stage = Stage::new().await?;
    let id = stage.queue()?.put(doc! {}).await?.id;
    stage.claim().await?.detach();
    stage.expire_leases().await?;
    let other = stage.connect("consumer-2").await?.queue("q")?;
    let job = other.next(&NextOptions::default()).await?.context("claimable")?;
    assert_eq!((&job.job().id, job.job().attempts, job.job().claims), (&id, 1, 2));
    let record = job.job().last_error().context("a record")?;
    assert_eq!((record.kind.as_str(), record.attempt), ("lease-expired", 1));
    assert_eq!(
        (record.consumer.as_str(), record.message.as_str()),
        ("consumer-1", "lease expired on consumer-1")
    );
    job.complete(None).await?;
    assert_eq!(stage.leases().count_documents(every()).await?, 0);
    stage.end().await
}

#[tokio::test]
async fn silent_deaths_make_a_dead_job() -> Result<()> {
    let stage = Stage::new().await?;
    let queue = stage.queue()?;
    let id = queue.put(doc! {}).max_attempts(2).await?.id;
    for _ in 0..2 {
        stage.claim().await?.detach();
        stage.expire_leases().await?;
    }
    assert!(queue.next(&NextOptions::default()).await?.is_none());
    let job = queue.get(&id).await?;
    assert_eq!((job.state, job.attempts, job.errors.len()), (State::Dead, 2, 2));
    assert!(job.finished_at.is_some() && job.claim.is_none());
    assert_eq!(stage.leases().count_documents(every()).await?, 0);
    stage.end().await
}

#[tokio::test]
async fn a_dropped_lease_goes_back_uncounted_and_one_that_is_gone_stays_gone() -> Result<()> {
    let stage = Stage::new().await?;
    let queue = stage.queue()?;
    let id = queue.put(doc! {}).await?.id;
    drop(stage.claim().await?);
    let back = async || {
        let job = queue.get(&id).await?;
        Ok((job.state == State::Ready).then_some(job))
    };
    let job = eventually("the job is back", back).await?;
    assert_eq!((job.attempts, job.claims), (0, 1));
    let job = stage.claim().await?;
    assert_eq!(queue.clear().await?, 1);
    drop(job);
    assert!(matches!(queue.get(&id).await, Err(Error::NoSuchJob { .. })));
    stage.end().await
}

/// Every stage of a plan.
fn stages(plan: &Document, all: &mut Vec<String>) {
    all.extend(plan.get_str("stage").map(str::to_owned));
    for inner in ["inputStage", "executionStages", "winningPlan", "queryPlan"] {
        plan.get_document(inner).into_iter().for_each(|plan| stages(plan, all));
    }
}

async fn assert_plan(stage: &Stage, n: usize, keys: std::ops::RangeInclusive<i32>) -> Result<()> {
    let plan = stage.queue()?.explain_next(n).await?;
    let mut all = Vec::new();
    stages(plan.get_document("queryPlanner")?, &mut all);
    assert!(all.contains(&"IXSCAN".to_owned()), "{all:?}");
    assert!(!all.iter().any(|stage| stage.contains("SORT") || stage == "COLLSCAN"), "{all:?}");
    assert!(format!("{plan}").contains("\"indexName\": \"claim\""), "{plan}");
    let stats = plan.get_document("executionStats")?;
    let examined = stats.get_i32("totalKeysExamined")?;
    assert!(keys.contains(&examined), "{examined} keys for {n} jobs");
    assert!(stats.get_i32("totalDocsExamined")? <= i32::try_from(n)? + 1);
    Ok(())
}

#[tokio::test]
async fn the_claim_reads_its_index_and_little_else() -> Result<()> {
    let stage = Stage::new().await?;
    let queue = stage.queue()?;
    assert_plan(&stage, 100, 0..=1).await?;
    let answers = queue.put_many((0..500).map(|n| number(n, 0, None)).collect()).await?;
    assert!(answers.iter().all(Result::is_ok));
    assert_plan(&stage, 100, 100..=102).await?;
    // Twenty thousand of a higher priority that are all due later, in ten priorities.
    let far = Some(DateTime::from_millis(4_102_444_800_000));
    for _ in 0..10 {
        let jobs = (0..2_000).map(|n| number(n, 1 + n % 10, far));
        queue.put_many(jobs.collect()).await?;
    }
    // A seek or two for each priority.
    assert_plan(&stage, 1, 1..=30).await?;
    assert_plan(&stage, 100, 100..=130).await?;
    // And of other queues.
    let other = stage.mq.queue("p")?;
    other.put_many((0..2_000).map(|n| number(n, 1, None)).collect()).await?;
    assert_plan(&stage, 100, 100..=130).await?;
    let job = stage.claim().await?;
    assert_eq!(job.payload().deserialize::<i32>()?, 0);
    job.complete(None).await?;
    stage.end().await
}

#[tokio::test]
async fn a_claim_is_found_again_by_id_and_token() -> Result<()> {
    let stage = Stage::new().await?;
    let queue = stage.queue()?;
    let id = queue.put(doc! {}).await?.id;
    let job = stage.claim().await?;
    let token = job.token().to_string().parse()?;
    job.detach();
    let other = stage.connect("consumer-2").await?;
    let stranger: JobId = "stranger".parse()?;
    for lost in [
        other.find_lease(&stranger, token).await,
        other.find_lease(&id, mongoqueue::Token::mint()).await,
        other.queue("another")?.lease(&id, token).await,
    ] {
        assert!(matches!(lost.err(), Some(Error::LeaseLost { .. })));
    }
    let job = other.queue("q")?.lease(&id, token).await?;
    job.heartbeat().await?;
    job.complete(None).await?;
    assert!(matches!(other.find_lease(&id, token).await.err(), Some(Error::LeaseLost { .. })));
    stage.end().await
}

#[tokio::test]
async fn what_was_claimed_and_came_back_while_it_was_being_claimed_is_read_again() -> Result<()> {
    let stage = Stage::private().await?;
    let queue = stage.queue()?;
    queue.put(doc! {}).id("one".parse()?).await?;
    // The claim's first write comes after it has found the job.
    let fail = FailPoint::late(&stage, "update").await?;
    let claiming = tokio::spawn({
        let queue = queue.clone();
        async move { queue.next(&NextOptions::default()).await }
    });
    fail.met(1).await?;
    // As if another consumer had claimed it, saved something, and let its lease run out.
    let back = doc! { "$set": { "attempts": 1, "claims": 1, "saved": "half" } };
    let filter = doc! { "_id": "one", "state": "ready" };
    let moved = stage.jobs().update_one(filter, back).await?;
    assert_eq!(moved.matched_count, 1);
    fail.off().await?;
    let job = soon("the claim is made", claiming).await???;
    let job = job.context("the job is due")?;
    assert_eq!((job.job().attempt(), job.job().claims), (2, 2));
    assert_eq!(job.attempt().saved(), Some(Payload::json("half")?));
    job.complete(None).await?;
    stage.end().await
}

#[tokio::test]
async fn a_settlement_that_comes_while_its_lease_is_taken_back_makes_room_for_another_job()
-> Result<()> {
    let stage = Stage::private().await?;
    let queue = stage.queue()?;
    for id in ["a", "b", "c"] {
        queue.put(doc! {}).id(id.parse()?).await?;
    }
    // What a worker with one slot leaves that was killed over the batch.
    let token = bson::Uuid::new();
    let claim = doc! { "token": token, "consumer": "killed", "at": DateTime::now() };
    let held = doc! { "$set": { "state": "running", "claims": 1, "claim": claim } };
    stage.jobs().update_many(doc! {}, held).await?;
    let lease = doc! {
        "_id": token, "queue": "q", "consumer": "killed", "jobs": ["a", "b", "c"],
        "length_ms": 1_000_i64, "at_once": 1_i64, "until": DateTime::from_millis(0),
    };
    stage.leases().insert_one(lease).await?;
    // Whoever takes it back has looked at what is held, and has written nothing.
    let fail = FailPoint::late(&stage, "delete").await?;
    let taking = tokio::spawn({
        let queue = queue.clone();
        async move { queue.next(&NextOptions::default()).await }
    });
    fail.met(1).await?;
    // The end of the first, on its way when the worker was killed: it may have begun the second.
    let done = doc! { "findAndModify": "jobs", "query": { "_id": "a" }, "remove": true };
    stage.database.run_command(done).await?;
    fail.off().await?;
    drop(soon("the look ends", taking).await???);
    let mut attempts = Vec::new();
    for _ in 0..2 {
        let job =
            eventually("the job is back", async || Ok(queue.next(&NextOptions::default()).await?));
        let job = job.await?;
        attempts.push((job.job().id.to_string(), job.job().attempts));
        job.complete(None).await?;
    }
    assert_eq!(attempts, [("b".to_owned(), 1), ("c".to_owned(), 0)]);
    stage.end().await
}
