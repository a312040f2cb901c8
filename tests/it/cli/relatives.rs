//! The cases of the seed's relatives, by the command line. The module says whose they are.

mod skiz {
    use anyhow::Result;
    use bson::doc;
    use serde_json::{Value, json};

    use super::super::Cli;

    #[tokio::test]
    async fn defaults_on_insert() -> Result<()> {
        let cli = Cli::new().await?;
        let id = cli.put("{}", &[]).await?;
        let job = cli.json(&["get", &id]).await?;
        for (name, value) in [
            ("state", json!("ready")),
            ("priority", json!(0)),
            ("attempts", json!(0)),
            ("max_attempts", json!(3)),
            ("timeout_ms", json!(300_000)),
            ("claims", json!(0)),
            ("claim", Value::Null),
            ("errors", json!([])),
            ("finished_at", Value::Null),
        ] {
            assert_eq!(job[name], value, "{name}");
        }
        cli.end().await
    }

    #[tokio::test]
    async fn stats_of_an_empty_queue_are_zero() -> Result<()> {
        let cli = Cli::new().await?;
        let zero = json!({
            "queue": "q", "scheduled": 0, "ready": 0, "running": 0, "completed": 0, "dead": 0,
            "cancelled": 0, "oldest_ready_ms": null,
        });
        assert_eq!(cli.json(&["stats", "q"]).await?, zero);
        assert_eq!(cli.all(&["stats"]).await?, [] as [Value; 0]);
        cli.end().await
    }

    #[tokio::test]
    async fn a_mix_is_counted_and_the_highest_free_one_is_next() -> Result<()> {
        let cli = Cli::new().await?;
        cli.put("1", &["--priority", "100", "--max-attempts", "1"]).await?;
        let spent = cli.next().await?;
        cli.settle("fail", &spent, &[]).await?;
        cli.put("4", &["--priority", "99"]).await?;
        let fourth = cli.next().await?;
        cli.put("2", &["--priority", "2"]).await?;
        cli.put("3", &["--priority", "6"]).await?;
        assert_eq!(cli.counts().await?, (2, 1, 1));
        let third = cli.next().await?;
        assert_eq!(third["payload"], 3);
        cli.settle("release", &fourth, &[]).await?;
        let again = cli.next().await?;
        assert_eq!(again["id"], fourth["id"]);
        cli.settle("complete", &again, &[]).await?;
        assert_eq!(cli.next().await?["payload"], 2);
        // All that live are claimed.
        assert_eq!(cli.kind(1, &["next", "q"]).await?, "empty");
        cli.end().await
    }

    #[tokio::test]
    async fn two_errors_count_two_and_both_are_kept() -> Result<()> {
        let cli = Cli::new().await?;
        let id = cli.put("{}", &[]).await?;
        for message in ["one", "two"] {
            let job = cli.next().await?;
            cli.settle("fail", &job, &["--message", message]).await?;
        }
        let job = cli.json(&["get", &id]).await?;
        let said = [&job["errors"][0]["message"], &job["errors"][1]["message"]];
        assert_eq!((&job["attempts"], said), (&json!(2), [&json!("one"), &json!("two")]));
        cli.end().await
    }

    #[tokio::test]
    async fn an_old_lock_is_freed() -> Result<()> {
        let cli = Cli::new().await?;
        cli.put("{}", &[]).await?;
        cli.json(&["next", "q", "--consumer", "gone"]).await?;
        let hours = doc! { "$set": { "until": { "$subtract": ["$$NOW", 60 * 3_600_000] } } };
        cli.stage.leases().update_many(doc! {}, vec![hours]).await?;
        let job = cli.next().await?;
        assert_eq!((&job["attempts"], &job["claims"]), (&json!(1), &json!(2)));
        assert_eq!(job["errors"][0]["message"], "lease expired on gone");
        cli.end().await
    }
}

mod thestick613 {
    use anyhow::{Context, Result};
    use bson::DateTime;
    use serde_json::{Value, json};

    use super::super::{Cli, text};

    /// How long after its last failure a job is due, in milliseconds.
    fn wait(job: &Value) -> Result<i64> {
        let at = |value: &Value| {
            anyhow::Ok(DateTime::parse_rfc3339_str(text(value)?)?.timestamp_millis())
        };
        let last = job["errors"].as_array().and_then(|all| all.last()).context("no error")?;
        Ok(at(&job["due"])? - at(&last["at"])?)
    }

    #[tokio::test]
    async fn a_retry_is_delayed_more_each_time() -> Result<()> {
        let cli = Cli::new().await?;
        let id = cli.put("{}", &["--backoff", "1h..1d"]).await?;
        for hours in [1, 2] {
            let job = cli.next().await?;
            cli.settle("fail", &job, &[]).await?;
            assert_eq!(cli.kind(1, &["next", "q"]).await?, "empty");
            let wait = wait(&cli.json(&["get", &id]).await?)?;
            // Less up to a tenth, so that jobs that failed together don't come back together.
            assert!((hours * 3_240_000..=hours * 3_600_000).contains(&wait), "{wait} ms");
            cli.stage.make_due().await?;
        }
        cli.end().await
    }

    #[tokio::test]
    async fn an_error_can_name_its_own_delay() -> Result<()> {
        let cli = Cli::new().await?;
        let id = cli.put("{}", &[]).await?;
        let job = cli.next().await?;
        cli.settle("fail", &job, &["--retry-after", "1h", "--code", "busy-1"]).await?;
        let job = cli.json(&["get", &id]).await?;
        assert_eq!((wait(&job)?, &job["errors"][0]["code"]), (3_600_000, &json!("busy-1")));
        cli.end().await
    }

    #[tokio::test]
    async fn from_its_put_to_its_end() -> Result<()> {
        let cli = Cli::new().await?;
        let id = cli.put("{\"n\": 1}", &["--max-attempts", "2", "--retain", "1h"]).await?;
        let first = cli.next().await?;
        cli.settle("progress", &first, &["--count", "1"]).await?;
        cli.settle("heartbeat", &first, &[]).await?;
        cli.settle("release", &first, &[]).await?;
        for end in ["ready", "dead"] {
            let job = cli.next().await?;
            assert_eq!(cli.settle("fail", &job, &[]).await?["state"], end);
        }
        assert_eq!(cli.kind(1, &["next", "q"]).await?, "empty");
        assert_eq!(cli.json(&["retry", &id]).await?["state"], "ready");
        let last = cli.next().await?;
        assert_eq!((&last["attempts"], &last["claims"]), (&json!(0), &json!(4)));
        cli.settle("complete", &last, &["--output", "2"]).await?;
        let job = cli.json(&["get", &id]).await?;
        assert_eq!((&job["state"], &job["output"]), (&json!("completed"), &json!(2)));
        // What happened before stays on record.
        assert_eq!(job["errors"].as_array().map(Vec::len), Some(2));
        cli.end().await
    }
}

mod shunyeka {
    use anyhow::Result;
    use serde_json::json;

    use super::super::{Cli, text};

    #[tokio::test]
    async fn queues_do_not_see_each_other() -> Result<()> {
        let cli = Cli::new().await?;
        let put = async |queue| cli.json(&["put", queue, "{}"]).await;
        put("a").await?;
        put("a").await?;
        put("b").await?;
        let counts = async |queue| {
            let stats = cli.json(&["stats", queue]).await?;
            anyhow::Ok((stats["ready"].as_u64(), stats["running"].as_u64()))
        };
        assert_eq!(
            (counts("a").await?, counts("b").await?),
            ((Some(2), Some(0)), (Some(1), Some(0)))
        );
        let job = cli.json(&["next", "a"]).await?;
        assert_eq!(
            (counts("a").await?, counts("b").await?),
            ((Some(1), Some(1)), (Some(1), Some(0)))
        );
        cli.settle("complete", &job, &[]).await?;
        assert_eq!(
            (counts("a").await?, counts("b").await?),
            ((Some(1), Some(0)), (Some(1), Some(0)))
        );
        assert_eq!(cli.kind(1, &["next", "c"]).await?, "empty");
        let queues = cli.all(&["stats"]).await?;
        let queues: Vec<_> = queues.iter().map(|stats| &stats["queue"]).collect();
        assert_eq!(queues, ["a", "b"]);
        cli.end().await
    }

    #[tokio::test]
    async fn delayed_and_released_with_a_delay_are_invisible_until_then() -> Result<()> {
        let cli = Cli::new().await?;
        cli.put("{}", &["--delay", "1h"]).await?;
        for _ in 0..2 {
            assert_eq!(cli.kind(1, &["next", "q"]).await?, "empty");
            assert_eq!(cli.json(&["stats", "q"]).await?["scheduled"], 1);
            cli.stage.make_due().await?;
            let job = cli.next().await?;
            cli.settle("release", &job, &["--delay", "1h"]).await?;
        }
        cli.stage.make_due().await?;
        let job = cli.next().await?;
        assert_eq!((&job["attempts"], &job["claims"]), (&json!(0), &json!(3)));
        cli.end().await
    }

    #[tokio::test]
    async fn a_job_is_found_by_its_id_claimed_or_not() -> Result<()> {
        let cli = Cli::new().await?;
        let id = cli.put("{}", &[]).await?;
        let claim = async || anyhow::Ok(cli.json(&["get", &id]).await?["claim"].take());
        assert!(claim().await?.is_null());
        let job = cli.json(&["next", "q", "--consumer", "me"]).await?;
        let claimed = claim().await?;
        assert_eq!((text(&claimed["consumer"])?, &claimed["token"]), ("me", &job["token"]));
        cli.end().await
    }
}

mod mcrit {
    use anyhow::{Context, Result};
    use bson::DateTime;
    use serde_json::Value;

    use super::super::{Cli, text};

    #[tokio::test]
    async fn time_outs_are_what_was_written() -> Result<()> {
        let cli = Cli::new().await?;
        for (args, seconds) in [(&[][..], 600), (&["--lease", "2m"], 120)] {
            cli.put("{}", &["--timeout", "10m"]).await?;
            let job = cli.json(&[&["next", "q"], args].concat()).await?;
            let at = DateTime::parse_rfc3339_str(text(&job["claim"]["at"])?)?.timestamp_millis();
            let lease =
                cli.stage.leases().find_one(mongoqueue_tests::every()).await?.context("a lease")?;
            let long = lease.get_datetime("until")?.timestamp_millis() - at;
            // The lease comes first, and each of the two statements has a `$$NOW` of its own.
            assert!((seconds * 900..=seconds * 1_000).contains(&long), "{long} ms");
            cli.settle("complete", &job, &[]).await?;
        }
        cli.end().await
    }

    #[tokio::test]
    async fn a_fresh_lease_is_left_alone() -> Result<()> {
        let cli = Cli::new().await?;
        cli.put("{}", &[]).await?;
        let job = cli.next().await?;
        assert_eq!(cli.kind(1, &["next", "q"]).await?, "empty");
        cli.settle("complete", &job, &[]).await?;
        cli.end().await
    }

    #[tokio::test]
    async fn progress_does_not_resurrect_a_released_job() -> Result<()> {
        let cli = Cli::new().await?;
        let id = cli.put("{}", &[]).await?;
        let job = cli.next().await?;
        cli.settle("release", &job, &[]).await?;
        let late = ["progress", &id, "--token", text(&job["token"])?, "--count", "1"];
        assert_eq!(cli.kind(1, &late).await?, "lease-lost");
        let job = cli.json(&["get", &id]).await?;
        assert_eq!(job["state"], "ready");
        assert_eq!((&job["claim"], &job["progress"]), (&Value::Null, &Value::Null));
        cli.end().await
    }
}
