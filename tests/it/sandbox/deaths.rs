//! Every death by its name, from the guest through the worker into the job's record.

use std::time::Duration;

use anyhow::{Context, Result};
use mongoqueue::{Disposition, ErrorRecord, Outcome, State};
use mongoqueue_tests::Stage;
use serde_json::{Value, json};

use super::{HOUR, end_of, misbehave, work};

/// What a record shows beside its words.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Shows {
    Nothing,
    Backtrace,
    /// And what the guest wrote to stderr.
    Both,
}

use Shows::{Backtrace, Both, Nothing};

/// A misbehaviour, the kind of its death, words of the message, and what else is on record.
type Death = (Value, &'static str, &'static str, Shows);

fn traps() -> [Death; 11] {
    let (unreachable, memory) = ("trap:unreachable", "trap:memory-out-of-bounds");
    [
        (json!({"do": "panic"}), unreachable, ": panicking, as asked", Both),
        (json!({"do": "panic", "message": "no\nway"}), unreachable, ": no\nway", Both),
        (json!({"do": "out-of-bounds"}), unreachable, "index out of bounds: the len", Both),
        (json!({"do": "div-zero"}), unreachable, "attempt to divide by zero", Both),
        (json!({"do": "abort"}), unreachable, "it aborted", Backtrace),
        (json!({"do": "unreachable"}), unreachable, "it aborted", Backtrace),
        (json!({"do": "stack"}), "trap:stack-overflow", "it called itself too often", Backtrace),
        (json!({"do": "stack-in-memory"}), memory, "out of bounds memory access", Backtrace),
        (json!({"do": "wild-read"}), memory, "out of bounds memory access", Backtrace),
        (json!({"do": "wild-call"}), "trap:bad-signature", "call type mismatch", Backtrace),
        (json!({"do": "bad-utf8"}), "trap:abi", "invalid utf-8", Nothing),
    ]
}

fn other_deaths() -> [Death; 10] {
    [
        (json!({"do": "exit", "code": 0}), "exit", "exit(0), without an answer", Backtrace),
        (json!({"do": "exit", "code": 3}), "exit", "exit with a failing status", Backtrace),
        (json!({"do": "memory"}), "memory", "64 MiB in use, 128 KiB more wanted", Both),
        (json!({"do": "memory-big"}), "memory", "1.0 GiB more wanted, the limit is 64 MiB", Both),
        (json!({"do": "loop"}), "timeout", "its time-out of 300ms", Backtrace),
        (json!({"do": "busy", "ms": 60_000}), "timeout", "its time-out of 300ms", Backtrace),
        (json!({"do": "sleep", "ms": 60_000}), "timeout", "its time-out of 300ms", Nothing),
        (json!({"do": "big-output"}), "limit:output", "4194306 bytes, the limit is", Nothing),
        (json!({"do": "big-output", "bytes": 10 << 20}), "limit:hostcall", "8 MiB", Nothing),
        (json!({"do": "handle-flood"}), "limit:handles", "more than 1000 resources", Backtrace),
    ]
}

/// Long enough for what ends by itself.
fn time(job: &Value) -> Duration {
    match job["do"].as_str() {
        Some("loop" | "busy" | "sleep") => Duration::from_millis(300),
        _ => Duration::from_secs(30),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_death_has_its_name_and_touches_no_other_job() -> Result<()> {
    let stage = Stage::new().await?;
    let queue = stage.queue()?;
    let (mut dying, mut honest) = (Vec::new(), Vec::new());
    for (job, kind, words, shows) in traps().into_iter().chain(other_deaths()) {
        let put = queue.put(job.clone()).max_attempts(1).timeout(time(&job));
        dying.push((put.await?.id, job, (kind, words, shows)));
        let value = json!({ "neighbour": honest.len() });
        let put = queue.put(json!({ "do": "echo", "value": value })).max_attempts(1).retain(HOUR);
        honest.push((put.await?.id, value));
    }
    work(&stage, misbehave(&stage)?).await?;
    for (id, job, expected) in dying {
        let dead = queue.get(&id).await?;
        assert_eq!((dead.state, dead.attempts, dead.errors.len()), (State::Dead, 1, 1), "{job}");
        check(dead.last_error().context("no record")?, expected);
    }
    for (id, value) in honest {
        let job = queue.get(&id).await?;
        assert_eq!((job.state, job.attempts, job.errors.len()), (State::Completed, 0, 0));
        assert_eq!(job.output.context("no output")?.to_json(), value);
    }
    stage.end().await
}

fn check(record: &ErrorRecord, (kind, words, shows): (&str, &str, Shows)) {
    assert_eq!(record.kind, kind, "{record:#?}");
    assert!(record.message.contains(words), "not {words:?}: {record:#?}");
    assert_eq!((record.attempt, record.consumer.as_str()), (1, "consumer-1"));
    assert_eq!(record.code, None);
    let has =
        |text: &Option<String>, words: &str| text.as_ref().is_some_and(|text| text.contains(words));
    assert_eq!(has(&record.stderr, "`RUST_BACKTRACE=1`"), shows == Both, "{record:#?}");
    assert_eq!(record.stderr.is_some(), shows == Both, "{record:#?}");
    assert_eq!(has(&record.backtrace, "  0: "), shows != Nothing, "{record:#?}");
    // From the export down to where it died; the middle of a stack that overflowed is all alike.
    let whole = has(&record.backtrace, "handler@0.1.0#handle");
    let deep = has(&record.backtrace, "dive\n");
    assert_eq!(whole || deep, shows != Nothing, "{record:#?}");
}

/// What a guest reports, the failure's code, words of its message, and what becomes of the job.
type Report = (Value, Option<&'static str>, &'static str, Disposition);

const RETRY: Disposition = Disposition::Retry;
const LATER: Disposition = Disposition::RetryAfter(Duration::from_millis(5_000));

fn reports() -> Vec<Report> {
    let chain = "sending the mail: connecting to mail.example: no route to host";
    let big = "4194306 bytes, the limit is 1048576";
    let deep = json!({"do": "deep-output", "depth": 91});
    vec![
        (json!({"do": "fail"}), None, chain, RETRY),
        (json!({"do": "fail-code", "code": "smtp-550"}), Some("smtp-550"), chain, RETRY),
        (json!({"do": "reject"}), None, "rejected, as asked", Disposition::Reject),
        (json!({"do": "retry-after", "ms": 5_000}), None, "not now, as asked", LATER),
        (json!({"do": "flaky", "succeed_at": 2}), None, "attempt 1 is too early", RETRY),
        (json!({"do": "bad-json"}), Some("bad-output"), "EOF while parsing", RETRY),
        (json!({"do": "deep-output"}), Some("bad-output"), "recursion limit", RETRY),
        (deep, Some("bad-output"), "nested deeper than 90", Disposition::Reject),
        (json!({"do": "nul-key"}), Some("bad-output"), "interior null", RETRY),
        (raw(""), Some("bad-output"), "a content type has 1 to 255 bytes", RETRY),
        (raw(&"x".repeat(256)), Some("bad-output"), "1 to 255 bytes", RETRY),
        (json!({"do": "save-big"}), Some("limit-exceeded"), "the limit is 262144", RETRY),
        (json!({"do": "big-put", "queue": "next"}), Some("limit-exceeded"), big, RETRY),
        (json!({"do": "open", "queue": "q"}), Some("access-denied"), "grants no queue", RETRY),
        (json!({"do": "nonsense"}), Some("bad-payload"), "`nonsense`", Disposition::Reject),
        (json!({"do": "ok", "x": 1}), Some("bad-payload"), "field `x`", Disposition::Reject),
        (json!(7), Some("bad-payload"), "integer `7`", Disposition::Reject),
        (json!(null), Some("bad-payload"), "null", Disposition::Reject),
    ]
}

fn raw(content_type: &str) -> Value {
    json!({"do": "raw", "content_type": content_type, "text": "x"})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_guest_reports_is_its_failure() -> Result<()> {
    let stage = Stage::new().await?;
    let queue = stage.queue()?;
    let mut put = Vec::new();
    for (job, code, words, disposition) in reports() {
        let id = queue.put(job.clone()).max_attempts(1).await?.id;
        put.push((id, job, code, words, disposition));
    }
    let events = work(&stage, misbehave(&stage)?).await?;
    for (id, job, code, words, disposition) in put {
        let (outcome, state) = end_of(&events, &id)?;
        let Outcome::Failed(failure) = &*outcome else { anyhow::bail!("{job}: {outcome:?}") };
        assert_eq!(failure.kind, "failure", "{job}");
        assert_eq!((failure.disposition, state), (disposition, Some(State::Dead)), "{job}");
        let dead = queue.get(&id).await?;
        let record = dead.last_error().context("no record")?;
        assert_eq!((record.kind.as_str(), record.code.as_deref()), ("failure", code), "{job}");
        assert!(record.message.contains(words), "{job}: {}", record.message);
        assert_eq!((&record.stderr, &record.backtrace), (&None, &None), "{job}");
    }
    stage.end().await
}
