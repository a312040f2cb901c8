//! Dead jobs by how they died.

use bson::DateTime;
use mongoqueue::Deaths;
use serde_json::{Value, json};

use super::{Show, Tone, escape, time};

/// Rows for people, or one document a line for programs.
pub(crate) fn list(
    show: Show,
    all: &[(String, Deaths)],
    now: DateTime,
) -> crate::trouble::Result<()> {
    if show.json {
        let mut rows = all.iter();
        return rows.try_for_each(|(queue, it)| show.line(&escape::json(&json(queue, it))));
    }
    let mut table = show.table(&["jobs#", "queue", "death", "last", "for example", "message"]);
    for (queue, deaths) in all {
        table.row(row(queue, deaths, now));
    }
    show.line(&table.render())
}

fn json(queue: &str, deaths: &Deaths) -> Value {
    json!({
        "queue": queue,
        "kind": deaths.kind,
        "code": deaths.code,
        "frames": deaths.frames,
        "jobs": deaths.jobs,
        "first_at": time::rfc3339(deaths.first),
        "last_at": time::rfc3339(deaths.last),
        "id": deaths.example.to_string(),
        "message": deaths.message,
    })
}

/// Where it went wrong: below what makes a panic, in Rust.
fn place(frames: &[String]) -> Option<&String> {
    const MACHINERY: [&str; 4] = ["__rustc::", "core::", "std::", "alloc::"];
    let is_machinery = |frame: &&String| MACHINERY.iter().any(|name| frame.starts_with(name));
    frames.iter().find(|frame| !is_machinery(frame)).or(frames.first())
}

fn row(queue: &str, deaths: &Deaths, now: DateTime) -> Vec<(String, Tone)> {
    let kind = match &deaths.code {
        Some(code) => format!("{} [{code}]", deaths.kind),
        None => deaths.kind.clone(),
    };
    let place = place(&deaths.frames).map(|frame| format!(" in {frame}")).unwrap_or_default();
    vec![
        (deaths.jobs.to_string(), Tone::Plain),
        (escape::cut(queue, 40), Tone::Plain),
        (escape::cut(&format!("{kind}{place}"), 60), Tone::Bad),
        (time::relative(deaths.last, now), Tone::Faint),
        (escape::cut(&deaths.example.to_string(), 40), Tone::Plain),
        (escape::cut(&deaths.message, 200), Tone::Plain),
    ]
}
