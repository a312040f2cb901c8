//! Too much of what is fine in small amounts: it ends, and it stays in bounds.

use std::time::Duration;

use anyhow::{Context, Result};
use mongoqueue::{Outcome, State};
use mongoqueue_tests::Stage;
use mongoqueue_wasmtime::{Level, Source};
use serde_json::json;

use super::{HOUR, Lines, end_of, misbehave, work};

/// What [`mongoqueue_wasmtime::Limits`] allows by default.
const LOG_LINES: usize = 1_000;
const LOG_BYTES: usize = 64 << 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_words_is_cut_and_its_job_completes() -> Result<()> {
    let stage = Stage::new().await?;
    let handler = misbehave(&stage)?;
    for (flood, source, lines) in [
        (json!({"do": "log-flood"}), Source::Log, 60..=LOG_LINES),
        (
            json!({"do": "log-flood", "lines": 3_000, "bytes": 3}),
            Source::Log,
            LOG_LINES..=LOG_LINES,
        ),
        (json!({"do": "stdout-flood"}), Source::Stdout, 60..=LOG_LINES),
        (json!({"do": "stderr-flood"}), Source::Stderr, 60..=LOG_LINES),
    ] {
        let said = Lines::default();
        let id = stage.queue()?.put(flood.clone()).max_attempts(1).await?.id;
        let events = work(&stage, handler.clone().with_log(said.sink())).await?;
        let (outcome, _) = end_of(&events, &id)?;
        assert!(matches!(*outcome, Outcome::Completed(_)), "{flood}: {outcome:?}");

        let kept = said.of(source);
        assert!(lines.contains(&kept.len()), "{flood}: {} lines", kept.len());
        let bytes: usize = kept.iter().map(|line| line.len() + 1).sum();
        assert!(bytes <= LOG_BYTES, "{flood}: {bytes} bytes");
        let dropped = "the limit of this attempt's log is reached: further lines are dropped";
        assert_eq!(said.of(Source::Host), [dropped], "{flood}");
        assert_eq!(said.all().len(), kept.len() + 1, "{flood}");
    }
    stage.end().await
}

#[tokio::test]
async fn a_line_tells_who_said_it_about_which_job() -> Result<()> {
    let stage = Stage::new().await?;
    let id = stage.queue()?.put(json!({"do": "log-flood", "lines": 2, "bytes": 1})).await?.id;
    let panics = stage.queue()?.put(json!({"do": "panic"})).max_attempts(1).await?.id;
    let said = Lines::default();
    work(&stage, misbehave(&stage)?.with_log(said.sink())).await?;
    for line in said.all().iter() {
        assert_eq!(line.guest, "misbehave");
        let (job, source, level) = match line.text.ends_with(" x") {
            true => (&id, Source::Log, Level::Info),
            false => (&panics, Source::Stderr, Level::Warn),
        };
        assert_eq!((line.job.as_ref(), line.source, line.level), (Some(job), source, level));
    }
    assert_eq!(said.of(Source::Log), ["0 x", "1 x"]);
    let panic = said.of(Source::Stderr);
    assert!(panic.iter().any(|line| line == "panicking, as asked"), "{panic:?}");
    stage.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_calls_ends_with_its_time() -> Result<()> {
    let stage = Stage::new().await?;
    let queue = stage.queue()?;
    // Long enough for some of its reports to arrive.
    let brief = Duration::from_secs(2);
    let storm = json!({"do": "progress-storm", "count": 1_000_000_000});
    let endless = queue.put(storm).max_attempts(1).timeout(brief).await?.id;
    let put = queue.put(json!({"do": "progress-storm", "count": 100})).retain(HOUR);
    let bounded = put.await?.id;
    let put = queue.put(json!({"do": "heartbeat-storm", "ms": 1_000})).retain(HOUR);
    let heartbeats = put.await?.id;
    work(&stage, misbehave(&stage)?).await?;

    let job = queue.get(&endless).await?;
    assert_eq!(job.last_error().context("no record")?.kind, "timeout");
    // What it had reported stays.
    assert!(job.progress.is_some_and(|progress| progress.total == Some(1_000_000_000)));
    let job = queue.get(&bounded).await?;
    assert_eq!(job.state, State::Completed);
    assert_eq!(job.progress.map(|it| (it.count, it.total)), Some((100, Some(100))));
    let output = queue.get(&heartbeats).await?.output.context("no output")?.to_json();
    assert!(output["sent"].as_u64() > Some(0), "{output}");
    stage.end().await
}

#[tokio::test]
async fn long_texts_are_cut() -> Result<()> {
    let stage = Stage::new().await?;
    let queue = stage.queue()?;
    let put = queue.put(json!({"do": "progress-big", "bytes": 100_000})).retain(HOUR);
    let note = put.await?.id;
    let message = queue.put(json!({"do": "long-message"})).max_attempts(1).await?.id;
    let code = json!({"do": "fail-code", "code": "c".repeat(10_000)});
    let code = queue.put(code).max_attempts(1).await?.id;
    work(&stage, misbehave(&stage)?).await?;
    let progress = queue.get(&note).await?.progress.context("no progress")?;
    assert_eq!(progress.note.map(|note| note.len()), Some(1 << 10));
    let cut = |bytes: usize, letter: &str| format!("{}…", letter.repeat(bytes));
    let job = queue.get(&message).await?;
    assert_eq!(job.last_error().map(|it| it.message.clone()), Some(cut(4 << 10, "x")));
    let job = queue.get(&code).await?;
    assert_eq!(job.last_error().and_then(|it| it.code.clone()), Some(cut(100, "c")));
    stage.end().await
}
