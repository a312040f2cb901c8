//! The options of `put`, as the job has them.

use anyhow::Result;
use bson::DateTime;
use serde_json::json;

use super::{Cli, text};

#[tokio::test]
async fn every_option_is_on_the_job() -> Result<()> {
    let cli = Cli::new().await?;
    let options = [
        ["--id", "report-7"],
        ["--unique", "report"],
        ["--priority", "-4"],
        ["--due", "2100-01-31T10:30:00+01:00"],
        ["--max-attempts", "7"],
        ["--timeout", "1m30s"],
        ["--backoff", "1s..5s"],
        ["--retain", "1h"],
        ["--header", "trace=a=b"],
        ["--header", "empty="],
    ];
    assert_eq!(cli.put("{}", &options.concat()).await?, "report-7");
    let job = cli.json(&["get", "report-7"]).await?;
    for (name, value) in [
        ("unique_key", json!("report")),
        ("priority", json!(-4)),
        ("due", json!("2100-01-31T09:30:00Z")),
        ("max_attempts", json!(7)),
        ("timeout_ms", json!(90_000)),
        ("backoff", json!({ "first_ms": 1_000, "max_ms": 5_000 })),
        ("retain_ms", json!(3_600_000)),
        ("headers", json!({ "trace": "a=b", "empty": "" })),
    ] {
        let is = &job[name];
        match name {
            "due" => assert_eq!(
                DateTime::parse_rfc3339_str(text(is)?)?,
                DateTime::parse_rfc3339_str(text(&value)?)?
            ),
            _ => assert_eq!(is, &value, "{name}"),
        }
    }
    cli.end().await
}

#[tokio::test]
async fn a_delayed_job_waits_for_its_time() -> Result<()> {
    let cli = Cli::new().await?;
    let delayed = cli.put("1", &["--delay", "1h", "--priority", "9"]).await?;
    let due = cli.put("2", &["--due", "1h"]).await?;
    let now = cli.put("3", &[]).await?;
    assert_eq!(cli.next().await?["id"], now.as_str());
    assert_eq!(cli.kind(1, &["next", "q"]).await?, "empty");
    cli.stage.make_due().await?;
    assert_eq!(cli.next().await?["id"], delayed.as_str());
    assert_eq!(cli.next().await?["id"], due.as_str());
    cli.end().await
}

#[tokio::test]
async fn a_put_with_an_id_can_be_repeated() -> Result<()> {
    let cli = Cli::new().await?;
    let args = ["put", "q", "1", "--id", "once"];
    assert_eq!(cli.json(&args).await?["created"], true);
    assert_eq!(cli.json(&["put", "q", "2", "--id", "once"]).await?["created"], false);
    let ran = cli.run(&args).await?.ended(0)?;
    assert_eq!(ran.stdout, "once\n");
    insta::assert_snapshot!(ran.stderr, @"this job was put before; nothing was changed");
    assert_eq!(cli.json(&["get", "once"]).await?["payload"], 1);
    cli.end().await
}

#[tokio::test]
async fn a_key_is_refused_while_a_live_job_has_it() -> Result<()> {
    let cli = Cli::new().await?;
    cli.put("1", &["--unique", "k", "--id", "first"]).await?;
    let args = ["put", "q", "2", "--unique", "k"];
    assert_eq!(cli.kind(1, &args).await?, "duplicate");
    insta::assert_snapshot!(
        cli.error(1, &args).await?,
        @r#"error: duplicate: job first of queue "q" is live and has the unique key "k""#
    );
    let job = cli.next().await?;
    assert_eq!(cli.kind(1, &args).await?, "duplicate");
    cli.settle("complete", &job, &[]).await?;
    cli.put("2", &["--unique", "k"]).await?;
    cli.end().await
}

#[tokio::test]
async fn an_output_is_kept_with_a_retained_job() -> Result<()> {
    let cli = Cli::new().await?;
    let id = cli.put("1", &["--retain", "1h"]).await?;
    let job = cli.next().await?;
    cli.settle("complete", &job, &["--output", "<p>", "--content-type", "text/html"]).await?;
    let job = cli.json(&["get", &id]).await?;
    assert_eq!((&job["state"], &job["output_type"]), (&json!("completed"), &json!("text/html")));
    assert!(job["finished_at"].is_string() && job["claim"].is_null());
    cli.end().await
}
