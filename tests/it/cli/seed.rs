//! The seed's own cases, by the command line.

use anyhow::Result;
use serde_json::{Value, json};

use super::{Cli, text};

#[tokio::test]
async fn put_next() -> Result<()> {
    let cli = Cli::new().await?;
    let payload = json!({ "context_id": "alpha", "data": [1, 2, 3], "more-data": 1.5e9 });
    let id = cli.put(&payload.to_string(), &[]).await?;
    let job = cli.next().await?;
    assert_eq!((&job["payload"], &job["id"]), (&payload, &Value::from(id)));
    assert_eq!((&job["state"], &job["attempt"]), (&json!("running"), &json!(1)));
    cli.end().await
}

#[tokio::test]
async fn get_empty_queue() -> Result<()> {
    let cli = Cli::new().await?;
    assert_eq!(cli.kind(1, &["next", "q"]).await?, "empty");
    let said = cli.error(1, &["next", "q", "--wait", "50ms"]).await?;
    insta::assert_snapshot!(said, @r#"error: no job of queue "q" came in time"#);
    cli.end().await
}

#[tokio::test]
async fn priority() -> Result<()> {
    let cli = Cli::new().await?;
    for (name, priority) in [("alice", "1"), ("bob", "2"), ("mike", "0")] {
        cli.put(&json!(name).to_string(), &["--priority", priority]).await?;
    }
    for name in ["bob", "alice", "mike"] {
        assert_eq!(cli.next().await?["payload"], name);
    }
    cli.end().await
}

#[tokio::test]
async fn complete() -> Result<()> {
    let cli = Cli::new().await?;
    let payload = json!({ "at": { "$date": "2027-01-31T09:30:00Z" } });
    let id = cli.put(&payload.to_string(), &[]).await?;
    assert_eq!(cli.counts().await?, (1, 0, 0));
    let job = cli.next().await?;
    assert_eq!(job["payload"], payload);
    assert_eq!(cli.counts().await?, (0, 1, 0));
    assert_eq!(cli.settle("complete", &job, &[]).await?["state"], "completed");
    assert_eq!(cli.counts().await?, (0, 0, 0));
    assert_eq!(cli.kind(1, &["get", &id]).await?, "no-such-job");
    cli.end().await
}

#[tokio::test]
async fn release() -> Result<()> {
    let cli = Cli::new().await?;
    cli.put("\"again\"", &[]).await?;
    let job = cli.next().await?;
    assert_eq!(cli.settle("release", &job, &[]).await?["state"], "ready");
    assert_eq!(cli.counts().await?, (1, 0, 0));
    let again = cli.next().await?;
    assert_eq!(again["payload"], job["payload"]);
    // The seed's README says that a release counts no attempt; here it is so.
    assert_eq!((&again["attempts"], &again["claims"]), (&json!(0), &json!(2)));
    cli.settle("release", &again, &["--delay", "1h"]).await?;
    assert_eq!(cli.kind(1, &["next", "q"]).await?, "empty");
    assert_eq!(cli.json(&["stats", "q"]).await?["scheduled"], 1);
    cli.end().await
}

#[tokio::test]
async fn error() -> Result<()> {
    let cli = Cli::new().await?;
    let id = cli.put("{}", &["--max-attempts", "2"]).await?;
    let first = cli.next().await?;
    let failed = cli.settle("fail", &first, &["--message", "no paper", "--code", "lp-1"]).await?;
    assert_eq!(failed["state"], "ready");
    let second = cli.next().await?;
    assert_eq!((&second["attempts"], &second["attempt"]), (&json!(1), &json!(2)));
    assert_eq!(second["errors"][0]["message"], "no paper");
    assert_eq!(second["errors"][0]["code"], "lp-1");
    assert_eq!(cli.settle("fail", &second, &["--message=-"]).await?["state"], "dead");
    assert_eq!(cli.counts().await?, (0, 0, 1));
    assert_eq!(cli.kind(1, &["next", "q"]).await?, "empty");
    let dead = cli.json(&["get", &id]).await?;
    assert_eq!((&dead["attempts"], &dead["errors"][1]["message"]), (&json!(2), &json!("-")));
    cli.end().await
}

#[tokio::test]
async fn progress() -> Result<()> {
    let cli = Cli::new().await?;
    let id = cli.put("{}", &[]).await?;
    let job = cli.next().await?;
    let more = ["--count", "3", "--total", "7", "--note", "page 3"];
    let said = cli.settle("progress", &job, &more).await?;
    let progress = json!({ "count": 3, "total": 7, "note": "page 3" });
    assert_eq!((&said["progress"], &said["cancel_at"]), (&progress, &Value::Null));
    assert_eq!(cli.json(&["get", &id]).await?["progress"], progress);
    assert_eq!(cli.settle("heartbeat", &job, &[]).await?["state"], "running");
    cli.settle("complete", &job, &[]).await?;
    let late = ["progress", &id, "--token", text(&job["token"])?];
    assert_eq!(cli.kind(1, &late).await?, "lease-lost");
    cli.end().await
}

#[tokio::test]
async fn stats() -> Result<()> {
    let cli = Cli::new().await?;
    let fed = cli.fed(&["put", "q", "-", "--lines", "--json"], "1\n2\n3\n4\n5\n").await?;
    assert_eq!(fed.ended(0)?.documents()?.len(), 5);
    let job = cli.next().await?;
    assert_eq!(cli.counts().await?, (4, 1, 0));
    cli.settle("fail", &job, &["--message", "problem"]).await?;
    let stats = cli.json(&["stats"]).await?;
    assert!(stats["oldest_ready_ms"].is_u64(), "{stats}");
    assert_eq!(cli.counts().await?, (5, 0, 0));
    cli.end().await
}

#[tokio::test]
async fn a_failed_attempt_is_seen_by_the_next_claim() -> Result<()> {
    let cli = Cli::new().await?;
    cli.put("{\"foobar\": 1}", &[]).await?;
    let job = cli.next().await?;
    assert_eq!(job["payload"]["foobar"], 1);
    cli.settle("fail", &job, &["--message", "SyntaxError"]).await?;
    let again = cli.next().await?;
    assert_eq!((&again["attempts"], &again["id"]), (&json!(1), &job["id"]));
    cli.end().await
}

#[tokio::test]
async fn a_completed_job_is_not_claimed_again() -> Result<()> {
    let cli = Cli::new().await?;
    cli.put("{\"foobar\": 1}", &[]).await?;
    let job = cli.next().await?;
    cli.settle("complete", &job, &["--output", "{\"pages\": 2}"]).await?;
    assert_eq!(cli.kind(1, &["next", "q"]).await?, "empty");
    cli.end().await
}
