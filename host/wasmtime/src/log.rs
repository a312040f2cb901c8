//! A job's log: what a guest says through `log`, stdout and stderr, line by line and bounded.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mongoqueue::{Attempt, Job};

use crate::sandbox::Limits;

mod last;
mod tail;

use last::LastLines;
use tail::Tail;

/// Longer lines are broken: what collects a line must not grow with the guest.
const LINE_BYTES: usize = 4 << 10;

/// Takes the lines of jobs' logs. Called in the guest's own call, so it should not block.
pub type LogSink = Arc<dyn Fn(&LogLine<'_>) + Send + Sync>;

/// A line of a job's log.
#[derive(Clone, Copy, Debug)]
pub struct LogLine<'a> {
    /// The component that speaks, by the name it was loaded under.
    pub guest: &'a str,
    /// The job that it works on; `None` for a program with a loop of its own.
    pub job: Option<&'a Job>,
    /// How important the guest says it is.
    pub level: Level,
    /// Where the line was written.
    pub source: Source,
    /// The line, without its end.
    pub text: &'a str,
}

/// How important a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// For whoever works on the guest.
    Debug,
    /// For the record; everything on stdout.
    Info,
    /// For the operator, some day; everything on stderr.
    Warn,
    /// For the operator.
    Error,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        })
    }
}

/// Where a line was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// The interface `log`.
    Log,
    /// The guest's standard output.
    Stdout,
    /// The guest's standard error.
    Stderr,
    /// The host: about the guest, not by it.
    Host,
}

/// The log of one attempt, shared by everything that writes to it.
#[derive(Clone)]
pub(crate) struct JobLog(Arc<Mutex<State>>);

struct State {
    guest: Arc<str>,
    attempt: Option<Attempt>,
    sink: Option<LogSink>,
    lines_left: u32,
    bytes_left: usize,
    dropping: bool,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    tail: Tail,
    last: LastLines,
}

impl JobLog {
    pub(crate) fn new(
        guest: Arc<str>,
        attempt: Option<Attempt>,
        sink: Option<LogSink>,
        limits: &Limits,
    ) -> Self {
        Self(Arc::new(Mutex::new(State {
            guest,
            attempt,
            sink,
            lines_left: limits.log_lines,
            bytes_left: limits.log_bytes,
            dropping: false,
            stdout: Vec::new(),
            stderr: Vec::new(),
            tail: Tail::new(limits.stderr_tail),
            last: LastLines::new(limits.log_tail),
        })))
    }

    /// A message of the guest's; its lines count one by one.
    pub(crate) fn message(&self, level: Level, text: &str) {
        let mut state = self.state();
        for line in text.lines() {
            // Millions of lines cost nothing once they are dropped.
            if state.dropping {
                return;
            }
            state.line(level, Source::Log, line);
        }
    }

    /// Something that the operator should know about this attempt. Not limited.
    pub(crate) fn host(&self, text: &str) {
        self.state().emit(Level::Error, Source::Host, text);
    }

    /// Something about what the guest does, which it could do often: counts as a line of its log.
    pub(crate) fn about(&self, text: &str) {
        self.state().line(Level::Warn, Source::Host, text);
    }

    /// Bytes of stdout or stderr, cut anywhere.
    pub(crate) fn bytes(&self, source: Source, bytes: &[u8]) {
        let mut state = self.state();
        if source == Source::Stderr {
            state.tail.push(bytes);
        }
        // Nobody listens: of stderr only the tail is kept.
        if state.sink.is_some() || source != Source::Stderr {
            state.collect(source, bytes);
        }
    }

    /// Writes lines that were begun and not ended.
    pub(crate) fn finish(&self) {
        let mut state = self.state();
        for source in [Source::Stdout, Source::Stderr] {
            let rest = std::mem::take(state.begun(source));
            if !rest.is_empty() {
                state.line(level_of(source), source, &String::from_utf8_lossy(&rest));
            }
        }
    }

    /// The last that was written to stderr, with a word on what is missing before it.
    pub(crate) fn stderr_tail(&self) -> Option<String> {
        self.state().tail.text()
    }

    /// The last lines but those on stderr, with a word on how many are missing before them. Those
    /// beyond the limit are there as well: what came last is next to the death.
    pub(crate) fn last_lines(&self) -> Option<String> {
        self.state().last.text()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A sink that panicked leaves nothing half done that matters.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn begun(&mut self, source: Source) -> &mut Vec<u8> {
        if source == Source::Stderr { &mut self.stderr } else { &mut self.stdout }
    }

    fn collect(&mut self, source: Source, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, ended) = match piece.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (piece, false),
            };
            for part in text.chunks(LINE_BYTES) {
                let begun = self.begun(source);
                if begun.len() + part.len() > LINE_BYTES {
                    let full = std::mem::take(begun);
                    self.line(level_of(source), source, &String::from_utf8_lossy(&full));
                }
                self.begun(source).extend_from_slice(part);
            }
            if ended {
                let line = std::mem::take(self.begun(source));
                self.line(level_of(source), source, &String::from_utf8_lossy(&line));
            }
        }
    }

    fn line(&mut self, level: Level, source: Source, text: &str) {
        let bytes = text.len().saturating_add(1);
        if source != Source::Stderr {
            self.last.push(level, text);
        }
        if self.dropping {
            return;
        }
        if self.lines_left == 0 || self.bytes_left < bytes {
            self.dropping = true;
            self.emit(
                Level::Warn,
                Source::Host,
                "the limit of this attempt's log is reached: further lines are dropped",
            );
            return;
        }
        self.lines_left -= 1;
        self.bytes_left -= bytes;
        self.emit(level, source, text);
    }

    fn emit(&self, level: Level, source: Source, text: &str) {
        if let Some(sink) = &self.sink {
            let job = self.attempt.as_ref().map(Attempt::job);
            sink(&LogLine { guest: &self.guest, job, level, source, text: &printable(text) });
        }
    }
}

/// Control characters out: a guest's line ends on operators' terminals.
fn printable(text: &str) -> Cow<'_, str> {
    let strange = |c: char| c.is_control() && c != '\t';
    if text.contains(strange) { text.replace(strange, "\u{fffd}").into() } else { text.into() }
}

fn level_of(source: Source) -> Level {
    if source == Source::Stderr { Level::Warn } else { Level::Info }
}

#[cfg(test)]
mod tests;
