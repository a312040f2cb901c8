use bson::DateTime;
use mongoqueue::{ErrorRecord, Evidence, Job, Payload, State};

use super::*;

fn job() -> Job {
    let payload = Payload::json(&serde_json::json!({ "to": "ada\u{1b}[31m" }));
    let mut job = Job::new("emails", payload.unwrap_or_else(|e| panic!("{e}")));
    (job.state, job.claim) = (State::Ready, None);
    job.created_at = DateTime::from_millis(1_800_000_000_000);
    job.due = job.created_at;
    job
}

fn error() -> ErrorRecord {
    ErrorRecord {
        attempt: 1,
        at: DateTime::from_millis(1_800_000_000_000),
        consumer: "host-1".to_owned(),
        kind: "trap:unreachable".to_owned(),
        message: "first\nsecond \u{9b}2J".to_owned(),
        code: None,
        stderr: Some("a panic".to_owned()),
        backtrace: Some("0: f\n1: g".to_owned()),
        evidence: Evidence {
            digest: Some("sha256:e3b0".to_owned()),
            version: Some("1.0\u{1b}[2J".to_owned()),
            log: Some("info: a\u{9b}\n".to_owned()),
            cpu: Some(std::time::Duration::from_millis(20)),
            memory: Some(1_114_112),
            wall: Some(std::time::Duration::from_millis(1_500)),
            worker: Some("0.1.0".to_owned()),
        },
    }
}

fn plain() -> Show {
    Show { json: false, colours: false }
}

#[test]
fn every_field_is_there_always() {
    let value = json(&job());
    for name in [
        "id",
        "queue",
        "state",
        "token",
        "priority",
        "due",
        "payload",
        "content_type",
        "headers",
        "attempt",
        "attempts",
        "max_attempts",
        "timeout_ms",
        "backoff",
        "retain_ms",
        "claim",
        "claims",
        "progress",
        "saved",
        "errors",
        "cancel_at",
        "unique_key",
        "output",
        "created_at",
        "finished_at",
    ] {
        assert!(value.get(name).is_some(), "{name} is missing");
    }
    assert_eq!(value["state"], "ready");
    assert_eq!(value["attempt"], 1);
    assert_eq!(value["created_at"], "2027-01-15T08:00:00.000Z");
    assert_eq!(value["token"], Value::Null);
}

#[test]
fn nothing_of_a_job_reaches_the_terminal_unescaped() {
    let mut job = job();
    job.state = State::Dead;
    job.errors.push(error());
    job.headers.push(("a\u{7}".to_owned(), "b\u{1b}".to_owned()));
    let now = DateTime::from_millis(1_800_000_060_000);
    let mut shown = page(plain(), &job, now);
    for (cell, _) in row(&job, now) {
        shown.push_str(&cell);
    }
    assert!(!shown.replace('\n', "").chars().any(char::is_control), "{shown}");
    assert!(shown.contains("trap:unreachable attempt 1, 1m ago on host-1\n  first\n  second"));
    assert!(shown.contains("  backtrace\n    0: f\n    1: g\n  log\n    info: a"));
    assert!(shown.contains("\n  sha256:e3b0, version 1.0\\u{1b}[2J, worker 0.1.0\n"), "{shown}");
    assert!(shown.contains("\n  took 1.5s, computed 20ms, memory 1088 KiB"), "{shown}");
}

#[test]
fn what_waits_for_its_time_is_scheduled_to_people() {
    let job = job();
    let before = DateTime::from_millis(1_799_999_940_000);
    assert_eq!(state(&job, before).0, "scheduled");
    assert_eq!(row(&job, before)[4].0, "in 1m");
    assert_eq!(state(&job, DateTime::from_millis(1_800_000_000_000)).0, "ready");
}

#[test]
fn bytes_are_shown_as_text_where_they_are() {
    let mut job = job();
    job.payload = Payload::bytes("text/plain", "one\ntwo");
    let shown = page(plain(), &job, job.created_at);
    assert!(shown.contains("payload   7 bytes, text/plain\n  one\n  two"), "{shown}");
    job.payload = Payload::bytes("image/png", vec![0xff, 0xd8]);
    assert!(page(plain(), &job, job.created_at).contains("2 bytes, image/png"));
}
