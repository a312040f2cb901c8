//! What a job can carry, and that it comes out as it went in after all that a job goes through.

use std::time::Duration;

use anyhow::{Context, Result};
use bson::oid::ObjectId;
use bson::raw::cstr;
use bson::{Bson, DateTime, doc};
use mongoqueue::{Error, IntoPayload, NewJob, NextOptions, Payload, State};
use mongoqueue_tests::Stage;

fn kinds() -> Vec<Bson> {
    vec![
        doc! {}.into(),
        doc! { "": "an empty name", "a": { "b": [1, "two", null] } }.into(),
        doc! { "$set": { "x": 1 }, "$where": "1", "a.b": "$$NOW", "$$ROOT": "$payload" }.into(),
        doc! { "$gt": "" }.into(),
        doc! { "$ref": 1, "$id": "x" }.into(),
        doc! { "$id": 1 }.into(),
        doc! { "$db": "x" }.into(),
        doc! { "_id": [1], "_id.x": { "_id": 1 } }.into(),
        doc! { "a": { "$ref": "c", "$id": 1, "$db": "d", "more": true } }.into(),
        doc! { "constructor": 1, "__proto__": {}, "é\u{1F600}\u{7f}": "\u{0}\u{1}" }.into(),
        doc! { "date": DateTime::MIN, "id": ObjectId::from_bytes([7; 12]) }.into(),
        Bson::RegularExpression(bson::Regex {
            pattern: cstr!("^a").into(),
            options: cstr!("i").into(),
        }),
        Bson::Null,
        Bson::Undefined,
        Bson::MinKey,
        true.into(),
        0.into(),
        i64::MAX.into(),
        f64::MIN_POSITIVE.into(),
        f64::INFINITY.into(),
        "".into(),
        "$payload".into(),
        "$$REMOVE".into(),
        "nul \0 inside".into(),
        Bson::Array(vec![]),
        bson::bson!([1, [2, [3]], { "$literal": "$x" }]),
        Bson::Timestamp(bson::Timestamp { time: 1, increment: 0 }),
        Bson::JavaScriptCode("while (true);".to_owned()),
    ]
}

#[tokio::test]
async fn every_kind_of_value_comes_back_as_it_was() -> Result<()> {
    let stage = Stage::new().await?;
    let queue = stage.queue()?;
    for value in kinds() {
        let payload = value.clone().into_payload()?;
        let put = queue.put(payload.clone()).retain(Duration::from_secs(3_600)).await;
        let id = put.with_context(|| format!("{value:?}"))?.id;
        // Through each verb that rewrites the document, as payload, saved state and output.
        let job = stage.claim().await.with_context(|| format!("{value:?}"))?;
        assert_eq!(job.payload(), &payload);
        job.attempt().save(&payload).await.with_context(|| format!("saving {value:?}"))?;
        job.release(Duration::ZERO).await.with_context(|| format!("{value:?}"))?;
        let job = stage.claim().await?;
        assert_eq!(job.attempt().saved().as_ref(), Some(&payload));
        job.error("again").await?;
        let job = stage.claim().await?;
        job.complete(Some(payload.clone())).await.with_context(|| format!("{value:?}"))?;
        let job = queue.get(&id).await?;
        assert_eq!(job.state, State::Completed);
        let parts = [Some(&job.payload), job.saved.as_ref(), job.output.as_ref()];
        assert_eq!(parts, [Some(&payload); 3], "{value:?}");
    }
    stage.end().await
}

#[tokio::test]
async fn a_batch_with_every_kind_is_claimed_at_once() -> Result<()> {
    use mongoqueue::{Attempt, Worker, WorkerOptions, from_fn};
    let stage = Stage::new().await?;
    let jobs: mongoqueue::Result<Vec<NewJob>> =
        kinds().into_iter().map(|value| Ok(NewJob::new(value.into_payload()?))).collect();
    let jobs = jobs?;
    let count = jobs.len() as u64;
    for answer in stage.queue()?.put_many(jobs).await? {
        answer?;
    }
    let handler = from_fn(async |attempt: Attempt| Ok::<_, Error>(attempt.job().payload.clone()));
    let options = WorkerOptions { until_empty: true, slots: 64, ..WorkerOptions::default() };
    let worker = Worker::new(&stage.mq, options).serve(stage.queue()?, handler);
    let summary = worker.run(std::future::pending()).await?;
    assert_eq!((summary.completed, summary.failed), (count, 0));
    stage.end().await
}

#[tokio::test]
async fn bytes_keep_their_media_type() -> Result<()> {
    let stage = Stage::new().await?;
    let queue = stage.queue()?;
    let long = "x".repeat(255);
    for (content_type, data) in [
        ("text/plain; charset=utf-8", b"plain".to_vec()),
        ("application/octet-stream", vec![0, 255, 128]),
        ("$odd", vec![]),
        ("", vec![1]),
        (&long, vec![1]),
    ] {
        let payload = Payload::bytes(content_type, data);
        let put = queue.put(payload.clone()).retain(Duration::from_secs(3_600));
        let id = put.await.with_context(|| content_type.to_owned())?.id;
        let job = stage.claim().await?;
        assert_eq!(job.payload(), &payload);
        job.attempt().save(&payload).await?;
        job.complete(Some(payload.clone())).await?;
        let job = queue.get(&id).await?;
        assert_eq!((job.saved, job.output), (Some(payload.clone()), Some(payload)));
    }
    let put = queue.put(Payload::bytes("x".repeat(256), [])).await;
    assert!(matches!(put, Err(Error::Invalid { what: "content type", .. })), "{put:?}");
    stage.end().await
}

#[tokio::test]
async fn a_save_replaces_the_one_before_whole() -> Result<()> {
    let stage = Stage::new().await?;
    let id = stage.queue()?.put(doc! {}).await?.id;
    let job = stage.claim().await?;
    let saves = [
        doc! { "a": { "b": 1 } }.into_payload()?,
        doc! { "a": { "c": 2 } }.into_payload()?,
        Payload::bytes("text/plain", "bytes"),
        doc! { "d": 1 }.into_payload()?,
        Bson::Null.into_payload()?,
    ];
    for state in saves {
        job.attempt().save(&state).await?;
        assert_eq!(stage.queue()?.get(&id).await?.saved, Some(state));
    }
    job.complete(None).await?;
    stage.end().await
}

/// `depth` documents, each in the one before.
fn nested(depth: usize) -> Bson {
    (1..depth).fold(Bson::from(doc! {}), |inner, _| doc! { "a": inner }.into())
}

#[tokio::test]
async fn nesting_has_a_bound_that_the_database_can_hold() -> Result<()> {
    let stage = Stage::new().await?;
    let queue = stage.queue()?;
    for depth in [91, 92, 500] {
        let put = queue.put(nested(depth)).await;
        let Err(Error::Invalid { what: "payload", why }) = put else { anyhow::bail!("{put:?}") };
        assert_eq!(why, "it is nested deeper than 90");
    }
    let deepest = nested(90).into_payload()?;
    queue.put(deepest.clone()).retain(Duration::from_secs(60)).await?;
    let job = stage.claim().await?;
    job.attempt().save(&deepest).await?;
    assert!(matches!(
        job.attempt().save(&nested(91).into_payload()?).await,
        Err(Error::Invalid { what: "saved state", .. })
    ));
    job.release(Duration::ZERO).await?;
    let job = stage.claim().await?;
    job.error("again").await?;
    stage.claim().await?.complete(Some(deepest)).await?;
    assert_eq!(queue.stats().await?.completed, 1);
    stage.end().await
}

/// A document of exactly `size` bytes of BSON.
fn sized(size: usize) -> bson::Document {
    // 4 for the length, 1 + "x\0" + 4 + text + 1 for the string, 1 for the end.
    doc! { "x": "x".repeat(size - 13) }
}

#[tokio::test]
async fn a_payload_is_a_mebibyte_at_most() -> Result<()> {
    const LIMIT: usize = 1024 * 1024;
    let stage = Stage::new().await?;
    let queue = stage.queue()?;
    queue.put(sized(LIMIT)).await?;
    queue.put(Payload::bytes("text/plain", vec![0; LIMIT])).await?;
    let words = format!("payload too large: {} bytes, the limit is {LIMIT}", LIMIT + 1);
    for payload in
        [sized(LIMIT + 1).into_payload()?, Payload::bytes("text/plain", vec![0; LIMIT + 1])]
    {
        let put = queue.put(payload).await.map_err(|error| error.to_string());
        assert_eq!(put, Err(words.clone()));
    }
    let job = stage.claim().await?;
    let id = job.job().id.clone();
    let save = job.attempt().save(&sized(LIMIT + 1).into_payload()?).await;
    assert!(matches!(save, Err(Error::TooLarge { what: "saved state", .. })), "{save:?}");
    job.attempt().save(&sized(LIMIT).into_payload()?).await?;
    let done = job.complete(Some(sized(LIMIT + 1).into_payload()?)).await;
    assert!(matches!(done, Err(Error::TooLarge { what: "output", .. })), "{done:?}");
    // It is handed back then.
    let again = mongoqueue_tests::eventually("the job is handed back", async || {
        Ok((queue.get(&id).await?.state == State::Ready).then_some(()))
    });
    again.await?;
    assert_eq!(queue.get(&id).await?.attempts, 0);
    stage.end().await
}

#[tokio::test]
async fn the_limit_can_be_set_up_to_what_a_document_holds() -> Result<()> {
    use mongoqueue::{ConnectOptions, MongoQueue};
    let stage = Stage::new().await?;
    let most = 15 * 1024 * 1024;
    let options = |payload_limit| ConnectOptions {
        database: Some(stage.database.name().to_owned()),
        payload_limit,
        ..ConnectOptions::default()
    };
    let too_much = MongoQueue::connect(stage.uri(), options(most + 1)).await.err();
    assert!(matches!(too_much, Some(Error::Invalid { what: "payload limit", .. })));
    let mq = MongoQueue::connect(stage.uri(), options(most)).await?;
    let queue = mq.queue("q")?;
    let large = sized(most).into_payload()?;
    queue.put(large.clone()).max_attempts(20).await?;
    // Twelve records as long as they get: the last ten are kept, and the document holds them.
    let text = "x".repeat(100_000);
    for attempt in 1..=12 {
        let job = queue.next(&NextOptions::default()).await?.context("due")?;
        assert_eq!(job.job().attempt(), attempt);
        let mut failure = mongoqueue::Failure::new(text.clone()).code(text.clone());
        failure.stderr = Some(text.clone());
        failure.backtrace = Some(text.clone());
        job.error(failure).await?;
    }
    let job = queue.next(&NextOptions::default()).await?.context("due")?;
    assert_eq!(
        job.job().errors.iter().map(|e| e.attempt).collect::<Vec<_>>(),
        (3..=12).collect::<Vec<_>>()
    );
    // What no document can hold is told, and the job goes on.
    let save = job.attempt().save(&large).await;
    assert!(matches!(save, Err(Error::Database { .. })), "{save:?}");
    job.complete(None).await?;
    stage.end().await
}
