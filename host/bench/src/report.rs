//! What was measured: figures and curves by part, the targets, and the machine that it was on.

use serde::Serialize;

use crate::stats::{Spread, ratios};
use crate::targets::Judged;

mod html;
mod machine;
mod markdown;
mod people;
mod plot;

pub use machine::Machine;
pub use markdown::fill;

/// All of it: one document for programs.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Where it was measured.
    pub machine: Machine,
    /// By this command.
    pub command: String,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// What was measured, in the order of the bench.
    pub parts: Vec<Part>,
    /// The targets that the parts have.
    pub targets: Vec<Judged>,
}

/// What belongs together.
#[derive(Clone, Debug, Serialize)]
pub struct Part {
    /// Its name, by which it is asked for.
    pub name: &'static str,
    /// In words.
    pub what: &'static str,
    /// What was measured.
    pub figures: Vec<Figure>,
    /// What a number can't say.
    pub plots: Vec<Plot>,
    /// What has to be known to read it.
    pub notes: Vec<String>,
}

/// One figure.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    /// Its name within the part.
    pub name: String,
    /// In words.
    pub what: String,
    /// `jobs/s`, `ms`, `MiB`, …; `×` for a ratio.
    pub unit: &'static str,
    /// Of several runs.
    #[serde(flatten)]
    pub spread: Spread,
    /// How many those were.
    pub runs: usize,
}

/// Curves in one pair of axes.
#[derive(Clone, Debug, Serialize)]
pub struct Plot {
    /// What is shown.
    pub title: String,
    /// What goes to the right, with its unit.
    pub x: &'static str,
    /// What goes up, with its unit.
    pub y: &'static str,
    /// Whether that axis is logarithmic.
    pub log: bool,
    /// The curves.
    pub lines: Vec<Line>,
}

/// A curve.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// What it is.
    pub name: String,
    /// From left to right.
    pub points: Vec<(f64, f64)>,
}

/// A ratio's unit.
pub(crate) const TIMES: &str = "×";

impl Part {
    pub(crate) fn new(name: &'static str) -> Self {
        let what = crate::PARTS.iter().find(|(it, _)| *it == name).map_or("", |(_, what)| what);
        Self { name, what, figures: Vec::new(), plots: Vec::new(), notes: Vec::new() }
    }

    /// A figure of several runs.
    pub(crate) fn figure(
        &mut self,
        (name, what): (impl Into<String>, impl Into<String>),
        values: &[f64],
        unit: &'static str,
    ) {
        let (spread, runs) = (Spread::of(values), values.len());
        self.figures.push(Figure { name: name.into(), what: what.into(), unit, spread, runs });
    }

    /// Two figures that were measured in turns, and how the one is to the other: the ratio of each
    /// pair, as a machine that changes its pace does it to both.
    pub(crate) fn ratio(
        &mut self,
        words: (impl Into<String>, impl Into<String>),
        (these, those): (&[f64], &[f64]),
    ) {
        self.figure(words, &ratios(these, those), TIMES);
    }

    /// For people at a terminal: a table under its headline.
    pub fn table(&self, colours: bool) -> String {
        people::part(self, colours)
    }

    pub(crate) fn note(&mut self, words: impl Into<String>) {
        self.notes.push(words.into());
    }
}

impl Report {
    /// For people at a terminal: the targets, and what came of each.
    pub fn verdicts(&self, colours: bool) -> String {
        people::judged(&self.targets, colours)
    }

    /// A page of HTML with everything, which needs no other file.
    pub fn page(&self) -> String {
        html::page(self)
    }

    /// Markdown with the machine, the targets and all tables.
    pub fn markdown(&self) -> String {
        markdown::report(self)
    }

    /// A document with [`markdown`](Self::markdown) between its two marks, `<!-- bench -->` and
    /// `<!-- /bench -->`, in place of what was there; without them, that alone.
    pub fn markdown_in(&self, document: &str) -> String {
        markdown::fill(document, markdown::MARK, &self.markdown())
    }

    /// Where, when and how long, by name.
    fn facts(&self) -> [(&'static str, String); 8] {
        let machine = &self.machine;
        [
            ("date", machine.date.clone()),
            ("mongoqueue", machine.version.to_owned()),
            ("wasmtime", machine.wasmtime.clone()),
            ("server", machine.served_by()),
            ("processor", format!("{}, {} cores", machine.processor, machine.cores)),
            ("memory", format!("{} GiB", machine.memory_gib)),
            ("kernel", machine.kernel.clone()),
            ("took", format!("{:.0} s", self.seconds)),
        ]
    }

    /// The targets that were missed.
    pub fn missed(&self) -> impl Iterator<Item = &Judged> {
        self.targets.iter().filter(|judged| judged.met == Some(false))
    }

    /// The same in a line; `None` when there is none.
    pub fn shortfall(&self) -> Option<String> {
        let missed = self.missed().map(|judged| format!("{} {}", judged.part, judged.figure));
        let missed: Vec<String> = missed.collect();
        (!missed.is_empty()).then(|| format!("targets missed: {}", missed.join(", ")))
    }
}
