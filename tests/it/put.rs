//! Putting one job: the options, ids and keys of the caller's own, what is refused.

use std::time::Duration;

use anyhow::Result;
use bson::{DateTime, doc};
use mongoqueue::{
    Backoff, Defaults, Error, Failure, IntoPayload, JobId, NewJob, NextOptions, PutOptions, State,
};
use mongoqueue_tests::{FailPoint, Stage};

/// The first millisecond of the year 2100, and of 9999.
const FAR: i64 = 4_102_444_800_000;
const FARTHEST: i64 = 253_370_764_800_000;

#[tokio::test]
async fn every_option_is_on_the_job() -> Result<()> {
    let stage = Stage::new().await?;
    let queue = stage.queue()?;
    let backoff = Backoff::exponential(Duration::from_secs(1), Duration::from_secs(60));
    let put = queue
        .put(doc! { "to": "ada" })
        .priority(-7)
        .due(DateTime::from_millis(FAR))
        .max_attempts(9)
        .timeout(Duration::from_millis(1_500))
        .backoff(backoff)
        .retain(Duration::from_secs(60))
        .header("trace", "one")
        .header("$odd.name", "two")
        .header("trace", "three")
        .unique_key("key");
    let receipt = put.await?;
    assert!(receipt.created);
    let job = queue.get(&receipt.id).await?;
    assert_eq!((job.state, job.priority, job.max_attempts), (State::Ready, -7, 9));
    assert_eq!(job.due, DateTime::from_millis(FAR));
    assert_eq!((job.timeout, job.backoff), (Duration::from_millis(1_500), backoff));
    assert_eq!(job.retain, Some(Duration::from_secs(60)));
    assert_eq!(job.unique_key.as_deref(), Some("key"));
    let headers = [("trace", "three"), ("$odd.name", "two")];
    assert_eq!(job.headers, headers.map(|(name, value)| (name.to_owned(), value.to_owned())));
    stage.end().await
}

#[tokio::test]
async fn defaults_of_the_queue_are_stored_on_the_job() -> Result<()> {
    let stage = Stage::new().await?;
    let defaults = Defaults {
        timeout: Duration::from_secs(5),
        max_attempts: 1,
        backoff: Backoff::exponential(Duration::from_secs(2), Duration::from_secs(8)),
        retain: Some(Duration::from_secs(9)),
    };
    let queue = stage.queue()?.with_defaults(defaults);
    let id = queue.put(doc! {}).await?.id;
    let own = queue.put(doc! {}).max_attempts(4).await?.id;
    // Read by a consumer with other defaults.
    let job = stage.queue()?.get(&id).await?;
    assert_eq!((job.timeout, job.max_attempts), (defaults.timeout, 1));
    assert_eq!((job.backoff, job.retain), (defaults.backoff, defaults.retain));
    assert_eq!(stage.queue()?.get(&own).await?.max_attempts, 4);
    stage.end().await
}

#[tokio::test]
async fn the_later_of_delay_and_due_counts() -> Result<()> {
    let stage = Stage::new().await?;
    let queue = stage.queue()?;
    let due = DateTime::from_millis(FAR);
    let id = queue.put(doc! {}).delay(Duration::from_secs(60)).due(due).await?.id;
    assert_eq!(queue.get(&id).await?.due, due);
    let past = DateTime::from_millis(0);
    let id = queue.put(doc! {}).delay(Duration::from_secs(3_600)).due(past).await?.id;
    let job = queue.get(&id).await?;
    assert_eq!(job.due.timestamp_millis() - job.created_at.timestamp_millis(), 3_600_000);
    assert_eq!(queue.stats().await?.scheduled, 2);
    stage.end().await
}

#[tokio::test]
async fn an_own_id_makes_a_put_idempotent_while_the_job_is_there() -> Result<()> {
    let stage = Stage::new().await?;
    let queue = stage.queue()?;
    for text in ["order/7", "$gt", "a.b", "{\"$gt\": \"\"}", "ü", "4c0f", &"x".repeat(200)] {
        let id: JobId = text.parse()?;
        assert_eq!(id, JobId::Own(text.to_owned()));
        let first = queue.put(doc! { "n": 1 }).id(id.clone()).await?;
        let again = queue.put(doc! { "n": 2 }).id(id.clone()).await?;
        assert_eq!((first.created, again.created, &again.id), (true, false, &id), "{text}");
        let job = stage.claim().await?;
        assert_eq!((&job.job().id, job.payload()), (&id, &queue.get(&id).await?.payload));
        let running = queue.put(doc! { "n": 3 }).id(id.clone()).await?;
        assert!(!running.created, "{text}");
        job.complete(None).await?;
        assert!(queue.put(doc! { "n": 4 }).id(id).await?.created, "{text}: it is gone");
        stage.claim().await?.complete(None).await?;
    }
    stage.end().await
}

#[tokio::test]
async fn an_id_is_taken_across_queues_and_said_so() -> Result<()> {
    let stage = Stage::new().await?;
    let id: JobId = "same".parse()?;
    stage.mq.queue("a")?.put(doc! {}).id(id.clone()).await?;
    let put = stage.mq.queue("b")?.put(doc! {}).id(id).await;
    let Err(Error::Invalid { what: "job id", why }) = put else { anyhow::bail!("{put:?}") };
    assert_eq!(why, "same is taken by a job of queue \"a\" in this collection");
    stage.end().await
}

#[tokio::test]
async fn ids_that_can_never_be() -> Result<()> {
    for (text, why) in [
        ("", "it is empty"),
        ("a\0b", "it contains a NUL"),
        (&"x".repeat(201), "it has 201 bytes, at most 200 are allowed"),
    ] {
        let id = text.parse::<JobId>();
        let Err(Error::Invalid { what: "job id", why: said }) = id else { panic!("{id:?}") };
        assert_eq!(said, why);
    }
    let hexadecimal = "0123456789abcdef01234567";
    assert!(matches!(hexadecimal.parse()?, JobId::Minted(_)));
    // An id that no parser made.
    let stage = Stage::new().await?;
    for text in [hexadecimal, "", &"x".repeat(201)] {
        let put = stage.queue()?.put(doc! {}).id(JobId::Own(text.to_owned())).await;
        assert!(matches!(put, Err(Error::Invalid { .. })), "{text:?}: {put:?}");
    }
    stage.end().await
}

#[tokio::test]
async fn a_unique_key_is_taken_while_its_job_lives() -> Result<()> {
    let stage = Stage::new().await?;
    let queue = stage.queue()?;
    let hour = Duration::from_secs(3_600);
    // Each way for a job to be over frees the key.
    for end in ["complete", "retained", "reject", "cancel", "expire"] {
        let mut first = queue.put(doc! {}).unique_key("k").max_attempts(1);
        if end == "retained" {
            first = first.retain(hour);
        }
        let first = first.await?.id;
        let taken = async |when: &str| {
            let put = queue.put(doc! {}).unique_key("k").await;
            let Err(Error::Duplicate { queue, key, id }) = put else {
                anyhow::bail!("{end}, {when}: {put:?}")
            };
            assert_eq!((queue.as_str(), key.as_str(), &id), ("q", "k", &first));
            Ok(())
        };
        taken("waiting").await?;
        if end == "cancel" {
            assert_eq!(queue.cancel(&first).await?, State::Cancelled);
            continue;
        }
        stage.claim().await?.release(Duration::ZERO).await?;
        taken("released").await?;
        let job = stage.claim().await?;
        taken("running").await?;
        match end {
            "complete" | "retained" => job.complete(None).await?,
            "reject" => drop(job.error(Failure::new("no").reject()).await?),
            _ => {
                job.detach();
                stage.expire_leases().await?;
                assert!(queue.next(&NextOptions::default()).await?.is_none());
            }
        }
    }
    assert!(queue.put(doc! {}).unique_key("k").await?.created);
    // The same key on another queue is another key.
    assert!(stage.mq.queue("other")?.put(doc! {}).unique_key("k").await?.created);
    stage.end().await
}

#[tokio::test]
async fn an_own_id_and_a_unique_key_together() -> Result<()> {
    let stage = Stage::new().await?;
    let queue = stage.queue()?;
    let (a, b): (JobId, JobId) = ("a".parse()?, "b".parse()?);
    let put = async |id: &JobId| queue.put(doc! {}).id(id.clone()).unique_key("k").await;
    assert!(put(&a).await?.created);
    assert!(!put(&a).await?.created, "the same put again");
    assert!(matches!(put(&b).await, Err(Error::Duplicate { id, .. }) if id == a));
    stage.end().await
}

#[tokio::test]
async fn what_is_refused_before_anything_is_sent() -> Result<()> {
    let stage = Stage::new().await?;
    let queue = stage.queue()?;
    let century = mongoqueue::LONGEST + Duration::from_millis(1);
    let header = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
    let many = |n: usize| (0..n).map(|i| (format!("h{i}"), String::new())).collect::<Vec<_>>();
    let options = PutOptions::default;
    let backoff = |first, max| Some(Backoff::exponential(first, max));
    let bad = [
        PutOptions { max_attempts: Some(0), ..options() },
        PutOptions { timeout: Some(Duration::ZERO), ..options() },
        PutOptions { timeout: Some(century), ..options() },
        PutOptions { delay: century, ..options() },
        PutOptions { retain: Some(century), ..options() },
        PutOptions { backoff: backoff(century, Duration::ZERO), ..options() },
        PutOptions { backoff: backoff(Duration::ZERO, century), ..options() },
        PutOptions { due: Some(DateTime::from_millis(-1)), ..options() },
        PutOptions { due: Some(DateTime::from_millis(FARTHEST)), ..options() },
        PutOptions { unique_key: Some(String::new()), ..options() },
        PutOptions { unique_key: Some("x".repeat(201)), ..options() },
        PutOptions { headers: header("", "x"), ..options() },
        PutOptions { headers: header("a\0", "x"), ..options() },
        PutOptions { headers: header("a", "\0"), ..options() },
        PutOptions { headers: many(65), ..options() },
    ];
    for options in bad {
        let put = queue.put(doc! {}).options(options.clone()).await;
        assert!(matches!(put, Err(Error::Invalid { .. })), "{options:?}: {put:?}");
    }
    let put = queue.put(doc! {}).header("name", "x".repeat(16 * 1024 - 3)).await;
    assert_eq!(
        put.map_err(|error| error.to_string()),
        Err("headers too large: 16385 bytes, the limit is 16384".to_owned())
    );
    // The longest and largest that will do.
    let good = PutOptions {
        delay: mongoqueue::LONGEST,
        timeout: Some(mongoqueue::LONGEST),
        retain: Some(mongoqueue::LONGEST),
        backoff: backoff(mongoqueue::LONGEST, mongoqueue::LONGEST),
        due: Some(DateTime::from_millis(FARTHEST - 1)),
        unique_key: Some("x".repeat(200)),
        headers: many(64),
        max_attempts: Some(u32::MAX),
        priority: i32::MIN,
        ..options()
    };
    let id = queue.put(doc! {}).options(good.clone()).await?.id;
    let job = queue.get(&id).await?;
    assert_eq!((job.headers, job.max_attempts, job.priority), (good.headers, u32::MAX, i32::MIN));
    stage.end().await
}

#[tokio::test]
async fn extreme_durations_survive_the_whole_of_a_jobs_life() -> Result<()> {
    let stage = Stage::new().await?;
    let longest = mongoqueue::LONGEST;
    let put = stage.queue()?.put(doc! {}).timeout(longest).retain(longest);
    put.backoff(Backoff::exponential(longest, longest)).await?;
    let job = stage.claim().await?;
    job.heartbeat().await?;
    assert_eq!(job.error("again in a hundred years").await?, State::Ready);
    stage.make_due().await?;
    let job = stage.claim().await?;
    job.release(longest).await?;
    stage.make_due().await?;
    stage.claim().await?.complete(None).await?;
    assert_eq!(stage.queue()?.stats().await?.completed, 1);
    stage.end().await
}

#[tokio::test]
async fn names_of_queues() -> Result<()> {
    let stage = Stage::new().await?;
    for bad in ["", &"x".repeat(101), "a\nb", "a\0"] {
        assert!(matches!(stage.mq.queue(bad), Err(Error::Invalid { .. })), "{bad:?}");
    }
    for good in ["$where", "a.b", "../x", "ü ü", "{\"$gt\": \"\"}", &"x".repeat(100)] {
        let queue = stage.mq.queue(good)?;
        queue.put(doc! {}).await?;
        let stats = queue.stats().await?;
        assert_eq!(stats.ready, 1, "{good}");
        let job = queue.next(&NextOptions::default()).await?;
        assert_eq!(queue.stats().await?.running, 1, "{good}");
        if let Some(job) = job {
            job.detach();
        }
        stage.expire_leases().await?;
        let job = queue.next(&NextOptions::default()).await?;
        let Some(job) = job else { anyhow::bail!("{good}: not claimed") };
        assert_eq!(job.job().attempts, 1);
        job.complete(None).await?;
    }
    stage.end().await
}

#[tokio::test]
async fn a_put_that_was_tried_twice_may_have_happened() -> Result<()> {
    let stage = Stage::private().await?;
    // 10107 NotWritablePrimary: to the driver's second try. What became of the first, whose answer
    // was lost, nobody has said.
    let how = doc! { "failCommands": ["insert"], "errorCode": 10_107 };
    for times in [2, 4] {
        let fail = FailPoint::on(&stage, how.clone(), Some(times)).await?;
        let queue = stage.queue()?;
        let one = queue.put(doc! {}).id("one".parse()?).await;
        assert!(matches!(one, Err(Error::MayHaveHappened { .. })), "{one:?}");
        if times == 4 {
            let job = NewJob::new(doc! {}.into_payload()?);
            let many = queue.put_many(vec![job]).await;
            assert!(matches!(many, Err(Error::MayHaveHappened { .. })), "{many:?}");
        }
        assert_eq!(fail.off().await?, i64::from(times));
    }
    // Repeated with its own id it is there once.
    let queue = stage.queue()?;
    assert!(queue.put(doc! {}).id("one".parse()?).await?.created);
    assert!(!queue.put(doc! {}).id("one".parse()?).await?.created);
    stage.end().await
}

#[tokio::test]
async fn a_put_that_was_told_nothing_definite_may_have_happened() -> Result<()> {
    let stage = Stage::private().await?;
    let queue = stage.queue()?;
    // WriteConflict and MaxTimeMSExpired may be the answers to a second try; BadValue and IllegalOperation
    // would have been those to the first, too.
    for (code, may) in [(112, true), (50, true), (2, false), (20, false)] {
        let how = doc! { "failCommands": ["insert"], "errorCode": code };
        let fail = FailPoint::on(&stage, how, Some(1)).await?;
        let put = queue.put(doc! {}).await;
        match put {
            Err(Error::MayHaveHappened { .. }) => assert!(may, "{code}"),
            Err(Error::Database { .. }) => assert!(!may, "{code}"),
            put => anyhow::bail!("{code}: {put:?}"),
        }
        assert_eq!(fail.off().await?, 1, "{code}");
    }
    stage.end().await
}

#[tokio::test]
async fn a_job_that_was_there_and_is_gone_may_have_been_put() -> Result<()> {
    let stage = Stage::private().await?;
    let queue = stage.queue()?;
    queue.put(doc! {}).id("one".parse()?).await?;
    // It is looked at after the server said that the id is taken.
    let fail = FailPoint::late(&stage, "find").await?;
    let again = tokio::spawn({
        let queue = queue.clone();
        async move { queue.put(doc! {}).id("one".parse()?).await }
    });
    fail.met(1).await?;
    let done = doc! { "findAndModify": "jobs", "query": { "_id": "one" }, "remove": true };
    stage.database.run_command(done).await?;
    fail.off().await?;
    let answer = again.await?;
    assert!(matches!(answer, Err(Error::MayHaveHappened { .. })), "{answer:?}");
    stage.end().await
}
