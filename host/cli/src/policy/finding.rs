//! What is wrong, or odd, with the operator's file, where, and what to do.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::show::escape;

/// A place in the file: line and column, both from 1. Zero for the file as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

impl Place {
    pub(crate) fn none() -> Self {
        Self::default()
    }

    /// Of a byte of the text.
    pub(super) fn of(text: &str, byte: usize) -> Self {
        let mut byte = byte.min(text.len());
        while !text.is_char_boundary(byte) {
            byte -= 1;
        }
        let before = text.get(..byte).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.matches('\n').count() + 1;
        let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
        Self { line, column }
    }
}

/// One thing that is wrong or odd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) place: Place,
    pub(crate) is_error: bool,
    pub(crate) what: String,
    /// What to do; empty where that goes without saying.
    pub(crate) help: String,
}

impl Finding {
    /// It can't be used like this.
    pub(crate) fn error(place: Place, what: impl Into<String>, help: impl Into<String>) -> Self {
        Self { place, is_error: true, what: what.into(), help: help.into() }
    }

    /// It can, but may not be what was meant.
    pub(crate) fn warning(place: Place, what: impl Into<String>, help: impl Into<String>) -> Self {
        Self { is_error: false, ..Self::error(place, what, help) }
    }
}

/// All of them, in the order of the file.
#[derive(Debug)]
pub(crate) struct Findings {
    pub(crate) path: PathBuf,
    all: Vec<Finding>,
}

impl Findings {
    pub(crate) fn new(path: &Path, mut all: Vec<Finding>) -> Self {
        all.sort_by_key(|finding| finding.place);
        Self { path: path.to_owned(), all }
    }

    pub(super) fn of(path: &Path, finding: Finding) -> Self {
        Self::new(path, vec![finding])
    }

    pub(crate) fn and(self, more: Vec<Finding>) -> Self {
        let Self { path, mut all } = self;
        all.extend(more);
        Self::new(&path, all)
    }

    pub(crate) fn all(&self) -> &[Finding] {
        &self.all
    }

    pub(crate) fn errors(&self) -> usize {
        self.all.iter().filter(|finding| finding.is_error).count()
    }

    pub(crate) fn has_errors(&self) -> bool {
        self.errors() > 0
    }

    /// `FILE:LINE:COLUMN: error: …`, as compilers say it, so that editors find the place.
    pub(crate) fn lines(&self) -> String {
        let mut text = String::new();
        for Finding { place: Place { line, column }, is_error, what, help } in &self.all {
            let severity = if *is_error { "error" } else { "warning" };
            // A name in it may have a line break, and would say the rest of the line.
            let what = escape::line(what);
            let path = self.path.display();
            // Writing to a string can't fail.
            let _ = match line {
                0 => writeln!(text, "{path}: {severity}: {what}"),
                _ => writeln!(text, "{path}:{line}:{column}: {severity}: {what}"),
            };
            for line in help.lines() {
                let _ = writeln!(text, "  {line}");
            }
        }
        text.truncate(text.trim_end().len());
        text
    }

    pub(crate) fn json(&self) -> Value {
        let one = |finding: &Finding| {
            json!({
                "line": finding.place.line,
                "column": finding.place.column,
                "severity": if finding.is_error { "error" } else { "warning" },
                "message": finding.what,
                "help": finding.help,
            })
        };
        self.all.iter().map(one).collect()
    }
}
