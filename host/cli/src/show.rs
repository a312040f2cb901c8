//! What a person or a program sees: the one place that writes to stdout and stderr.

use std::io::{self, IsTerminal, Write};

use bson::DateTime;
use serde_json::Value;

use crate::trouble::{Exit, Result, Trouble};

pub(crate) mod bar;
pub(crate) mod death;
pub(crate) mod escape;
pub(crate) mod job;
pub(crate) mod table;
pub(crate) mod time;

pub(crate) use table::{Table, Tone};

/// How answers are written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Show {
    /// For programs: one JSON document, or one a line.
    pub(crate) json: bool,
    /// For people at a terminal who haven't asked for none (<https://no-color.org>).
    pub(crate) colours: bool,
}

impl Show {
    pub(crate) fn new(json: bool) -> Self {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let colours = !json && !dumb && !set("NO_COLOR") && io::stdout().is_terminal();
        Self { json, colours }
    }

    /// Writes a line to stdout.
    pub(crate) fn line(self, text: &str) -> Result<()> {
        let mut stdout = io::stdout().lock();
        let written = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
        written.map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => Trouble::unheard(),
            _ => Trouble::new(Exit::Misuse, "output", format!("can't write the output: {error}")),
        })
    }

    /// The answer: `value` for programs, the text that `people` makes for people.
    pub(crate) fn answer(self, value: &Value, people: impl FnOnce() -> String) -> Result<()> {
        match self.json {
            true => self.line(&escape::json(value)),
            false => self.line(&people()),
        }
    }

    /// Says something beside the answer to a person, on stderr.
    pub(crate) fn note(self, text: &str) {
        if !self.json {
            complain(text);
        }
    }

    /// Words in the colour of their meaning.
    pub(crate) fn paint(self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Plain => return text.to_owned(),
            Tone::Good => "32",
            Tone::Bad => "31",
            Tone::Busy => "33",
            Tone::Faint => "2",
        };
        self.styled(code, text)
    }

    pub(crate) fn bold(self, text: &str) -> String {
        self.styled("1", text)
    }

    fn styled(self, code: &str, text: &str) -> String {
        match self.colours {
            true => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            false => text.to_owned(),
        }
    }

    pub(crate) fn table(self, header: &[&str]) -> Table {
        Table::new(self.colours, header)
    }
}

/// Writes a line to stderr; where nobody listens there either, nothing is left to be done.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// `1 job`, `2 jobs`.
pub(crate) fn plural(n: u64, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

/// The moment that relative times refer to.
pub(crate) fn now() -> DateTime {
    DateTime::now()
}
