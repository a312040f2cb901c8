//! Ids and names that are none, that are others', or that look like something else.

use mongoqueue_guest::{Payload, Queue, Result};
use serde_json::json;

use crate::{output, told};

/// Ids for somebody who pastes them into a query, a path, or a terminal.
const OPERATORS: [&str; 12] = [
    r#"{"$gt": ""}"#,
    r#"{"$ne": null}"#,
    "$where",
    "{\"$where\": \"sleep(60000) || true\"}",
    "$$ROOT",
    "a.b.$[]",
    "' || '1' == '1",
    "../../etc/passwd",
    "\0",
    "\u{1b}[2J",
    "000000000000000000000000",
    "",
];

fn answers(each: impl Fn(&str) -> &'static str, ids: &[&str]) -> Result<Payload> {
    output(&json!(ids.iter().map(|id| each(id)).collect::<Vec<_>>()))
}

pub(crate) fn operators() -> Result<Payload> {
    let queue = Queue::open("next")?;
    let long = "$".repeat(1 << 20);
    let mut ids = OPERATORS.to_vec();
    ids.push(&long);
    // Twice each: to look, and to cancel.
    let twice = [&ids[..], &ids].concat();
    let at = std::cell::Cell::new(0);
    answers(
        |id| {
            at.set(at.get() + 1);
            if at.get() > ids.len() { told(queue.cancel(id)) } else { told(queue.get(id)) }
        },
        &twice,
    )
}

pub(crate) fn others(ids: &[String]) -> Result<Payload> {
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let [next, own] = [Queue::open("next")?, Queue::open("own")?];
    answers(
        |id| match (told(next.get(id)), told(own.get(id))) {
            (one, other) if one == other => one,
            _ => "one of the two",
        },
        &ids,
    )
}

pub(crate) fn cancels(ids: &[String]) -> Result<Payload> {
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let next = Queue::open("next")?;
    answers(|id| told(next.cancel(id)), &ids)
}

pub(crate) fn queues() -> Result<Payload> {
    let long = "q".repeat(10_000);
    let names = [
        "",
        "\0",
        "next\0",
        "jobs.leases",
        "jobs.$cmd",
        "system.users",
        "admin",
        "$where",
        r#"{"$gt": ""}"#,
        ".",
        "..",
        "../next",
        "NEXT",
        " next",
        "next\n",
        "\u{1b}]0;owned\u{7}",
        "\u{202e}txen",
        &long,
    ];
    answers(|name| told(Queue::open(name)), &names)
}

/// Queues that are there, and not granted.
pub(crate) fn known_queues() -> Result<Payload> {
    answers(|name| told(Queue::open(name)), &["arena", "witness", "granted-next", "granted-own"])
}

/// All that can be seen of a job that it may look at.
pub(crate) fn neighbour(ids: &[String]) -> Result<Payload> {
    let next = Queue::open("next")?;
    let mut seen = Vec::new();
    for id in ids {
        seen.push(format!("{:?}", next.get(id)?));
    }
    output(&json!(seen))
}
