//! `put` of files, standard input and many lines.

use std::process::Stdio;

use anyhow::{Context, Result};
use mongoqueue_tests::{eventually, soon};
use serde_json::Value;
use tokio::io::AsyncWriteExt;

use super::{Cli, signal};

async fn payloads(cli: &Cli) -> Result<Vec<Value>> {
    let jobs = cli.all(&["list", "q", "--limit", "5000"]).await?;
    Ok(jobs.into_iter().map(|mut job| job["payload"].take()).collect())
}

#[tokio::test]
async fn every_line_of_a_file_is_a_job() -> Result<()> {
    let cli = Cli::new().await?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("jobs");
    // More than the batches that they are put in.
    let lines: String = (0..2_500).map(|n| format!("{{\"n\": {n}}}\n")).collect();
    std::fs::write(&file, lines)?;
    let file = format!("@{}", file.display());
    let put = cli.all(&["put", "q", &file, "--lines"]).await?;
    let numbers: Vec<_> = put.iter().filter_map(|receipt| receipt["line"].as_u64()).collect();
    assert_eq!(numbers, (1..=2_500).collect::<Vec<_>>());
    let stored = payloads(&cli).await?;
    assert_eq!(stored.len(), 2_500);
    assert!(stored.iter().enumerate().all(|(n, payload)| payload["n"] == n));
    cli.end().await
}

#[tokio::test]
async fn bad_lines_are_named_and_the_others_are_put() -> Result<()> {
    let cli = Cli::new().await?;
    let input = "{\"a\": 1}\n\n[3,\n4\nnope\n  5  \r\n";
    let ran = cli.fed(&["put", "q", "-", "--lines"], input).await?.ended(2)?;
    assert_eq!(ran.stdout, "");
    insta::assert_snapshot!(ran.stderr, @"
    error: line 3: invalid payload: EOF while parsing a value at column 3
    error: line 5: invalid payload: expected ident at column 2
    error: 2 bad lines left out, as named above; put on q: 3 jobs
    ");
    assert_eq!(payloads(&cli).await?, [serde_json::json!({ "a": 1 }), 4.into(), 5.into()]);
    cli.end().await
}

#[tokio::test]
async fn programs_are_told_of_each_line() -> Result<()> {
    let cli = Cli::new().await?;
    let ran = cli.fed(&["put", "q", "-", "--lines", "--json"], "1\n{\n3\n").await?.ended(2)?;
    let receipts = ran.documents()?;
    let lines: Vec<&Value> = receipts.iter().map(|receipt| &receipt["line"]).collect();
    assert_eq!(lines, [1, 3]);
    let errors: Vec<Value> =
        ran.stderr.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    assert_eq!(errors.len(), 2);
    assert_eq!(
        (&errors[0]["error"]["kind"], &errors[0]["error"]["line"]),
        (&"invalid".into(), &2.into())
    );
    assert_eq!(errors[1]["error"]["kind"], "bad-lines");
    assert_eq!(
        (&errors[1]["error"]["put"], &errors[1]["error"]["bad_lines"]),
        (&2.into(), &1.into())
    );
    cli.end().await
}

#[tokio::test]
async fn a_line_that_is_too_large_is_a_bad_line() -> Result<()> {
    let cli = Cli::new().await?;
    let input = format!("1\n\"{}\"\n3\n", "x".repeat((1 << 20) + 1));
    let ran = cli.fed(&["put", "q", "-", "--lines"], &input).await?.ended(2)?;
    insta::assert_snapshot!(ran.stderr, @"
    error: line 2: payload too large: 1048577 bytes, the limit is 1048576
    A larger --payload-limit lets it through, up to 15MiB.
    error: 1 bad line left out, as named above; put on q: 2 jobs
    ");
    assert_eq!(payloads(&cli).await?, [1, 3]);
    cli.end().await
}

#[tokio::test]
async fn options_count_for_every_line() -> Result<()> {
    let cli = Cli::new().await?;
    let args = ["put", "q", "-", "--lines", "--priority", "4", "--delay", "1h", "--header", "a=b"];
    cli.fed(&args, "1\n2\n").await?.ended(0)?;
    let jobs = cli.all(&["list", "q"]).await?;
    assert_eq!(jobs.len(), 2);
    assert!(jobs.iter().all(|job| job["priority"] == 4 && job["headers"]["a"] == "b"));
    assert_eq!(cli.json(&["stats", "q"]).await?["scheduled"], 2);
    let no = cli.error(2, &["put", "q", "-", "--lines", "--id", "one"]).await?;
    assert!(no.contains("the argument '--lines' cannot be used with '--id <ID>'"), "{no}");
    cli.end().await
}

#[tokio::test]
async fn an_interrupted_put_says_how_far_it_was() -> Result<()> {
    let cli = Cli::new().await?;
    let mut command = cli.command(&["put", "q", "-", "--lines", "--json"]);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut put = command.spawn()?;
    let mut stdin = put.stdin.take().context("its stdin is a pipe")?;
    stdin.write_all(b"1\n{\n2\n").await?;
    let both = async || Ok((cli.stage.queue()?.stats().await?.ready == 2).then_some(()));
    eventually("both are put", both).await?;
    // Its input has not ended.
    signal(&put, "INT").await?;
    let output = soon("the command ends", put.wait_with_output()).await??;
    drop(stdin);
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr)?;
    let told: Value = serde_json::from_str(stderr.lines().last().context("nothing was said")?)?;
    let error = &told["error"];
    assert_eq!((&error["kind"], &error["put"]), (&"interrupted".into(), &2.into()));
    assert_eq!(error["bad_lines"], 1);
    cli.end().await
}

#[tokio::test]
async fn a_payload_comes_from_standard_input_or_a_file() -> Result<()> {
    let cli = Cli::new().await?;
    cli.fed(&["put", "q", "-"], "{\"from\":\n \"stdin\"}\n").await?.ended(0)?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("payload.json");
    std::fs::write(&file, "{\"from\": \"file\"}")?;
    cli.put(&format!("@{}", file.display()), &[]).await?;
    let raw = ["put", "q", "-", "--content-type", "text/plain"];
    cli.fed(&raw, "not JSON").await?.ended(0)?;
    let stored = cli.all(&["list", "q"]).await?;
    assert_eq!(stored[0]["payload"]["from"], "stdin");
    assert_eq!(stored[1]["payload"]["from"], "file");
    assert_eq!(stored[2]["content_type"], "text/plain");
    cli.end().await
}
