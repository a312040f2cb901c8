//! Jobs that are odd, and too many of them.

use std::time::Duration;

use mongoqueue_guest::bindings::mongoqueue::jobs::queue;
use mongoqueue_guest::{HostError, Payload, PutOptions, Queue, Result};
use serde_json::json;

use crate::{output, told};

const JSON: &str = "application/json";

fn next() -> Result<Queue, HostError> {
    Queue::open("next")
}

/// Puts this text as it is.
pub(crate) fn json(text: &str) -> Result<Payload> {
    next()?.put(Payload::new(JSON, text))?;
    output(&json!("put"))
}

pub(crate) fn operators() -> Result<Payload> {
    json(
        r#"{"$where": "return true", "$set": {"state": "dead"}, "a.b": {"$gt": ""}, "$": 1, ".": 2,
            "": 3, "$ref": "jobs", "$id": 4, "$db": "admin", "_id": {"$ne": null}, "$expr": true}"#,
    )
}

pub(crate) fn odd_numbers() -> Result<Payload> {
    json(
        r#"{"nan": {"$numberDouble": "NaN"}, "inf": {"$numberDouble": "-Infinity"},
            "decimal": {"$numberDecimal": "1E+100"}, "nought": -0.0, "tiny": 5e-324,
            "min": {"$numberLong": "-9223372036854775808"}, "end": {"$maxKey": 1}}"#,
    )
}

/// Extended JSON that stands for nothing, and text that is no JSON.
pub(crate) fn broken() -> Result<Payload> {
    let texts = [
        r#"{"$oid": "short"}"#,
        r#"{"$date": "some day"}"#,
        r#"{"$date": {"$numberLong": "9e99"}}"#,
        r#"{"$numberDecimal": "one"}"#,
        r#"{"$binary": {"base64": "%%%", "subType": "00"}}"#,
        "1e999",
        "\"\\ud800\"",
        "{\"a\": NaN}",
        "[1,",
        "",
        "\u{feff}{}",
    ];
    let next = next()?;
    let answers: Vec<_> =
        texts.into_iter().map(|text| told(next.put(Payload::new(JSON, text)))).collect();
    output(&json!(answers))
}

/// Different texts are different keys, whatever they mean to somebody else.
pub(crate) fn unique_keys() -> Result<Payload> {
    let next = next()?;
    let keys = ["a", r#"{"$gt": ""}"#, "$exists", r#"{"$exists": true}"#, "/.*/", "a.b"];
    for key in keys {
        next.put_with(json!({}), &PutOptions::new().unique_key(key))?;
    }
    output(&json!("all put"))
}

pub(crate) fn options() -> Result<Payload> {
    let it = queue::PutOptions::new();
    let answers = [
        it.delay(u64::MAX),
        it.due(u64::MAX),
        it.due(i64::MAX as u64),
        it.timeout(u64::MAX),
        it.timeout(0),
        it.max_attempts(0),
        it.backoff(u64::MAX, u64::MAX),
        it.backoff(2, 1),
        it.unique_key(""),
        it.unique_key(&"k".repeat(1 << 20)),
        it.header("", "x"),
    ];
    output(&json!(answers.map(|it| told(it.map_err(HostError::from)))))
}

pub(crate) fn headers() -> Result<Payload> {
    let it = queue::PutOptions::new();
    loop {
        it.header("a", "b").map_err(HostError::from)?;
    }
}

/// Nobody works on what is due in an hour.
fn later() -> PutOptions {
    PutOptions::new().delay(Duration::from_secs(3_600))
}

pub(crate) fn storm() -> Result<Payload> {
    let next = next()?;
    loop {
        next.put(json!({}))?;
    }
}

pub(crate) fn heavy_storm() -> Result<Payload> {
    let (next, heavy) = (next()?, "x".repeat(1_000_000));
    loop {
        next.put(Payload::new("text/plain", heavy.as_str()))?;
    }
}

pub(crate) fn many() -> Result<Payload> {
    let answers = next()?.put_many((0..20_000).map(|n| json!(n)), &PutOptions::new())?;
    output(&json!(answers.len()))
}

pub(crate) fn copies(attack: &str) -> Result<Payload> {
    let next = next()?;
    loop {
        next.put_with(json!({ "attack": attack }), &later())?;
    }
}

pub(crate) fn state() -> Result<Payload> {
    mongoqueue_guest::save("x".repeat(4 << 20))?;
    output(&json!("saved"))
}
