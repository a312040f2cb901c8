//! Between the WIT's records and the library's types. Everything that a guest gives is bounded
//! here, before it is parsed, kept or waited for.

use std::time::Duration;

use bson::DateTime;
use mongoqueue::{Job, Payload, Progress, State};

use super::error::{GuestError, tell};
use crate::bindings::{queue, types};

/// A note is for people, in one line; what is longer is cut.
const NOTE_BYTES: usize = 1 << 10;

pub(super) fn payload_from_guest(
    payload: types::Payload,
    limit: usize,
) -> Result<Payload, GuestError> {
    let types::Payload { content_type, data } = payload;
    if data.len() > limit {
        let why = format!("{} bytes, the limit is {limit}", data.len());
        return Err(types::Error::LimitExceeded(why).into());
    }
    check_content_type(&content_type)
        .map_err(|why| types::Error::InvalidArgument(why.to_owned()))?;
    Payload::from_wire(&content_type, data).map_err(tell)
}

pub(crate) fn check_content_type(content_type: &str) -> Result<(), &'static str> {
    match content_type.len() {
        1..=255 => Ok(()),
        _ => Err("a content type has 1 to 255 bytes"),
    }
}

pub(super) fn payload_to_guest(payload: &Payload) -> types::Payload {
    let (content_type, data) = payload.to_wire();
    types::Payload { content_type, data }
}

/// The job as a handler or a lease sees it. `queue` is what this component calls its queue.
pub(crate) fn job(job: &Job, queue: &str) -> types::Job {
    types::Job {
        id: job.id.to_string(),
        queue: queue.to_owned(),
        payload: payload_to_guest(&job.payload),
        headers: job.headers.clone(),
        attempt: job.attempt(),
        max_attempts: job.max_attempts,
        created_at: timestamp(job.created_at),
    }
}

pub(super) fn job_info(job: &Job) -> queue::JobInfo {
    queue::JobInfo {
        id: job.id.to_string(),
        status: status(job.state, Some(job.due)),
        attempt: job.attempt(),
        max_attempts: job.max_attempts,
        due: timestamp(job.due),
        progress: job.progress.as_ref().map(|progress| types::Progress {
            count: progress.count,
            total: progress.total,
            note: progress.note.clone(),
        }),
        last_error: job.last_error().map(|error| words_of(&error.kind, &error.message)),
    }
}

/// What a guest is told of an error that is on record. The library's own words about a lease that
/// ran out name the consumer, which is none of its business.
fn words_of(kind: &str, message: &str) -> String {
    match kind {
        "lease-expired" => "lease expired".to_owned(),
        _ => message.to_owned(),
    }
}

/// `due` tells a scheduled job from a ready one; by this host's clock, as nothing hangs on it.
pub(super) fn status(state: State, due: Option<DateTime>) -> types::Status {
    match state {
        State::Ready if due.is_some_and(|due| due > DateTime::now()) => types::Status::Scheduled,
        State::Ready => types::Status::Ready,
        State::Running => types::Status::Running,
        State::Completed => types::Status::Completed,
        State::Dead => types::Status::Dead,
        State::Cancelled => types::Status::Cancelled,
    }
}

pub(super) fn progress_from_guest(progress: types::Progress) -> Progress {
    let types::Progress { count, total, note } = progress;
    let note = note.map(|mut note| {
        note.truncate(note.floor_char_boundary(NOTE_BYTES));
        note
    });
    Progress { count, total, note }
}

/// A guest's milliseconds, at most [`mongoqueue::LONGEST`]: a date that far from now still is one.
pub(crate) fn duration(millis: u64) -> Duration {
    Duration::from_millis(millis).min(mongoqueue::LONGEST)
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn timestamp(at: DateTime) -> u64 {
    // Before 1970 there were no jobs.
    at.timestamp_millis().max(0).unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(error: GuestError) -> String {
        error.downcast().map_or_else(|trap| trap.to_string(), |told| format!("{told:?}"))
    }

    fn payload(content_type: &str, data: &[u8]) -> types::Payload {
        types::Payload { content_type: content_type.into(), data: data.into() }
    }

    #[test]
    fn payloads_are_measured_before_they_are_parsed() {
        let error = payload_from_guest(payload("application/json", b"[1, 2,"), 5).unwrap_err();
        assert_eq!(told(error), "Error::LimitExceeded(\"6 bytes, the limit is 5\")");
        let error = payload_from_guest(payload("application/json", b"[1,"), 5).unwrap_err();
        assert!(told(error).starts_with("Error::InvalidArgument(\"invalid payload"));
        let error = payload_from_guest(payload("", b""), 5).unwrap_err();
        assert!(told(error).contains("content type"));
        let bytes = payload_from_guest(payload("text/plain", b"[1,"), 5).map(|p| p.to_wire());
        assert_eq!(bytes.ok(), Some(("text/plain".into(), b"[1,".to_vec())));
    }

    #[test]
    fn no_consumer_is_named() {
        assert_eq!(words_of("lease-expired", "lease expired on consumer-1"), "lease expired");
        assert_eq!(words_of("timeout", "too long"), "too long");
    }

    #[test]
    fn notes_are_cut_between_characters() {
        let note = Some("é".repeat(NOTE_BYTES));
        let progress = progress_from_guest(types::Progress { count: 1, total: None, note });
        assert_eq!(progress.note.map(|note| note.len()), Some(NOTE_BYTES));
    }

    #[test]
    fn times_of_any_size_stay_in_bounds() {
        assert_eq!(duration(1500), Duration::from_millis(1500));
        assert_eq!(duration(u64::MAX), mongoqueue::LONGEST);
        assert_eq!(timestamp(DateTime::MIN), 0);
        assert_eq!(millis(Duration::MAX), u64::MAX);
    }

    #[test]
    fn a_ready_job_of_the_future_is_scheduled() {
        let later = DateTime::from_millis(DateTime::now().timestamp_millis() + 60_000);
        assert!(matches!(status(State::Ready, Some(later)), types::Status::Scheduled));
        assert!(matches!(status(State::Ready, None), types::Status::Ready));
        assert!(matches!(status(State::Running, Some(later)), types::Status::Running));
    }
}
