//! What guests say, on its way to the output.

use std::sync::Arc;

use mongoqueue_wasmtime::{LogLine, LogSink};
use serde_json::json;
use tokio::sync::mpsc;

use crate::show::time::{clock, rfc3339};
use crate::show::{Show, Tone, escape, now};
use crate::trouble::Result;

/// Lines that wait to be printed; further ones are dropped, as no guest may be held up by a
/// terminal.
const WAITING: usize = 8_192;

/// Characters of a line that people see.
const WIDTH: usize = 400;

/// A line of a guest's log.
pub(crate) struct Line {
    /// The queue that it serves, or the program's name.
    of: String,
    id: Option<String>,
    level: String,
    text: String,
}

pub(crate) fn channel() -> (mpsc::Sender<Line>, mpsc::Receiver<Line>) {
    mpsc::channel(WAITING)
}

/// Takes the lines of one guest. `of`: the queue that it serves, or the program's name.
pub(crate) fn sink(lines: mpsc::Sender<Line>, of: &str) -> LogSink {
    let of = of.to_owned();
    Arc::new(move |line: &LogLine<'_>| {
        let line = Line {
            of: of.clone(),
            id: line.job.map(|job| job.id.to_string()),
            level: line.level.to_string(),
            text: line.text.to_owned(),
        };
        // Full: dropped, see WAITING.
        let _ = lines.try_send(line);
    })
}

pub(crate) fn print(show: Show, line: &Line) -> Result<()> {
    let Line { of, id, level, text } = line;
    if show.json {
        let at = rfc3339(now());
        let value = json!({
            "event": "log", "queue": of, "id": id, "level": level, "text": text, "at": at,
        });
        return show.line(&escape::json(&value));
    }
    let time = show.paint(Tone::Faint, &clock(now()));
    let id = id.as_deref().map_or_else(String::new, |id| format!(" {}", escape::line(id)));
    let text = show.paint(Tone::Faint, &format!("{level}: {}", escape::cut(text, WIDTH)));
    show.line(&format!("{time} {}{id} {text}", escape::line(of)))
}
