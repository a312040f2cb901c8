//! Putting many: an answer for each, in order.

use anyhow::Result;
use bson::{Bson, doc};
use mongoqueue::{Error, IntoPayload, JobId, NewJob, Payload, PutOptions, Receipt};
use mongoqueue_tests::Stage;

fn job(n: i32, options: PutOptions) -> Result<NewJob> {
    Ok(NewJob { payload: doc! { "n": n }.into_payload()?, options })
}

fn with_id(id: &str) -> PutOptions {
    PutOptions { id: Some(JobId::Own(id.to_owned())), ..PutOptions::default() }
}

fn with_key(key: &str) -> PutOptions {
    PutOptions { unique_key: Some(key.to_owned()), ..PutOptions::default() }
}

#[tokio::test]
async fn each_has_its_answer_in_order() -> Result<()> {
    let stage = Stage::new().await?;
    let queue = stage.queue()?;
    stage.mq.queue("other")?.put(doc! {}).id("elsewhere".parse()?).await?;
    let holder = queue.put(doc! {}).unique_key("held").await?.id;
    let bad = PutOptions { max_attempts: Some(0), ..PutOptions::default() };
    let large = NewJob::new(Payload::bytes("text/plain", vec![0; 2 * 1024 * 1024]));
    let jobs = vec![
        job(0, PutOptions::default())?,
        job(1, bad)?,
        job(2, with_id("a"))?,
        job(3, with_id("a"))?,
        large,
        job(5, with_key("k"))?,
        job(6, with_key("k"))?,
        job(7, with_key("held"))?,
        job(8, with_id("elsewhere"))?,
        job(9, with_id("0123456789abcdef01234567"))?,
        job(10, PutOptions::default())?,
    ];
    let answers = queue.put_many(jobs).await?;
    let told: Vec<String> = answers.iter().map(tell).collect();
    let key = |id: &JobId, key: &str| {
        format!("duplicate: job {id} of queue \"q\" is live and has the unique key {key:?}")
    };
    let fifth = &answers[5].as_ref().map_err(|error| anyhow::anyhow!("{error}"))?.id;
    assert_eq!(
        told[..9],
        [
            "created".to_owned(),
            "invalid max_attempts: a job needs at least 1".to_owned(),
            "created".to_owned(),
            "was there".to_owned(),
            "payload too large: 2097152 bytes, the limit is 1048576".to_owned(),
            "created".to_owned(),
            key(fifth, "k"),
            key(&holder, "held"),
            "invalid job id: elsewhere is taken by a job of queue \"other\" in this collection"
                .to_owned(),
        ]
    );
    assert!(told[9].starts_with("invalid job"), "{}", told[9]);
    assert_eq!(told[10], "created");
    assert_eq!(queue.stats().await?.ready, 5, "four of these, and the holder of the key");
    stage.end().await
}

fn tell(answer: &mongoqueue::Result<Receipt>) -> String {
    match answer {
        Ok(Receipt { created: true, .. }) => "created".to_owned(),
        Ok(_) => "was there".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn thousands_go_in_and_come_out_in_order() -> Result<()> {
    let stage = Stage::new().await?;
    let queue = stage.queue()?;
    let jobs: Result<Vec<NewJob>> = (0..2_500).map(|n| job(n, PutOptions::default())).collect();
    let answers = queue.put_many(jobs?).await?;
    assert_eq!(answers.len(), 2_500);
    let options = mongoqueue::ListOptions { limit: 5_000, ..Default::default() };
    let listed: Vec<JobId> = queue.list(&options).await?.into_iter().map(|job| job.id).collect();
    let put: mongoqueue::Result<Vec<JobId>> =
        answers.into_iter().map(|answer| answer.map(|receipt| receipt.id)).collect();
    assert_eq!(put?, listed);
    stage.end().await
}

#[tokio::test]
async fn nothing_but_refusals_and_nothing_at_all() -> Result<()> {
    let stage = Stage::new().await?;
    assert!(stage.queue()?.put_many(Vec::new()).await?.is_empty());
    let deep = (0..200).fold(Bson::Null, |inner, _| doc! { "a": inner }.into());
    let answers = stage.queue()?.put_many(vec![NewJob::new(deep.into_payload()?)]).await?;
    assert!(matches!(answers.as_slice(), [Err(Error::Invalid { .. })]), "{answers:?}");
    stage.end().await
}

#[tokio::test]
async fn many_large_ones_fit_in_several_commands() -> Result<()> {
    let stage = Stage::new().await?;
    // 60 MiB: more than a message to the server may have (48 MB).
    let large = || NewJob::new(Payload::bytes("application/x-zeros", vec![0; 1024 * 1024]));
    let answers = stage.queue()?.put_many((0..60).map(|_| large()).collect()).await?;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(stage.queue()?.stats().await?.ready, 60);
    stage.end().await
}
