//! Pull mode: `next` that waits, and a job that nobody read.

use std::process::Stdio;

use anyhow::Result;
use mongoqueue_tests::{eventually, soon};
use serde_json::{Value, json};

use super::{Cli, ran, text};

#[tokio::test]
async fn a_next_that_waits_gets_what_is_put_meanwhile() -> Result<()> {
    let cli = Cli::new().await?;
    let mut ids = Vec::new();
    for wait in [&["--wait"][..], &["--wait", "1h"]] {
        let next = cli.command(&[&["next", "q", "--json"], wait].concat());
        let waiting = tokio::spawn(ran(next, ""));
        let id = cli.put("1", &[]).await?;
        let job = soon("next answers", waiting).await???.ended(0)?.documents()?;
        assert_eq!(job[0]["id"], id.as_str());
        ids.push(id);
    }
    assert_eq!(cli.counts().await?, (0, 2, 0));
    cli.end().await
}

#[tokio::test]
async fn a_next_gives_up_in_time() -> Result<()> {
    let cli = Cli::new().await?;
    assert_eq!(cli.kind(1, &["next", "q", "--wait", "200ms"]).await?, "empty");
    insta::assert_snapshot!(
        cli.error(1, &["next", "q"]).await?,
        @r#"error: no job of queue "q" is due"#
    );
    cli.end().await
}

/// Whoever was to read the token has gone: the job waits for no lease to end.
#[tokio::test]
async fn a_job_that_nobody_read_goes_back() -> Result<()> {
    let cli = Cli::new().await?;
    let id = cli.put("1", &["--timeout", "1h"]).await?;
    for claims in 1..=2 {
        let mut command = cli.command(&["next", "q", "--json"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut next = command.spawn()?;
        drop(next.stdout.take());
        assert!(soon("next ends", next.wait()).await??.success());
        let back = eventually("the job is back", async || {
            let job = cli.json(&["get", &id]).await?;
            Ok((job["state"] == "ready").then_some(job))
        });
        let job = back.await?;
        assert_eq!((&job["claims"], &job["attempts"]), (&json!(claims), &json!(0)));
    }
    cli.end().await
}

#[tokio::test]
async fn an_output_comes_from_an_argument_standard_input_or_a_file() -> Result<()> {
    let cli = Cli::new().await?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("output.json");
    std::fs::write(&file, "{\"from\": \"file\"}")?;
    let file = format!("@{}", file.display());
    for (argument, input, output) in [
        ("{\"from\": \"argument\"}", "", json!({ "from": "argument" })),
        ("-", "{\"from\": \"stdin\"}", json!({ "from": "stdin" })),
        (&file, "", json!({ "from": "file" })),
    ] {
        let id = cli.put("1", &["--retain", "1h"]).await?;
        let job = cli.next().await?;
        let token = text(&job["token"])?;
        let bad = ["complete", &id, "--token", token, "--output", "{"];
        assert_eq!(cli.kind(2, &bad).await?, "invalid");
        let complete = ["complete", &id, "--token", token, "--output", argument];
        cli.fed(&complete, input).await?.ended(0)?;
        let done: Value = cli.json(&["get", &id]).await?;
        assert_eq!((&done["state"], &done["output"]), (&json!("completed"), &output));
    }
    cli.end().await
}
