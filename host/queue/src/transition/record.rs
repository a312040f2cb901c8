//! The error record of an attempt, with its bounds.

use bson::{Bson, Document, doc};

use crate::outcome::Failure;

/// How many error records a job keeps: enough to see a pattern, few enough that a job retried for
/// ever stays a small document.
const KEPT_ERRORS: i32 = 10;

/// A progress note is a line for people.
pub(super) const NOTE_LIMIT: usize = 1024;
const MESSAGE_LIMIT: usize = 4 * 1024;
const CODE_LIMIT: usize = 100;
/// Ten records of three such texts keep a job's document under a quarter of a mebibyte.
const TEXT_LIMIT: usize = 8 * 1024;

/// The record as an expression; counts on `attempts` being that of this attempt already.
pub(super) fn record(consumer: &str, failure: &Failure) -> Document {
    let mut record = doc! {
        "attempt": "$attempts",
        "at": "$$NOW",
        "consumer": { "$literal": consumer },
        "kind": { "$literal": cut(&failure.kind, CODE_LIMIT) },
        "message": { "$literal": cut(&failure.message, MESSAGE_LIMIT) },
    };
    let texts = [
        ("code", &failure.code, CODE_LIMIT),
        ("stderr", &failure.stderr, TEXT_LIMIT),
        ("backtrace", &failure.backtrace, TEXT_LIMIT),
    ];
    for (name, text, limit) in texts {
        if let Some(text) = text {
            record.insert(name, doc! { "$literal": cut(text, limit) });
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

/// The text up to `limit` bytes, cut between characters, and marked where it was cut. NULs are
/// shown, as BSON's tools stumble over them.
pub(super) fn cut(text: &str, limit: usize) -> String {
    let text = text.replace('\0', "\u{2400}");
    if text.len() <= limit {
        return text;
    }
    let mut end = limit;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", text.get(..end).unwrap_or_default())
}
