//! What is on the record of an attempt beside its words: what ran, and what it used up.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bson::doc;
use mongoqueue::{Evidence, Job};
use mongoqueue_tests::{Stage, built};
use mongoqueue_wasmtime::{ComponentHandler, ComponentSource, Digest, Grants};
use serde_json::{Value, json};

use super::{misbehave, sandbox, versioned, work};

const MIB: u64 = 1 << 20;

/// What a guest that never ends has: enough to begin with its work on a busy machine.
const TIME: Duration = Duration::from_secs(3);

/// The only record of a job that died in its only attempt.
fn evidence(dead: &Job) -> Result<&Evidence> {
    Ok(&dead.last_error().context("no record")?.evidence)
}

async fn died(stage: &Stage, jobs: &[Value]) -> Result<Vec<Job>> {
    let queue = stage.queue()?;
    let mut ids = Vec::new();
    for job in jobs {
        let time = if job["do"] == "panic" { 10 * TIME } else { TIME };
        ids.push(queue.put(job.clone()).max_attempts(1).timeout(time).await?.id);
    }
    work(stage, misbehave(stage)?).await?;
    let mut dead = Vec::new();
    for id in ids {
        dead.push(queue.get(&id).await?);
    }
    Ok(dead)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_death_is_on_record_with_what_ran_and_what_it_used() -> Result<()> {
    let stage = Stage::new().await?;
    let (computing, waiting) = (json!({ "do": "loop" }), json!({ "do": "sleep", "ms": 60_000 }));
    let dead = died(&stage, &[json!({ "do": "panic" }), computing, waiting]).await?;
    let digest = Digest::of(&fs::read(built::guest("misbehave")?)?).to_string();
    for job in &dead {
        let evidence = evidence(job)?;
        assert_eq!(evidence.digest.as_ref(), Some(&digest));
        assert_eq!(evidence.worker.as_deref(), Some(env!("CARGO_PKG_VERSION")));
        assert_eq!(evidence.version, None);
        let memory = evidence.memory.context("no memory")?;
        ensure!(memory > 64 << 10 && memory < 64 * MIB, "{memory} bytes");
    }
    let [panic, computing, waiting] = dead.as_slice() else { anyhow::bail!("three jobs") };
    // What was written to stderr has a place of its own.
    assert_eq!(evidence(panic)?.log, None);
    let (computing, waiting) = (evidence(computing)?, evidence(waiting)?);
    for it in [computing, waiting] {
        assert_eq!(it.log.as_deref(), Some("debug: begun\n"));
        // The deadline counts from a moment before the work does.
        assert!(it.wall > Some(TIME / 2), "{it:?}");
    }
    // Waiting is free.
    assert!(computing.cpu > Some(Duration::ZERO), "{computing:?}");
    assert!(waiting.cpu < waiting.wall, "{waiting:?}");
    stage.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_most_memory_and_the_last_lines_of_the_log_are_kept() -> Result<()> {
    let stage = Stage::new().await?;
    let flood = json!({ "do": "log-flood", "lines": 1_000_000_000, "bytes": 40 });
    let printing = json!({ "do": "stdout-flood", "bytes": u32::MAX });
    let queue = stage.queue()?;
    let greedy = queue.put(json!({ "do": "memory" })).max_attempts(1).await?.id;
    let dead = died(&stage, &[flood, printing]).await?;
    for job in &dead {
        let log = evidence(job)?.log.clone().context("no log")?;
        // In the limit of 4 KiB, with a line for what is missing; and each line is whole.
        ensure!(log.len() > 3 << 10 && log.len() < (4 << 10) + 64, "{} bytes", log.len());
        let (missing, lines) = log.split_once('\n').context("lines")?;
        ensure!(missing.starts_with('[') && missing.ends_with(" lines before this]"), "{missing}");
        ensure!(lines.lines().all(|line| line.starts_with("info: ")), "{lines}");
    }
    let greedy = queue.get(&greedy).await?;
    let memory = evidence(&greedy)?.memory.context("no memory")?;
    ensure!(memory > 60 * MIB && memory <= 64 * MIB, "{memory} bytes");
    stage.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_version_of_a_component_is_on_record() -> Result<()> {
    let stage = Stage::new().await?;
    let bytes = versioned("misbehave", "1.2.3-\u{1b}[2J")?;
    let source = ComponentSource::bytes("misbehave", bytes);
    let grants = Grants::default().queue("next", stage.mq.queue("next")?);
    let handler = ComponentHandler::load(sandbox()?, source, grants)?;
    assert_eq!(handler.version(), Some("1.2.3-\u{1b}[2J"));
    let queue = stage.queue()?;
    let id = queue.put(json!({ "do": "fail" })).max_attempts(1).await?.id;
    work(&stage, handler).await?;
    let dead = queue.get(&id).await?;
    assert_eq!(evidence(&dead)?.version.as_deref(), Some("1.2.3-\u{1b}[2J"));
    stage.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_from_before_are_read_and_grouped_with_those_of_today() -> Result<()> {
    let stage = Stage::new().await?;
    let dead = died(&stage, &[json!({ "do": "panic" }), json!({ "do": "panic" })]).await?;
    let [old, _] = dead.as_slice() else { anyhow::bail!("two jobs") };
    let fields =
        ["digest", "version", "log", "cpu_ms", "memory_bytes", "wall_ms", "worker"].into_iter();
    let unset = fields.map(|field| (format!("errors.0.{field}"), "".into()));
    let filter = doc! { "_id": stage.document(old).await?.get("_id").cloned() };
    let update = doc! { "$unset": unset.collect::<bson::Document>() };
    let changed = stage.jobs().update_one(filter, update).await?;
    assert_eq!(changed.modified_count, 1);
    let old = stage.queue()?.get(&old.id).await?;
    assert_eq!(evidence(&old)?, &Evidence::default());
    assert_eq!(old.last_error().map(|it| it.kind.as_str()), Some("trap:unreachable"));
    let groups = stage.queue()?.deaths(10).await?;
    assert_eq!(groups.iter().map(|group| group.jobs).collect::<Vec<_>>(), [2]);
    stage.end().await
}

#[tokio::test]
async fn the_server_refuses_what_is_no_record() -> Result<()> {
    let stage = Stage::new().await?;
    let id = stage.queue()?.put(json!({})).await?.id;
    let job = stage.queue()?.get(&id).await?;
    let filter = doc! { "_id": stage.document(&job).await?.get("_id").cloned() };
    for (field, junk) in [("digest", bson::bson!(1)), ("cpu_ms", bson::bson!("1s"))] {
        let update = doc! { "$set": { "errors": [{ field: junk }] } };
        let error = stage.jobs().update_one(filter.clone(), update).await.map(drop);
        let words = error.err().context("it was accepted")?.to_string();
        ensure!(words.contains("Document failed validation"), "{words}");
    }
    stage.end().await
}
