//! Words for whoever reads logs and records on a terminal.

use std::io::Write;

use mongoqueue_guest::{Error, Payload, Result, log};
use serde_json::json;

use crate::output;

/// Clears the screen, sets the window's title, goes up a line, rings, turns the text around, and
/// ends the line.
pub(crate) const ESCAPES: &str =
    "\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}1A\u{8}\u{7f}\u{202e}\r\u{85}\u{2028}\0innocent";

pub(crate) fn message() -> Error {
    Error::new(ESCAPES).code(ESCAPES)
}

pub(crate) fn panics() -> Result<Payload> {
    writeln!(std::io::stderr(), "{ESCAPES}")?;
    panic!("{ESCAPES}")
}

pub(crate) fn log() -> Result<Payload> {
    for level in [log::debug, log::info, log::warn, log::error] {
        level(ESCAPES);
    }
    writeln!(std::io::stdout(), "{ESCAPES}")?;
    writeln!(std::io::stderr(), "{ESCAPES}")?;
    output(&json!("said"))
}

pub(crate) fn note() -> Result<Payload> {
    mongoqueue_guest::progress(1, None, ESCAPES)?;
    output(&json!("reported"))
}

/// Lines as the host and other guests write them.
pub(crate) fn faked() -> Result<Payload> {
    log::info(
        "fine\nthis host could not run the component: all is lost\r\n00:00:00 other: debug: x",
    );
    output(&json!("said"))
}

pub(crate) fn flood() -> Result<Payload> {
    let lines = "\n\u{1b}".repeat(1 << 20);
    for _ in 0..4 {
        log::info(&lines);
    }
    output(&json!("said"))
}
