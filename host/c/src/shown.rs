//! Answers as JSON.

use queue::{Job, Receipt, Stats, Summary};
use serde_json::{Map, Value, json};

use crate::code::Trouble;

/// The fields that a program needs to work on a job, or to see what became of it.
pub(crate) fn job(job: &Job) -> Value {
    let headers: Map<String, Value> =
        job.headers.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
    json!({
        "id": job.id.to_string(),
        "queue": job.queue,
        "state": job.state.name(),
        "payload": job.payload.to_json(),
        "content_type": job.payload.content_type(),
        "headers": headers,
        "attempt": job.attempt(),
        "max_attempts": job.max_attempts,
        "output": job.output.as_ref().map(|output| output.to_json()),
        "error": job.last_error().map(|error| json!({
            "kind": error.kind,
            "code": error.code,
            "message": error.message,
        })),
    })
}

pub(crate) fn receipt(receipt: &Receipt) -> Value {
    json!({ "id": receipt.id.to_string(), "created": receipt.created })
}

/// One of many that was not put.
pub(crate) fn trouble(trouble: &Trouble) -> Value {
    json!({ "code": trouble.code as i32, "error": trouble.message })
}

pub(crate) fn stats(stats: &Stats) -> Value {
    json!({
        "scheduled": stats.scheduled,
        "ready": stats.ready,
        "running": stats.running,
        "completed": stats.completed,
        "dead": stats.dead,
        "cancelled": stats.cancelled,
    })
}

pub(crate) fn summary(summary: &Summary) -> Value {
    json!({
        "completed": summary.completed,
        "failed": summary.failed,
        "dead": summary.dead,
        "released": summary.released,
        "handed_back": summary.handed_back,
        "lost": summary.lost,
        "unknown": summary.unknown,
    })
}
