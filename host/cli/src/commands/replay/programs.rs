//! A replay as JSON; docs/cli.md has the fields.

use mongoqueue::{Disposition, Failure, Job, Outcome, Payload};
use mongoqueue_wasmtime::{HostCall, WouldPut};
use serde_json::{Map, Value, json};

use super::Told;
use super::files::Asked;
use super::record::digest;
use crate::show::job::progress;
use crate::show::time::rfc3339_or_null;

pub(super) fn json(told: &Told, job: &Job) -> Value {
    let (record, replayed) = (&told.record, &told.replayed);
    let (outcome, output, failure, delay) = match &replayed.outcome {
        Outcome::Completed(output) => ("completed", output.as_ref(), None, None),
        Outcome::Failed(failure) => ("failed", None, Some(failure), None),
        Outcome::Released { delay } => ("released", None, None, Some(*delay)),
        Outcome::HandedBack => ("handed-back", None, None, None),
    };
    let compared = failure.and_then(|failure| record.compare(failure));
    let recorded = record.error.as_ref().map(|error| {
        json!({
            "kind": error.kind, "message": error.message, "code": error.code,
            "stderr": error.stderr, "backtrace": error.backtrace,
        })
    });
    let log = told.log.iter().map(|said| json!({ "level": said.level, "text": said.text }));
    let calls = || replayed.calls.iter().map(call).collect::<Vec<_>>();
    let files = &told.files;
    json!({
        "id": job.id.to_string(),
        "queue": job.queue,
        "attempt": record.attempt,
        "max_attempts": job.max_attempts,
        "timeout_ms": millis(job.timeout),
        "handler": {
            "name": told.handler.name(),
            "digest": digest(&told.handler),
            "recorded": record.digest(),
            "same": record.same_handler(&told.handler),
        },
        "outcome": outcome,
        "output": output.map(Payload::to_json),
        "output_type": output.map(Payload::content_type),
        "delay_ms": delay.map(millis),
        "death": failure.map(death),
        "recorded": recorded,
        "same_death": match (&record.error, &compared) {
            (Some(_), compared) => Some(compared.as_ref().is_some_and(|it| it.same)),
            (None, _) => None,
        },
        "differs": compared.map(|it| it.differs),
        "puts": replayed.puts.iter().map(put).collect::<Vec<_>>(),
        "cancels": replayed.cancels.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "saved": replayed.saved.as_ref().map(Payload::to_json),
        "saved_type": replayed.saved.as_ref().map(Payload::content_type),
        "progress": replayed.progress.as_ref().map(progress),
        "log": log.collect::<Vec<_>>(),
        "wall_ms": replayed.wall.as_secs_f64() * 1_000.0,
        "cpu_ms": millis(replayed.cpu),
        "memory": replayed.memory,
        "trace": told.traced.then(calls),
        "trace_dropped": told.traced.then_some(replayed.calls_dropped),
        "coredump": files.coredump.as_ref().map(file),
        "profile": files.profile.as_ref().map(|profile| {
            let mut value = file(profile);
            value["samples"] = files.samples.map(|(samples, _)| samples).into();
            value["cut"] = files.samples.map(|(_, cut)| cut).into();
            value
        }),
    })
}

fn death(failure: &Failure) -> Value {
    json!({
        "kind": failure.kind,
        "message": failure.message,
        "code": failure.code,
        "rejected": failure.disposition == Disposition::Reject,
        "stderr": failure.stderr,
        "backtrace": failure.backtrace,
    })
}

fn put(put: &WouldPut) -> Value {
    let options = &put.options;
    let headers: Map<String, Value> =
        options.headers.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
    json!({
        "id": put.id.to_string(),
        "queue": put.queue,
        "payload": put.payload.to_json(),
        "content_type": put.payload.content_type(),
        "priority": options.priority,
        "delay_ms": millis(options.delay),
        "due": rfc3339_or_null(options.due),
        "headers": headers,
        "unique_key": options.unique_key,
        "max_attempts": options.max_attempts,
        "timeout_ms": options.timeout.map(millis),
    })
}

fn call(call: &HostCall) -> Value {
    json!({
        "number": call.number,
        "call": call.name,
        "arguments": call.arguments,
        "answer": call.answer,
        "at_ms": call.at.as_secs_f64() * 1_000.0,
        "took_ms": call.took.map(|took| took.as_secs_f64() * 1_000.0),
    })
}

fn file(asked: &Asked) -> Value {
    json!({
        "file": asked.path.display().to_string(),
        "bytes": asked.written.as_ref().ok(),
        "why": asked.written.as_ref().err(),
    })
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
