//! Arguments and answers of calls, in words for people; what is long is cut where it is kept.

use wasmtime::component::Resource;

use super::super::trace::short;
use crate::bindings::{log, queue, types};
use crate::jobs::GuestError;

/// Bytes of a body that are looked at: what follows would be cut anyway.
const BODY: usize = 400;

pub(super) fn text(text: &str) -> String {
    format!("{:?}", short(text))
}

pub(super) fn handle<T>(this: &Resource<T>) -> String {
    format!("#{}", this.rep())
}

pub(super) fn optional_handle<T>(it: Option<&Resource<T>>) -> String {
    it.map_or_else(|| "none".to_owned(), handle)
}

pub(super) fn of<T>(this: &Resource<T>, argument: &str) -> String {
    format!("{} {}", handle(this), short(argument))
}

pub(super) fn payload(payload: &types::Payload) -> String {
    let types::Payload { content_type, data } = payload;
    let start = String::from_utf8_lossy(data.get(..BODY).unwrap_or(data));
    format!("{} bytes of {}: {start}", data.len(), short(content_type))
}

pub(super) fn optional(it: Option<&types::Payload>) -> String {
    it.map_or_else(|| "none".to_owned(), payload)
}

pub(super) fn put<T>(this: &Resource<T>, it: &types::Payload) -> String {
    format!("{} {}", handle(this), payload(it))
}

pub(super) fn put_many<T>(this: &Resource<T>, all: &[types::Payload]) -> String {
    let bytes: usize = all.iter().map(|payload| payload.data.len()).sum();
    format!("{} {} payloads, {bytes} bytes", handle(this), all.len())
}

pub(super) fn progress(progress: &types::Progress) -> String {
    let types::Progress { count, total, note } = progress;
    let total = total.map_or_else(String::new, |total| format!(" of {total}"));
    let note = note.as_deref().unwrap_or_default();
    format!("{count}{total} {}", short(note)).trim_end().to_owned()
}

pub(super) fn log(level: log::Level, message: &str) -> String {
    format!("{level:?} {}", text(message))
}

pub(super) fn info(info: &queue::JobInfo) -> String {
    format!("{:?}, attempt {} of {}", info.status, info.attempt, info.max_attempts)
}

pub(super) fn stats(stats: &queue::Stats) -> String {
    let queue::Stats { scheduled, ready, running, dead, .. } = stats;
    format!("scheduled {scheduled}, ready {ready}, running {running}, dead {dead}")
}

pub(super) fn answers(answers: &[Result<String, types::Error>]) -> String {
    let put = answers.iter().filter(|answer| answer.is_ok()).count();
    match answers.iter().find_map(|answer| answer.as_ref().err()) {
        Some(refusal) => format!("{put} put, the first refusal: {}", error(refusal)),
        None => format!("{put} put"),
    }
}

pub(super) fn ok(_: &()) -> String {
    "ok".to_owned()
}

pub(super) fn done(answer: &Result<(), GuestError>) -> String {
    told(answer, ok)
}

pub(super) fn told<T>(answer: &Result<T, GuestError>, ok: impl FnOnce(&T) -> String) -> String {
    match answer {
        Ok(value) => ok(value),
        Err(told) => match told.downcast_ref() {
            Some(refusal) => error(refusal),
            None => format!("trap: {told}"),
        },
    }
}

pub(super) fn plain<T>(answer: &wasmtime::Result<T>, ok: impl FnOnce(&T) -> String) -> String {
    match answer {
        Ok(value) => ok(value),
        Err(trap) => format!("trap: {trap}"),
    }
}

/// As the WIT calls it.
fn error(error: &types::Error) -> String {
    let (name, why) = match error {
        types::Error::AccessDenied => ("access-denied", ""),
        types::Error::LimitExceeded(why) => ("limit-exceeded", why.as_str()),
        types::Error::InvalidArgument(why) => ("invalid-argument", why.as_str()),
        types::Error::Duplicate(id) => ("duplicate", id.as_str()),
        types::Error::NoSuchJob => ("no-such-job", ""),
        types::Error::LeaseLost => ("lease-lost", ""),
        types::Error::Unavailable(why) => ("unavailable", why.as_str()),
        types::Error::Other(why) => ("other", why.as_str()),
    };
    format!("error {name} {why}").trim_end().to_owned()
}
