//! Too much of something that is fine in small amounts.

use std::io::Write;

use mongoqueue_guest::bindings::mongoqueue::jobs::queue::PutOptions;
use mongoqueue_guest::{Payload, Result, log as job_log};
use serde_json::json;

use crate::payloads;

/// Log lines, unless a job says how many.
const LINES: usize = 100_000;
/// Bytes of a log line, unless a job says how many.
const LINE: usize = 1000;
/// Bytes printed, unless a job says how many.
const PRINTED: usize = 64 << 20;
/// Calls of a storm, unless a job says how many.
const CALLS: u64 = 100_000;

pub(crate) fn log(lines: Option<usize>, bytes: Option<usize>) -> Result<Payload> {
    let line = payloads::text(Some(bytes.unwrap_or(LINE)));
    for number in 0..lines.unwrap_or(LINES) {
        job_log::info(format_args!("{number} {line}"));
    }
    Ok(Payload::null())
}

pub(crate) fn print(mut out: impl Write, bytes: Option<usize>) -> Result<Payload> {
    let line = payloads::text(Some(LINE));
    let mut left = bytes.unwrap_or(PRINTED);
    while left > 0 {
        let part = left.min(LINE);
        writeln!(out, "{}", line.get(1..part).unwrap_or_default())?;
        left -= part;
    }
    out.flush()?;
    Ok(Payload::null())
}

pub(crate) fn progress(count: Option<u64>) -> Result<Payload> {
    let count = count.unwrap_or(CALLS);
    for done in 1..=count {
        mongoqueue_guest::progress(done, Some(count), "")?;
    }
    payloads::json(&json!({ "reports": count }))
}

pub(crate) fn progress_big(bytes: Option<usize>) -> Result<Payload> {
    mongoqueue_guest::progress(1, None, &payloads::text(bytes))?;
    Ok(Payload::null())
}

pub(crate) fn save(bytes: Option<usize>) -> Result<Payload> {
    mongoqueue_guest::save(payloads::text(bytes))?;
    Ok(Payload::null())
}

pub(crate) fn saves(count: u64) -> Result<Payload> {
    for number in 1..=count {
        mongoqueue_guest::save(json!({ "number": number }))?;
    }
    Ok(Payload::null())
}

pub(crate) fn handles(count: Option<u64>) -> Result<Payload> {
    for _ in 0..count.unwrap_or(u64::MAX) {
        std::mem::forget(PutOptions::new());
    }
    Ok(Payload::null())
}
