//! What each SDK does, case by case, on one worker.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use mongoqueue::{Job, JobId, Payload, Queue, State, Worker, WorkerOptions};
use mongoqueue_tests::{Running, Stage, eventually};
use mongoqueue_wasmtime::Grants;
use serde_json::{Value, json};

use super::Language;

const HOUR: Duration = Duration::from_secs(3_600);

/// Each as a payload; the case's name is the job's id.
fn payloads() -> Vec<Value> {
    let names = [
        "nothing",
        "retry",
        "reject",
        "release",
        "progress",
        "save",
        "put",
        "put-nowhere",
        "log",
        "remaining",
        "attempt",
    ];
    let mut payloads: Vec<Value> = names.iter().map(|name| json!({ "case": name })).collect();
    payloads.push(json!({ "case": "echo", "value": value() }));
    payloads.push(json!({ "case": "big", "text": text() }));
    payloads
}

/// Numbers beyond what a double holds, text beyond one plane, nesting, emptiness.
fn value() -> Value {
    json!({
        "int": -7, "large": 9_007_199_254_740_993_i64, "largest": i64::MAX, "float": 1.5,
        "text": "Zoë 🎈 \u{0}\"\\", "none": null, "list": [[], {}, true], "": "an empty key",
    })
}

/// 300 KiB that are no palindrome.
fn text() -> String {
    "0123456789".repeat(30 * 1024)
}

pub(super) async fn all(language: Language, component: &Path) -> Result<()> {
    let stage = Stage::new().await?;
    let (queue, next) = (stage.queue()?, stage.mq.queue("next")?);
    let lines = Arc::new(Mutex::new(Vec::new()));
    let heard = lines.clone();
    let grants = Grants::default().queue("next", next.clone());
    let handler =
        super::load(component.to_owned(), grants).await?.with_log(Arc::new(move |line| {
            if let Ok(mut lines) = heard.lock() {
                lines.push(line.text.to_string());
            }
        }));
    for payload in payloads() {
        let id: JobId = payload["case"].as_str().context("a name")?.parse()?;
        queue.put(payload).id(id).header("from", "conformance").retain(HOUR).await?;
    }
    let throws = queue.put(json!({ "case": "throw" })).id("throw".parse()?);
    throws.max_attempts(1).await?;
    let every: Vec<u8> = (0..=255).collect();
    let bytes = Payload::bytes("application/octet-stream", every.clone());
    queue.put(bytes).id("bytes".parse()?).retain(HOUR).await?;
    queue.put(json!({ "case": "cancelled" })).id("cancelled".parse()?).retain(HOUR).await?;

    // A short lease, so that the worker soon hears of a job that is to stop.
    let options = WorkerOptions { slots: 4, lease: Duration::from_secs(3), ..Default::default() };
    let running = Running::start(Worker::new(&stage.mq, options).serve(queue.clone(), handler));
    eventually("it runs", async || {
        let job = queue.get(&"cancelled".parse()?).await?;
        Ok((job.state == State::Running).then_some(()))
    })
    .await?;
    queue.cancel(&"cancelled".parse()?).await?;
    let jobs = Jobs { queue };
    let cancelled = jobs.ended("cancelled").await?;
    assert_eq!(output(&cancelled)?, json!({ "cancelled": true }));

    values(&jobs, &every).await?;
    failures(&jobs, language).await?;
    puts(&jobs, &next).await?;
    jobs.ended("log").await?;
    let lines = lines.lock().map_err(|e| anyhow::anyhow!("{e}"))?.clone();
    for line in ["one", "two", "three"] {
        ensure!(lines.iter().any(|it| it == line), "no line {line}: {lines:?}");
    }
    running.stop().await?;
    stage.end().await
}

struct Jobs {
    queue: Queue,
}

impl Jobs {
    /// The job, when it is completed or dead; one that came to another end never will be.
    async fn ended(&self, id: &str) -> Result<Job> {
        let id: JobId = id.parse()?;
        eventually(&format!("{id} ends"), async || {
            let job = self.queue.get(&id).await?;
            ensure!(job.state != State::Cancelled, "{job:?}");
            let over = matches!(job.state, State::Completed | State::Dead);
            Ok(over.then_some(job))
        })
        .await
    }

    async fn output(&self, id: &str) -> Result<Value> {
        output(&self.ended(id).await?)
    }
}

fn output(job: &Job) -> Result<Value> {
    let output = job.output.as_ref().with_context(|| format!("no output: {job:?}"))?;
    Ok(output.deserialize()?)
}

/// What goes in comes out.
async fn values(jobs: &Jobs, every: &[u8]) -> Result<()> {
    assert_eq!(jobs.output("echo").await?, value());
    let nothing = jobs.ended("nothing").await?;
    assert_eq!((nothing.state, nothing.output), (State::Completed, None));
    let bytes = jobs.ended("bytes").await?.output.context("no output")?;
    assert_eq!(bytes.to_wire(), ("application/octet-stream".into(), every.to_vec()));
    let reversed: String = text().chars().rev().collect();
    assert_eq!(jobs.output("big").await?, json!(reversed));
    let remaining = jobs.output("remaining").await?.as_u64().context("a number")?;
    // The time-out of an attempt, unless it is told otherwise.
    ensure!((1..=300_000).contains(&remaining), "{remaining} ms");
    let attempt = jobs.output("attempt").await?;
    let year = attempt["year"].as_u64().context("a year")?;
    ensure!(year >= 2026, "{attempt}");
    let expected = json!({
        "id": "attempt", "queue": "q", "attempt": 1, "max": 3, "year": year,
        "header": "conformance", "last": false,
    });
    assert_eq!(attempt, expected);
    Ok(())
}

/// Each disposition, a defect, and what survives them.
async fn failures(jobs: &Jobs, language: Language) -> Result<()> {
    let retried = jobs.ended("retry").await?;
    assert_eq!(output(&retried)?, json!({ "attempt": 2 }));
    let record = retried.errors.first().context("a record")?;
    assert_eq!((record.message.as_str(), record.code.as_deref()), ("later", Some("busy")));
    let ended = retried.finished_at.context("an end")?;
    let waited = ended.saturating_duration_since(record.at);
    ensure!(waited >= Duration::from_secs(2), "after {waited:?}");

    let rejected = jobs.ended("reject").await?;
    assert_eq!((rejected.state, rejected.attempts), (State::Dead, 1));
    let record = rejected.errors.first().context("a record")?;
    assert_eq!((record.message.as_str(), record.code.as_deref()), ("never", Some("bad-input")));

    let released = jobs.ended("release").await?;
    assert_eq!(output(&released)?, json!({ "saved": { "released": true } }));
    assert_eq!((released.attempts, released.claims, released.errors.len()), (0, 2, 0));

    let thrown = jobs.ended("throw").await?;
    let record = thrown.errors.first().context("a record")?;
    assert_eq!(record.kind, language.dies_of);
    let shown = [&record.message, record.stderr.as_deref().unwrap_or_default()].concat();
    ensure!(shown.contains(language.thrown), "{record:?}");
    // Where it was thrown.
    let trace = [record.stderr.as_deref(), record.backtrace.as_deref()];
    ensure!(trace.iter().flatten().any(|it| it.contains("inner")), "{record:?}");

    let reported = jobs.ended("progress").await?;
    let progress = reported.progress.context("progress")?;
    assert_eq!((progress.count, progress.total), (3, Some(10)));
    assert_eq!(progress.note.as_deref(), Some("third"));
    assert_eq!(reported.attempts, 3);

    assert_eq!(jobs.output("save").await?, json!({ "page": 7 }));
    Ok(())
}

async fn puts(jobs: &Jobs, next: &Queue) -> Result<()> {
    let put = jobs.output("put").await?;
    assert_eq!((&put["ready"], &put["status"]), (&json!(4), &json!("ready")));
    let one = next.get(&put["one"].as_str().context("an id")?.parse()?).await?;
    assert_eq!((one.priority, one.max_attempts), (5, 9));
    assert_eq!(one.headers, [("from".to_owned(), "conformance".to_owned())]);
    assert_eq!(one.payload.deserialize::<Value>()?, json!({ "n": 1 }));
    let many = put["many"].as_array().context("ids")?;
    for (id, n) in many.iter().zip(2..) {
        let job = next.get(&id.as_str().context("an id")?.parse()?).await?;
        assert_eq!(job.payload.deserialize::<Value>()?, json!({ "n": n }));
    }
    assert_eq!(many.len(), 3);

    let nowhere = jobs.ended("put-nowhere").await?;
    let record = nowhere.errors.first().context("a record")?;
    assert_eq!(record.code.as_deref(), Some("access-denied"), "{record:?}");
    Ok(())
}
