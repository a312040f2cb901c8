//! A job as JSON (always the same fields, in the order of the document; docs/cli.md has them), as
//! a row of a list, and as a page of its own.

use bson::DateTime;
use mongoqueue::{ErrorRecord, Job, Payload, Progress, State};
use serde_json::{Map, Value, json};

use super::time::{relative, rfc3339, rfc3339_or_null};
use super::{Show, Tone, escape};

mod page;

pub(crate) use page::page;

/// As much of a payload as fits beside the other columns of a list.
const PREVIEW: usize = 60;

/// The job for programs. A field that has no value is `null`, none is ever left out.
pub(crate) fn json(job: &Job) -> Value {
    let headers: Map<String, Value> =
        job.headers.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
    json!({
        "id": job.id.to_string(),
        "queue": job.queue,
        "state": job.state.name(),
        "token": job.claim.as_ref().map(|claim| claim.token.to_string()),
        "priority": job.priority,
        "due": rfc3339(job.due),
        "payload": job.payload.to_json(),
        "content_type": job.payload.content_type(),
        "headers": headers,
        "attempt": job.attempt(),
        "attempts": job.attempts,
        "max_attempts": job.max_attempts,
        "timeout_ms": millis(job.timeout),
        "backoff": { "first_ms": millis(job.backoff.first), "max_ms": millis(job.backoff.max) },
        "retain_ms": job.retain.map(millis),
        "claim": job.claim.as_ref().map(|claim| json!({
            "token": claim.token.to_string(),
            "consumer": claim.consumer,
            "at": rfc3339(claim.at),
        })),
        "claims": job.claims,
        "progress": job.progress.as_ref().map(progress),
        "saved": job.saved.as_ref().map(Payload::to_json),
        "saved_type": job.saved.as_ref().map(Payload::content_type),
        "errors": job.errors.iter().map(error).collect::<Vec<_>>(),
        "cancel_at": rfc3339_or_null(job.cancel_at),
        "unique_key": job.unique_key,
        "output": job.output.as_ref().map(Payload::to_json),
        "output_type": job.output.as_ref().map(Payload::content_type),
        "created_at": rfc3339(job.created_at),
        "finished_at": rfc3339_or_null(job.finished_at),
    })
}

pub(crate) fn progress(progress: &Progress) -> Value {
    json!({ "count": progress.count, "total": progress.total, "note": progress.note })
}

fn error(error: &ErrorRecord) -> Value {
    json!({
        "attempt": error.attempt,
        "at": rfc3339(error.at),
        "consumer": error.consumer,
        "kind": error.kind,
        "message": error.message,
        "code": error.code,
        "stderr": error.stderr,
        "backtrace": error.backtrace,
        "log": error.evidence.log,
        "digest": error.evidence.digest,
        "version": error.evidence.version,
        "cpu_ms": error.evidence.cpu.map(millis),
        "memory_bytes": error.evidence.memory,
        "wall_ms": error.evidence.wall.map(millis),
        "worker": error.evidence.worker,
    })
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The state for people, who are told apart what waits for its time and what could run.
pub(crate) fn state(job: &Job, now: DateTime) -> (&'static str, Tone) {
    match job.state {
        State::Ready if job.due > now => ("scheduled", Tone::Faint),
        state => (state.name(), tone(state)),
    }
}

pub(crate) fn tone(state: State) -> Tone {
    match state {
        State::Ready => Tone::Plain,
        State::Running => Tone::Busy,
        State::Completed => Tone::Good,
        State::Dead => Tone::Bad,
        State::Cancelled => Tone::Faint,
    }
}

/// The header that [`row`] fits under.
pub(crate) const HEADER: [&str; 6] = ["id", "queue", "state", "attempts#", "when", "what"];

/// One job in a list.
pub(crate) fn row(job: &Job, now: DateTime) -> Vec<(String, Tone)> {
    let (state, tone) = state(job, now);
    let (what, what_tone) = match job.last_error() {
        Some(error) => (format!("{}: {}", error.kind, error.message), Tone::Bad),
        None => (preview(&job.payload), Tone::Faint),
    };
    vec![
        (escape::line(&job.id.to_string()).into_owned(), Tone::Plain),
        (escape::cut(&job.queue, 30), Tone::Plain),
        (state.to_owned(), tone),
        (format!("{}/{}", job.attempts, job.max_attempts), Tone::Plain),
        (when(job, now), Tone::Plain),
        (escape::cut(&what, PREVIEW), what_tone),
    ]
}

/// The time that matters in the state that the job is in.
fn when(job: &Job, now: DateTime) -> String {
    let at = match job.state {
        State::Ready if job.due > now => job.due,
        State::Ready => job.created_at,
        State::Running => job.claim.as_ref().map_or(job.due, |claim| claim.at),
        _ => job.finished_at.unwrap_or(job.created_at),
    };
    relative(at, now)
}

/// The beginning of a payload.
pub(crate) fn preview(payload: &Payload) -> String {
    match payload {
        Payload::Bson(_) => escape::cut(&payload.to_json().to_string(), PREVIEW),
        Payload::Bytes { content_type, data } => {
            escape::cut(&format!("{} bytes of {content_type}", data.len()), PREVIEW)
        }
    }
}

/// How far the work is, in one line.
pub(crate) fn progress_line(progress: &Progress) -> String {
    let count = match progress.total {
        Some(total) => format!("{} of {total}", progress.count),
        None => progress.count.to_string(),
    };
    match &progress.note {
        Some(note) => format!("{count}, {}", escape::cut(note, 200)),
        None => count,
    }
}

/// A list of jobs for people, or one document a line for programs.
pub(crate) fn list(show: Show, jobs: &[Job], now: DateTime) -> crate::trouble::Result<()> {
    if show.json {
        return jobs.iter().try_for_each(|job| show.line(&escape::json(&json(job))));
    }
    let mut table = show.table(&HEADER);
    jobs.iter().for_each(|job| table.row(row(job, now)));
    show.line(&table.render())
}

#[cfg(test)]
mod tests;
