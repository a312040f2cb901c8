//! `list`, `retry`, `cancel`, `clear`.

use anyhow::Result;
use serde_json::{Value, json};

use super::Cli;

#[tokio::test]
async fn retried_jobs_have_all_their_attempts_again() -> Result<()> {
    let cli = Cli::new().await?;
    let first = cli.put("1", &[]).await?;
    let second = cli.put("2", &[]).await?;
    for _ in 0..2 {
        let job = cli.next().await?;
        assert_eq!(cli.settle("fail", &job, &["--reject"]).await?["state"], "dead");
    }
    let dead = cli.all(&["list", "q", "--state", "dead"]).await?;
    assert_eq!(dead.len(), 2);
    let retried = cli.json(&["retry", &first]).await?;
    assert_eq!(retried, json!({ "id": first, "queue": "q", "state": "ready" }));
    assert_eq!(cli.json(&["get", &first]).await?["attempts"], 0);
    assert_eq!(cli.kind(1, &["retry", &first]).await?, "not-in-state");
    let all = cli.json(&["retry", "--queue", "q"]).await?;
    assert_eq!(all, json!({ "queue": "q", "retried": 1 }));
    assert_eq!(cli.json(&["get", &second]).await?["state"], "ready");
    assert_eq!(cli.counts().await?, (2, 0, 0));
    cli.end().await
}

#[tokio::test]
async fn what_waits_is_cancelled_and_what_runs_is_asked_to_stop() -> Result<()> {
    let cli = Cli::new().await?;
    let runs = cli.put("1", &["--priority", "1"]).await?;
    let waits = cli.put("2", &[]).await?;
    let job = cli.next().await?;
    assert_eq!(job["id"], runs.as_str());
    let states = cli.all(&["cancel", &waits, &runs]).await?;
    let states: Vec<&Value> = states.iter().map(|answer| &answer["state"]).collect();
    assert_eq!(states, ["cancelled", "running"]);
    let told = cli.settle("heartbeat", &job, &[]).await?;
    assert!(told["cancel_at"].is_string(), "{told}");
    let end = cli.settle("fail", &job, &["--message", "stopped"]).await?;
    assert_eq!(end["state"], "cancelled");
    let again = cli.error(1, &["cancel", &waits, &runs]).await?;
    let again = again.replace(&waits, "WAITS").replace(&runs, "RUNS");
    insta::assert_snapshot!(again, @"
    error: job WAITS is cancelled, not ready or running
    error: job RUNS is cancelled, not ready or running
    ");
    assert_eq!(cli.json(&["retry", &waits]).await?["state"], "ready");
    cli.end().await
}

#[tokio::test]
async fn one_bad_id_of_several_keeps_no_other_from_its_turn() -> Result<()> {
    let cli = Cli::new().await?;
    let id = cli.put("1", &[]).await?;
    let ran = cli.run(&["cancel", "nobody", &id, "--json"]).await?.ended(1)?;
    assert_eq!(ran.documents()?.len(), 1);
    assert!(ran.stderr.contains("no-such-job"), "{}", ran.stderr);
    assert_eq!(cli.json(&["get", &id]).await?["state"], "cancelled");
    cli.end().await
}

#[tokio::test]
async fn clear_removes_the_jobs_of_one_queue() -> Result<()> {
    let cli = Cli::new().await?;
    let fed = cli.fed(&["put", "q", "-", "--lines"], "1\n2\n3\n").await?.ended(0)?;
    assert!(fed.stdout.starts_with("3 jobs put on q in "), "{}", fed.stdout);
    cli.json(&["put", "other", "1"]).await?;
    cli.next().await?;
    assert_eq!(cli.json(&["clear", "q"]).await?, json!({ "queue": "q", "removed": 3 }));
    let said = cli.run(&["clear", "q", "--yes"]).await?.ended(0)?;
    insta::assert_snapshot!(said.stdout, @"0 jobs of q removed");
    assert_eq!(cli.all(&["stats"]).await?.len(), 1);
    cli.end().await
}

#[tokio::test]
async fn a_list_has_those_that_are_next_first_and_a_limit() -> Result<()> {
    let cli = Cli::new().await?;
    for (payload, priority) in [("1", "0"), ("2", "5"), ("3", "0")] {
        cli.put(payload, &["--priority", priority]).await?;
    }
    let payloads = |jobs: &[Value]| jobs.iter().map(|job| job["payload"].clone()).collect();
    let listed: Vec<Value> = payloads(&cli.all(&["list", "q"]).await?);
    assert_eq!(listed, [2, 1, 3]);
    let limited = cli.run(&["list", "q", "--limit", "2"]).await?.ended(0)?;
    assert_eq!(limited.stdout.lines().filter(|line| line.contains("ready")).count(), 2);
    let note = "no more than 2 of a queue are shown; --limit N shows more";
    assert_eq!(limited.stderr.trim(), note);
    let none = cli.run(&["list", "q", "--state", "dead"]).await?.ended(0)?;
    assert_eq!((none.stdout.as_str(), none.stderr.as_str()), ("", "no jobs\n"));
    cli.end().await
}
