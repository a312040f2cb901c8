//! Cases that the suites of the seed's relatives add: the Ruby original, two forks, and a program
//! that has the design embedded. Each test says in its name what it is about; the module, whose.

mod skiz {
    //! The Ruby original.

    use std::time::Duration;

    use anyhow::Result;
    use bson::doc;
    use mongoqueue::{NextOptions, State, Stats};
    use mongoqueue_tests::Stage;

    #[tokio::test]
    async fn defaults_on_insert() -> Result<()> {
        let stage = Stage::new().await?;
        let id = stage.queue()?.put(doc! {}).await?.id;
        let job = stage.queue()?.get(&id).await?;
        assert_eq!((job.priority, job.attempts, job.max_attempts, job.claims), (0, 0, 3, 0));
        assert_eq!((job.state, job.timeout), (State::Ready, Duration::from_secs(300)));
        assert!(job.claim.is_none() && job.last_error().is_none() && job.finished_at.is_none());
        stage.end().await
    }

    #[tokio::test]
    async fn stats_of_an_empty_queue_are_zero() -> Result<()> {
        let stage = Stage::new().await?;
        assert_eq!(stage.queue()?.stats().await?, Stats::default());
        stage.end().await
    }

    #[tokio::test]
    async fn a_mix_is_counted_and_the_highest_free_one_is_next() -> Result<()> {
        let stage = Stage::new().await?;
        let queue = stage.queue()?;
        queue.put(doc! { "name": "first" }).priority(100).max_attempts(1).await?;
        stage.claim().await?.error("spent").await?;
        let fourth = queue.put(doc! { "name": "fourth" }).priority(99).await?.id;
        let locked = stage.claim().await?;
        assert_eq!(locked.job().id, fourth);
        queue.put(doc! { "name": "second" }).priority(2).await?;
        queue.put(doc! { "name": "third" }).priority(6).await?;
        let stats = Stats { oldest_ready: None, ..queue.stats().await? };
        assert_eq!(stats, Stats { ready: 2, running: 1, dead: 1, ..Stats::default() });

        let third = stage.claim().await?;
        assert_eq!(third.job().priority, 6);
        locked.release(Duration::ZERO).await?;
        let again = stage.claim().await?;
        assert_eq!(again.job().id, fourth);
        again.complete(None).await?;
        let second = stage.claim().await?;
        assert_eq!(second.job().priority, 2);
        // All that are alive are claimed.
        assert!(queue.next(&NextOptions::default()).await?.is_none());
        third.complete(None).await?;
        second.complete(None).await?;
        stage.end().await
    }

    #[tokio::test]
    async fn two_errors_count_two_and_both_are_kept() -> Result<()> {
        let stage = Stage::new().await?;
        let id = stage.queue()?.put(doc! {}).await?.id;
        stage.claim().await?.error("one").await?;
        stage.claim().await?.error("two").await?;
        let job = stage.queue()?.get(&id).await?;
        assert_eq!((job.attempts, job.errors.len()), (2, 2));
        assert_eq!(job.last_error().map(|error| error.message.as_str()), Some("two"));
        stage.end().await
    }

    #[tokio::test]
    async fn an_old_lock_is_freed() -> Result<()> {
        let stage = Stage::new().await?;
        stage.queue()?.put(doc! {}).await?;
        stage.claim().await?.detach();
        let hours = doc! { "$set": { "until": { "$subtract": ["$$NOW", 60 * 3_600_000] } } };
        stage.leases().update_many(doc! {}, vec![hours]).await?;
        let job = stage.claim().await?;
        assert_eq!(job.job().attempts, 1);
        job.complete(None).await?;
        stage.end().await
    }
}

mod thestick613 {
    //! A fork with delays and more.

    use std::time::Duration;

    use anyhow::Result;
    use bson::doc;
    use mongoqueue::{Backoff, Failure, NextOptions, State};
    use mongoqueue_tests::Stage;

    #[tokio::test]
    async fn a_retry_is_delayed_more_each_time() -> Result<()> {
        let stage = Stage::new().await?;
        let queue = stage.queue()?;
        let hour = Duration::from_secs(3_600);
        let id = queue.put(doc! {}).backoff(Backoff::exponential(hour, hour * 24)).await?.id;
        for hours in [1.0, 2.0] {
            assert_eq!(stage.claim().await?.error("later").await?, State::Ready);
            assert!(queue.next(&NextOptions::default()).await?.is_none(), "not due yet");
            let job = queue.get(&id).await?;
            let failed = job.last_error().map(|error| error.at.timestamp_millis());
            let wait = (job.due.timestamp_millis() - failed.unwrap_or_default()) as f64 / 3.6e6;
            // Less up to a tenth, so that jobs that failed together don't come back together.
            assert!((0.9 * hours..=hours).contains(&wait), "{wait} h");
            stage.make_due().await?;
        }
        stage.claim().await?.complete(None).await?;
        stage.end().await
    }

    #[tokio::test]
    async fn an_error_can_name_its_own_delay() -> Result<()> {
        let stage = Stage::new().await?;
        let queue = stage.queue()?;
        let id = queue.put(doc! {}).await?.id;
        let failure = Failure::new("busy").code("busy-1").retry_after(Duration::from_secs(3_600));
        stage.claim().await?.error(failure).await?;
        assert!(queue.next(&NextOptions::default()).await?.is_none());
        let job = queue.get(&id).await?;
        assert_eq!(job.errors[0].code.as_deref(), Some("busy-1"));
        let wait = job.due.timestamp_millis() - job.errors[0].at.timestamp_millis();
        assert_eq!(wait, 3_600_000);
        stage.end().await
    }

    #[tokio::test]
    async fn abort_ends_a_job_for_good() -> Result<()> {
        let stage = Stage::new().await?;
        let queue = stage.queue()?;
        queue.put(doc! {}).await?;
        let state = stage.claim().await?.error(Failure::new("no use").reject()).await?;
        assert_eq!(state, State::Dead);
        assert!(queue.next(&NextOptions::default()).await?.is_none());
        stage.end().await
    }
}

mod shunyeka {
    //! A fork with channels, which are our queues.

    use std::time::Duration;

    use anyhow::Result;
    use bson::doc;
    use mongoqueue::{JobId, NextOptions, Stats};
    use mongoqueue_tests::Stage;

    #[tokio::test]
    async fn queues_do_not_see_each_other() -> Result<()> {
        let stage = Stage::new().await?;
        let (a, b) = (stage.mq.queue("a")?, stage.mq.queue("b")?);
        let id = a.put(doc! { "of": "a" }).await?.id;
        assert!(b.next(&NextOptions::default()).await?.is_none());
        assert_eq!(b.stats().await?, Stats::default());
        assert!(b.get(&id).await.is_err());
        assert_eq!(stage.mq.queues().await?, ["a"]);
        let job = a.next(&NextOptions::default()).await?;
        assert_eq!(stage.mq.queues().await?, ["a"]);
        assert!(job.is_some_and(|job| job.job().id == id));
        stage.end().await
    }

    #[tokio::test]
    async fn delayed_and_released_with_a_delay_are_invisible_until_then() -> Result<()> {
        let stage = Stage::new().await?;
        let queue = stage.queue()?;
        let hour = Duration::from_secs(3_600);
        queue.put(doc! {}).delay(hour).await?;
        for _ in 0..2 {
            assert!(queue.next(&NextOptions::default()).await?.is_none());
            let stats = queue.stats().await?;
            assert_eq!(stats, Stats { scheduled: 1, ..Stats::default() });
            stage.make_due().await?;
            stage.claim().await?.release(hour).await?;
        }
        stage.make_due().await?;
        let job = stage.claim().await?;
        assert_eq!((job.job().attempts, job.job().claims), (0, 3));
        job.complete(None).await?;
        stage.end().await
    }

    #[tokio::test]
    async fn a_second_put_with_the_same_id_changes_nothing() -> Result<()> {
        let stage = Stage::new().await?;
        let queue = stage.queue()?;
        let id: JobId = "order-7".parse()?;
        assert!(queue.put(doc! { "n": 1 }).id(id.clone()).await?.created);
        assert!(!queue.put(doc! { "n": 2 }).id(id.clone()).await?.created);
        let job = queue.get(&id).await?;
        assert_eq!(job.payload.deserialize::<bson::Document>()?, doc! { "n": 1 });
        stage.end().await
    }

    #[tokio::test]
    async fn a_job_is_found_by_its_id_claimed_or_not() -> Result<()> {
        let stage = Stage::new().await?;
        let queue = stage.queue()?;
        let id = queue.put(doc! {}).await?.id;
        assert!(queue.get(&id).await?.claim.is_none());
        let job = stage.claim().await?;
        let claim = queue.get(&id).await?.claim;
        assert_eq!(claim.map(|claim| claim.consumer), Some("consumer-1".to_owned()));
        assert_eq!(stage.mq.find(&id).await?.id, id);
        job.complete(None).await?;
        assert!(queue.get(&id).await.is_err());
        stage.end().await
    }

    #[tokio::test]
    async fn indexes_exist() -> Result<()> {
        let stage = Stage::new().await?;
        let names = async || {
            let mut names = stage.jobs().list_index_names().await?;
            names.sort();
            anyhow::Ok(names)
        };
        stage.queue()?.put(doc! {}).await?;
        assert_eq!(names().await?, ["_id_", "claim"]);
        // Made by the first job that needs them.
        stage.queue()?.put(doc! {}).unique_key("k").await?;
        assert_eq!(names().await?, ["_id_", "claim", "unique_key"]);
        stage.queue()?.put(doc! {}).retain(std::time::Duration::from_secs(9)).await?;
        assert_eq!(names().await?, ["_id_", "claim", "expire", "unique_key"]);
        // Also for a job that was put by another client.
        stage.jobs().drop_index("expire").await?;
        let other = stage.connect("consumer-2").await?.queue("q")?;
        while let Some(job) = other.next(&Default::default()).await? {
            job.complete(None).await?;
        }
        assert_eq!(names().await?, ["_id_", "claim", "expire", "finished", "unique_key"]);
        stage.end().await
    }
}

mod mcrit {
    //! A program that has the design embedded, and the best field report on it.

    use std::time::Duration;

    use anyhow::{Context, Result};
    use bson::doc;
    use mongoqueue::{Error, NextOptions, Progress};
    use mongoqueue_tests::Stage;

    #[tokio::test]
    async fn time_outs_are_seconds_not_days() -> Result<()> {
        let stage = Stage::new().await?;
        stage.queue()?.put(doc! {}).timeout(Duration::from_secs(600)).await?;
        let job = stage.claim().await?;
        let lease = stage.leases().find_one(mongoqueue_tests::every()).await?.context("a lease")?;
        let at = stage.queue()?.get(&job.job().id).await?.claim.context("a claim")?.at;
        let long = lease.get_datetime("until")?.timestamp_millis() - at.timestamp_millis();
        // The lease comes first, and each of the two statements has a `$$NOW` of its own.
        assert!((540_000..=600_000).contains(&long), "{long} ms");
        job.complete(None).await?;
        stage.end().await
    }

    #[tokio::test]
    async fn a_fresh_lease_is_left_alone() -> Result<()> {
        let stage = Stage::new().await?;
        stage.queue()?.put(doc! {}).await?;
        let job = stage.claim().await?;
        assert!(stage.queue()?.next(&NextOptions::default()).await?.is_none());
        job.complete(None).await?;
        stage.end().await
    }

    #[tokio::test]
    async fn progress_does_not_resurrect_a_released_job() -> Result<()> {
        let stage = Stage::new().await?;
        let queue = stage.queue()?;
        let id = queue.put(doc! {}).await?.id;
        let job = stage.claim().await?;
        let same = stage.mq.find_lease(&id, job.token()).await?;
        job.release(Duration::ZERO).await?;
        let report = same.progress(&Progress::default()).await;
        assert!(matches!(report, Err(Error::LeaseLost { .. })), "{report:?}");
        same.detach();
        let job = queue.get(&id).await?;
        assert!(job.claim.is_none() && job.progress.is_none());
        stage.claim().await?.complete(None).await?;
        stage.end().await
    }

    #[tokio::test]
    async fn the_claim_index_has_the_key_of_the_claim() -> Result<()> {
        let stage = Stage::new().await?;
        let mut indexes = stage.jobs().list_indexes().await?;
        let mut keys = Vec::new();
        while indexes.advance().await? {
            keys.push(indexes.deserialize_current()?.keys);
        }
        assert!(
            keys.contains(&doc! { "queue": 1, "priority": -1, "due": 1, "_id": 1 }),
            "{keys:?}"
        );
        stage.end().await
    }
}
