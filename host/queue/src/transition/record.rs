//! The error record of an attempt, with its bounds.

use bson::{Bson, Document, doc};

use crate::job::to_millis;
use crate::outcome::{Evidence, Failure};

/// How many error records a job keeps: enough to see a pattern, few enough that a job retried for
/// ever stays a small document.
const KEPT_ERRORS: i32 = 10;

/// A progress note is a line for people.
pub(super) const NOTE_LIMIT: usize = 1024;
const MESSAGE_LIMIT: usize = 4 * 1024;
const CODE_LIMIT: usize = 100;
const TEXT_LIMIT: usize = 8 * 1024;
/// Ten records of all these texts keep a job's document under a quarter of a mebibyte.
const LOG_LIMIT: usize = 4 * 1024;
/// The line at the start of a tail that says how much is missing before it.
const MISSING: usize = 64;

/// The record as an expression; counts on `attempts` being that of this attempt already.
pub(super) fn record(consumer: &str, failure: &Failure) -> Document {
    let mut record = doc! {
        "attempt": "$attempts",
        "at": "$$NOW",
        "consumer": { "$literal": consumer },
        "kind": { "$literal": cut(&failure.kind, CODE_LIMIT) },
        "message": { "$literal": cut(&failure.message, MESSAGE_LIMIT) },
    };
    let Evidence { digest, version, log, cpu, memory, wall, worker } = &*failure.evidence;
    type Cut = fn(&str, usize) -> String;
    let texts: [(_, _, Cut, _); 7] = [
        ("code", &failure.code, cut, CODE_LIMIT),
        ("stderr", &failure.stderr, end, TEXT_LIMIT + MISSING),
        ("backtrace", &failure.backtrace, cut, TEXT_LIMIT),
        ("log", log, end, LOG_LIMIT + MISSING),
        ("digest", digest, cut, CODE_LIMIT),
        ("version", version, cut, CODE_LIMIT),
        ("worker", worker, cut, CODE_LIMIT),
    ];
    for (name, text, cut, limit) in texts {
        if let Some(text) = text {
            record.insert(name, doc! { "$literal": cut(text, limit) });
        }
    }
    let memory = memory.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
    let numbers = [
        ("cpu_ms", cpu.map(to_millis)),
        ("memory_bytes", memory),
        ("wall_ms", wall.map(to_millis)),
    ];
    for (name, number) in numbers {
        if let Some(number) = number {
            record.insert(name, number);
        }
    }
    record
}

/// The failure with its texts as its record has them.
pub(crate) fn as_recorded(failure: Failure) -> Failure {
    let short = |text: Option<String>, limit| text.map(|text| cut(&text, limit));
    Failure {
        kind: cut(&failure.kind, CODE_LIMIT).into(),
        message: cut(&failure.message, MESSAGE_LIMIT),
        code: short(failure.code, CODE_LIMIT),
        stderr: short(failure.stderr, TEXT_LIMIT),
        backtrace: short(failure.backtrace, TEXT_LIMIT),
        ..failure
    }
}

/// The records so far and this one, the oldest beyond the bound dropped.
pub(super) fn append(record: Document) -> Bson {
    let so_far = doc! { "$ifNull": ["$errors", []] };
    doc! { "$slice": [{ "$concatArrays": [so_far, [record]] }, -KEPT_ERRORS] }.into()
}

/// The text up to `limit` bytes, cut between characters, and marked where it was cut.
pub(super) fn cut(text: &str, limit: usize) -> String {
    let text = shown(text);
    if text.len() <= limit {
        return text;
    }
    let mut end = limit;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", text.get(..end).unwrap_or_default())
}

/// The same, of the text's end: what was written last is next to the death.
pub(super) fn end(text: &str, limit: usize) -> String {
    let text = shown(text);
    if text.len() <= limit {
        return text;
    }
    let mut start = text.len() - limit;
    while !text.is_char_boundary(start) {
        start += 1;
    }
    format!("…{}", text.get(start..).unwrap_or_default())
}

/// NULs are shown, as BSON's tools stumble over them.
fn shown(text: &str) -> String {
    text.replace('\0', "\u{2400}")
}
