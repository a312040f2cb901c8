//! What `dev` tells beside what a worker does.

use std::time::Duration;

use mongoqueue_wasmtime::ComponentHandler;
use serde_json::{Value, json};

use crate::args::format_duration;
use crate::commands::work::events::stamped;
use crate::show::time::rfc3339;
use crate::show::{Show, Tone, escape, now};
use crate::trouble::Result;

/// Digits of a digest that people see.
const DIGEST: usize = 12;

pub(super) fn building(show: Show, queue: &str) -> Result<()> {
    let value = json!({ "event": "building", "queue": queue });
    told(show, value, || format!("{} building", escape::line(queue)))
}

pub(super) fn built(
    show: Show,
    queue: &str,
    (handler, elapsed): (&ComponentHandler, Duration),
) -> Result<()> {
    let digest = handler.digest();
    let value = json!({
        "event": "built", "queue": queue, "digest": format!("sha256:{digest}"),
        "elapsed_ms": elapsed.as_secs_f64() * 1_000.0,
    });
    told(show, value, || {
        let (queue, short) = (escape::line(queue), digest.get(..DIGEST).unwrap_or(digest));
        let at_work = show.paint(Tone::Good, "at work");
        format!("{queue} version {short} {at_work}, built in {}", format_duration(elapsed))
    })
}

/// `event`: `build-failed`, `sample-failed`.
pub(super) fn failed(show: Show, queue: &str, (event, why): (&str, &str)) -> Result<()> {
    let value = json!({ "event": event, "queue": queue, "message": why });
    told(show, value, || {
        format!("{} {}", escape::line(queue), show.paint(Tone::Bad, &escape::lines(why)))
    })
}

pub(super) fn sample(show: Show, queue: &str, (file, id): (&str, &str)) -> Result<()> {
    let value = json!({ "event": "sample", "queue": queue, "file": file, "id": id });
    told(show, value, || {
        format!("{} {} put, from {}", escape::line(queue), escape::line(id), escape::line(file))
    })
}

fn told(show: Show, mut value: Value, people: impl FnOnce() -> String) -> Result<()> {
    if show.json {
        value["at"] = rfc3339(now()).into();
        return show.line(&escape::json(&value));
    }
    stamped(show, &people())
}
