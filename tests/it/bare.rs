//! Jobs that the bare driver puts: what the validator lets in, and what becomes of a document that
//! is none of ours.

use anyhow::Result;
use bson::{Bson, DateTime, Document, doc};
use mongoqueue::{Backoff, NextOptions, Payload, State, Worker, WorkerOptions, from_fn};
use mongoqueue_tests::{Stage, every};

/// The least that a job is.
fn minimal() -> Document {
    doc! {
        "queue": "q", "state": "ready", "priority": 0, "due": DateTime::from_millis(0),
        "payload": { "to": "ada" },
    }
}

#[tokio::test]
async fn the_documented_minimum_is_a_job() -> Result<()> {
    let stage = Stage::new().await?;
    stage.jobs().insert_one(minimal()).await?;
    let job = stage.claim().await?;
    let read = job.job();
    assert_eq!(job.payload().deserialize::<Document>()?, doc! { "to": "ada" });
    assert_eq!((read.attempts, read.max_attempts, read.claims), (0, 3, 1));
    assert_eq!((read.backoff, read.retain), (Backoff::NONE, None));
    // The library's defaults hold for what it does not say.
    for attempts in 1..=2 {
        let job = if attempts == 1 { None } else { Some(stage.claim().await?) };
        if let Some(job) = job {
            job.detach();
        }
        stage.expire_leases().await?;
    }
    job.detach();
    let job = stage.claim().await?;
    assert_eq!(job.job().attempts, 2);
    assert_eq!(job.error("the third").await?, State::Dead);
    stage.end().await
}

#[tokio::test]
async fn numbers_of_any_kind_and_bytes_of_any_client() -> Result<()> {
    let stage = Stage::new().await?;
    let queue = stage.queue()?;
    let mut text = minimal();
    text.extend(doc! {
        "_id": "text", "priority": 9, "payload": "plain", "content_type": "text/plain",
        "max_attempts": 5_i64, "timeout_ms": 1_000, "headers": { "a": "b" },
    });
    let mut json = minimal();
    json.extend(doc! { "_id": "json", "priority": 8, "content_type": "application/json" });
    stage.jobs().insert_many([text, json]).await?;
    let job = stage.claim().await?;
    assert_eq!(job.payload(), &Payload::bytes("text/plain", "plain"));
    assert_eq!((job.job().max_attempts, job.job().timeout.as_secs()), (5, 1));
    job.complete(None).await?;
    let job = stage.claim().await?;
    assert_eq!(job.payload().deserialize::<Document>()?, doc! { "to": "ada" });
    job.complete(None).await?;
    assert!(queue.next(&NextOptions::default()).await?.is_none());
    stage.end().await
}

#[tokio::test]
async fn what_the_validator_refuses() -> Result<()> {
    let stage = Stage::new().await?;
    let bad: Vec<(&str, Bson)> = vec![
        ("_id", 7.into()),
        ("_id", "".into()),
        ("_id", "x".repeat(201).into()),
        ("_id", "0123456789abcdef01234567".into()),
        ("_id", doc! { "a": 1 }.into()),
        ("queue", "".into()),
        ("queue", Bson::Null),
        ("queue", "x".repeat(101).into()),
        ("state", "waiting".into()),
        ("state", Bson::Null),
        ("priority", 1.5.into()),
        ("priority", i64::MAX.into()),
        ("due", "now".into()),
        ("due", 0_i64.into()),
        ("headers", doc! { "a": 1 }.into()),
        ("headers", "a".into()),
        ("attempts", "1".into()),
        ("attempts", 1.5.into()),
        ("max_attempts", Bson::Null),
        ("timeout_ms", "1s".into()),
        ("backoff", 1.into()),
        ("backoff", doc! { "first_ms": "1" }.into()),
        ("errors", doc! {}.into()),
        ("unique_key", "".into()),
        ("unique_key", 1.into()),
        ("content_type", 1.into()),
        ("created_at", 0.into()),
        ("cancel_at", true.into()),
        ("claim", "me".into()),
    ];
    for (field, value) in bad {
        let mut job = minimal();
        job.insert(field, value.clone());
        let inserted = stage.jobs().insert_one(job).await;
        assert!(inserted.is_err(), "{field}: {value:?} got in");
    }
    for field in ["queue", "state", "priority", "due", "payload"] {
        let mut job = minimal();
        job.remove(field);
        assert!(stage.jobs().insert_one(job).await.is_err(), "got in without {field}");
    }
    assert_eq!(stage.jobs().count_documents(every()).await?, 0);
    stage.end().await
}

/// Documents that got past the validator, and wait at the head of the queue.
async fn smuggle(stage: &Stage, documents: Vec<Document>) -> Result<()> {
    let jobs = stage.jobs();
    let smuggled = jobs.insert_many(documents).bypass_document_validation(true);
    smuggled.await?;
    Ok(())
}

#[tokio::test]
async fn an_unreadable_document_is_set_aside_and_blocks_nobody() -> Result<()> {
    let stage = Stage::new().await?;
    let queue = stage.queue()?;
    let first = |id: &str, field: &str, value: Bson| {
        let mut job = minimal();
        job.extend(doc! { "_id": id, "priority": 9, field: value });
        job
    };
    let mut unreadable = vec![
        first("a", "max_attempts", "three".into()),
        first("b", "headers", "x".into()),
        first("c", "content_type", 1.into()),
        first("d", "timeout_ms", true.into()),
        first("e", "created_at", "then".into()),
        first("f", "claim", "me".into()),
        first("g", "errors", "none".into()),
        first("h", "attempts", "one".into()),
    ];
    unreadable.push({
        let mut job = first("i", "x", Bson::Null);
        job.insert("_id", doc! { "not": "an id" });
        job
    });
    let count = unreadable.len();
    smuggle(&stage, unreadable).await?;
    let good = queue.put(doc! {}).await?.id;
    let job = stage.claim().await?;
    assert_eq!(job.job().id, good);
    job.complete(None).await?;
    let dead = stage.all(&stage.jobs()).await?;
    assert_eq!(dead.len(), count);
    for job in dead {
        assert_eq!(job.get_str("state")?, "dead", "{job}");
        let record = job.get_array("errors")?.last().and_then(Bson::as_document);
        assert_eq!(record.and_then(|it| it.get_str("kind").ok()), Some("malformed"), "{job}");
    }
    assert_eq!(queue.stats().await?.dead, count as u64);
    stage.end().await
}

#[tokio::test]
async fn a_worker_goes_on_beside_unreadable_documents() -> Result<()> {
    let stage = Stage::new().await?;
    let queue = stage.queue()?;
    let odd = (0..20).map(|i| {
        let mut job = minimal();
        job.extend(doc! { "_id": format!("odd-{i}"), "priority": 9, "max_attempts": "three" });
        job
    });
    smuggle(&stage, odd.collect()).await?;
    for i in 0..20 {
        queue.put(doc! { "i": i }).await?;
    }
    let handler = from_fn(async |_| anyhow::Ok(()));
    let options = WorkerOptions { until_empty: true, slots: 4, ..WorkerOptions::default() };
    let worker = Worker::new(&stage.mq, options).serve(queue.clone(), handler);
    let summary = worker.run(std::future::pending()).await?;
    assert_eq!(summary.completed, 20);
    assert_eq!((queue.stats().await?.dead, queue.stats().await?.ready), (20, 0));
    stage.end().await
}

#[tokio::test]
async fn contents_leave_room_for_what_happens_to_a_job() -> Result<()> {
    let stage = Stage::new().await?;
    for field in ["payload", "saved", "output"] {
        let mut job = minimal();
        job.insert(field, "x".repeat(15 * 1024 * 1024 + 600 * 1024));
        assert!(stage.jobs().insert_one(job).await.is_err(), "{field}");
    }
    stage.end().await
}

#[tokio::test]
async fn a_document_with_no_room_left_blocks_nobody() -> Result<()> {
    let stage = Stage::new().await?;
    let queue = stage.queue()?;
    // As large as the server lets in, by a field that is none of ours: nothing can be added to
    // it, not even a claim.
    let mut full = minimal();
    full.extend(doc! { "_id": "full", "priority": 9, "x": "" });
    let room = 16 * 1024 * 1024 - bson::serialize_to_vec(&full)?.len();
    full.insert("x", "x".repeat(room));
    stage.jobs().insert_one(full).await?;
    let good = queue.put(doc! {}).await?.id;
    let job = stage.claim().await?;
    assert_eq!(job.job().id, good);
    job.complete(None).await?;
    let dead = queue.get(&"full".parse()?).await?;
    assert_eq!((dead.state, dead.errors[0].kind.as_str()), (State::Dead, "malformed"));
    stage.end().await
}
