//! `work` in processes of its own: its events, its ends, and being killed.

use anyhow::{Context, Result};
use mongoqueue_tests::eventually;
use serde_json::{Value, json};

use super::{Cli, Work, guest};

/// A queue whose jobs misbehave, with the grant that the component needs.
fn misbehaving() -> Result<Vec<String>> {
    let serving = format!("q={}", guest("misbehave")?);
    Ok(vec![serving, "--queue".to_owned(), "next=other".to_owned()])
}

fn work(cli: &Cli, more: &[&str]) -> Result<Work> {
    let args = misbehaving()?;
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    cli.work(&[&args[..], more].concat())
}

/// Waits until so many guests run, each of which says so.
async fn begun(worker: &mut Work, guests: usize) -> Result<()> {
    for _ in 0..guests {
        assert_eq!(worker.event("log").await?["text"], "begun");
    }
    Ok(())
}

#[tokio::test]
async fn until_empty_does_all_jobs_and_tells_of_each() -> Result<()> {
    let cli = Cli::new().await?;
    for name in ["Ada", "Bob", "Cyd"] {
        let payload = json!({ "name": name }).to_string();
        cli.put(&payload, &["--id", name, "--retain", "1h"]).await?;
    }
    let serving = format!("q={}", guest("hello")?);
    let told = cli.all(&["work", &serving, "--until-empty"]).await?;
    assert_eq!(told[0]["event"], "ready");
    let finished: Vec<&Value> = told.iter().filter(|event| event["event"] == "finished").collect();
    assert_eq!(finished.len(), 3);
    assert!(finished.iter().all(|event| event["state"] == "completed" && event["attempt"] == 1));
    let summary = told.last().context("a summary")?;
    assert_eq!((&summary["event"], &summary["completed"]), (&json!("summary"), &json!(3)));
    assert_eq!(cli.json(&["get", "Ada"]).await?["output"], "Hello, Ada!");
    // Once more, for people, with nothing to do.
    let idle = cli.run(&["work", &serving, "--until-empty"]).await?.ended(0)?;
    assert!(idle.stdout.ends_with(" serving q\n0 completed\n"), "{}", idle.stdout);
    cli.end().await
}

#[tokio::test]
async fn jobs_die_by_name() -> Result<()> {
    let cli = Cli::new().await?;
    let deaths = [
        (json!({ "do": "panic" }), "trap:unreachable"),
        (json!({ "do": "loop" }), "timeout"),
        (json!({ "do": "memory" }), "memory"),
        (json!({ "do": "exit", "code": 3 }), "exit"),
        (json!({ "do": "unreachable" }), "trap:unreachable"),
        (json!({ "do": "stack" }), "trap:stack-overflow"),
        (json!({ "do": "reject" }), "failure"),
    ];
    for (n, (payload, _)) in deaths.iter().enumerate() {
        let id = n.to_string();
        // Long enough for what ends by itself.
        let timeout = if payload["do"] == "loop" { "1s" } else { "1m" };
        let more = ["--id", &id, "--max-attempts", "1", "--timeout", timeout];
        cli.put(&payload.to_string(), &more).await?;
    }
    let told = work(&cli, &["--until-empty"])?.ended().await?.ended(0)?.documents()?;
    assert_eq!(told.last().map(|summary| &summary["dead"]), Some(&json!(deaths.len())));
    let finished: Vec<&Value> = told.iter().filter(|event| event["event"] == "finished").collect();
    for (n, (payload, kind)) in deaths.iter().enumerate() {
        let job = cli.json(&["get", &n.to_string()]).await?;
        assert_eq!(
            (&job["state"], &job["errors"][0]["kind"]),
            (&json!("dead"), &json!(kind)),
            "{payload}"
        );
        let event = finished.iter().find(|event| event["id"] == job["id"]).context("an event")?;
        assert_eq!((&event["outcome"], &event["kind"]), (&json!("failed"), &json!(kind)));
    }
    cli.end().await
}

#[tokio::test]
async fn a_job_that_runs_at_sigterm_may_finish() -> Result<()> {
    let cli = Cli::new().await?;
    cli.put("{\"do\": \"until-asked\"}", &["--id", "slow", "--retain", "1h"]).await?;
    let mut worker = work(&cli, &["--grace", "1m"])?;
    begun(&mut worker, 1).await?;
    worker.signal("TERM").await?;
    let ended = worker.ended().await?.ended(0)?;
    let told = ended.documents()?;
    let stopping = told.iter().find(|event| event["event"] == "stopping").context("stopping")?;
    assert_eq!(stopping["running"], 1);
    let summary = told.last().context("a summary")?;
    assert_eq!((&summary["completed"], &summary["handed_back"]), (&json!(1), &json!(0)));
    assert_eq!(cli.json(&["get", "slow"]).await?["state"], "completed");
    cli.end().await
}

#[tokio::test]
async fn a_job_that_outlives_the_grace_is_handed_back() -> Result<()> {
    let cli = Cli::new().await?;
    cli.put("{\"do\": \"sleep\", \"ms\": 3600000}", &["--id", "slow", "--timeout", "2h"]).await?;
    let mut worker = work(&cli, &["--grace", "100ms"])?;
    begun(&mut worker, 1).await?;
    worker.signal("INT").await?;
    let told = worker.ended().await?.ended(0)?.documents()?;
    assert_eq!(told.last().map(|summary| &summary["handed_back"]), Some(&json!(1)));
    let job = cli.json(&["get", "slow"]).await?;
    assert_eq!((&job["state"], &job["attempts"]), (&json!("ready"), &json!(0)));
    cli.end().await
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() -> Result<()> {
    let cli = Cli::new().await?;
    cli.put("{\"do\": \"loop\"}", &["--id", "endless", "--timeout", "1h"]).await?;
    let mut worker = work(&cli, &["--grace", "1h"])?;
    begun(&mut worker, 1).await?;
    worker.signal("TERM").await?;
    worker.event("stopping").await?;
    // In the first moment a second one may be an echo of the first.
    let ended = eventually("it ends", async || {
        worker.signal("INT").await?;
        Ok(worker.child.try_wait()?)
    });
    assert_eq!(ended.await?.code(), Some(128 + 2));
    // It is as if it had been killed: the lease runs out.
    assert_eq!(cli.json(&["get", "endless"]).await?["state"], "running");
    cli.end().await
}

#[tokio::test]
async fn the_jobs_of_a_killed_worker_are_done_by_another() -> Result<()> {
    let cli = Cli::new().await?;
    // The first attempt of each hangs until it is killed.
    let ids = ["a", "b", "c"];
    for id in ids {
        cli.put("{\"do\": \"loop\"}", &["--id", id, "--timeout", "1h"]).await?;
    }
    let mut first = work(&cli, &["--concurrency", "3"])?;
    begun(&mut first, ids.len()).await?;
    first.signal("KILL").await?;
    assert_eq!(first.ended().await?.code, -1);
    // The others' attempts are to end.
    let quick = bson::doc! { "$set": { "payload": { "do": "ok" } } };
    cli.stage.jobs().update_many(bson::doc! {}, quick).await?;
    let mut second = work(&cli, &[])?;
    second.event("ready").await?;
    cli.stage.expire_leases().await?;
    let back = second.event("took-back").await?;
    assert_eq!(back["queue"], "q");
    let mut done = Vec::new();
    for _ in ids {
        let event = second.event("finished").await?;
        assert_eq!((&event["outcome"], &event["attempt"]), (&json!("completed"), &json!(2)));
        done.push(super::text(&event["id"])?.to_owned());
    }
    done.sort();
    assert_eq!(done, ids);
    second.signal("TERM").await?;
    second.ended().await?.ended(0)?;
    assert_eq!(cli.counts().await?, (0, 0, 0));
    cli.end().await
}
