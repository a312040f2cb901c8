//! What the project wants to reach, in one table: ratios within one run, so that they hold on any
//! machine, but for times that a person waits.

use serde::Serialize;

use crate::report::Part;

/// A bound of a figure's median.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// It should be so much or more.
    AtLeast(f64),
    /// It should be so much or less.
    AtMost(f64),
}

use Bound::{AtLeast, AtMost};

/// Part, figure, bound.
pub(crate) const TARGETS: &[(&str, &str, Bound)] = &[
    ("put", "single/raw", AtLeast(0.9)),
    ("put", "many/raw", AtLeast(0.8)),
    ("drain", "native/raw", AtLeast(0.85)),
    ("drain", "native/by-hand", AtLeast(25.0)),
    ("sandbox", "fresh/native", AtLeast(0.85)),
    ("sandbox", "attempt/bare", AtMost(1.3)),
    // What all caps together cost a drain.
    ("sandbox", "fresh/bare", AtLeast(0.95)),
    ("workers", "2/1", AtLeast(0.9)),
    ("workers", "8/1", AtLeast(0.9)),
    ("workers", "32/1", AtLeast(0.9)),
    ("workers", "64/1", AtLeast(0.9)),
    // Of all claims, in percent.
    ("workers", "conflicts", AtMost(1.0)),
    ("long", "last/first", AtLeast(0.85)),
    ("backlog", "most/1000", AtMost(1.3)),
    ("backlog", "future/1000", AtMost(1.3)),
    ("backlog", "priorities/1000", AtMost(1.3)),
    ("backlog", "queues/1000", AtMost(1.3)),
    // Milliseconds: a little better than the best durable queue on a small machine.
    ("latency", "p50", AtMost(3.5)),
    ("latency", "p99", AtMost(9.0)),
    ("load", "p99-at-half", AtMost(50.0)),
    // The slots are the limit, not the queue.
    ("handlers", "1ms/ideal", AtLeast(0.85)),
    ("handlers", "50ms/ideal", AtLeast(0.85)),
    ("handlers", "mixed/ideal", AtLeast(0.85)),
    // Commands a second, percent of a core.
    ("idle", "commands", AtMost(2.0)),
    ("idle", "cpu", AtMost(1.0)),
    ("idle", "busy-beside-idle/alone", AtLeast(0.95)),
    ("payload", "native/raw", AtLeast(0.7)),
    ("allocations", "copies", AtMost(2.0)),
    // MiB, KiB, milliseconds.
    ("memory", "idle", AtMost(60.0)),
    ("memory", "sandbox", AtMost(300.0)),
    ("start", "cached", AtMost(50.0)),
    ("growth", "written/raw", AtMost(1.5)),
    ("growth", "index/raw", AtMost(1.5)),
];

/// A target, and whether it was met.
#[derive(Clone, Debug, Serialize)]
pub struct Judged {
    /// The part of the figure.
    pub part: &'static str,
    /// Its name.
    pub figure: &'static str,
    /// What it is, in words.
    pub what: String,
    /// Its unit.
    pub unit: &'static str,
    /// What it should be.
    pub bound: Bound,
    /// The median of its runs.
    pub value: f64,
    /// Whether it is; `None` where it could not be measured.
    pub met: Option<bool>,
}

/// The targets of the parts that were measured.
pub(crate) fn judge(parts: &[Part]) -> Vec<Judged> {
    let of = |&(part, figure, bound): &(&'static str, &'static str, Bound)| {
        let measured = parts.iter().find(|it| it.name == part)?;
        let found = measured.figures.iter().find(|it| it.name == figure)?;
        let value = found.spread.median;
        let met = (!value.is_nan()).then_some(match bound {
            AtLeast(least) => value >= least,
            AtMost(most) => value <= most,
        });
        Some(Judged { part, figure, what: found.what.clone(), unit: found.unit, bound, value, met })
    };
    TARGETS.iter().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(name: &'static str, figure: &str, value: f64) -> Part {
        let mut part = Part::new(name);
        part.figure((figure, "words"), &[value], "×");
        part
    }

    #[test]
    fn met_missed_and_not_measured() {
        let parts = [
            part("drain", "native/raw", 0.85),
            part("sandbox", "attempt/bare", 1.31),
            part("memory", "idle", f64::NAN),
        ];
        let met: Vec<_> = judge(&parts).iter().map(|it| (it.part, it.met)).collect();
        assert_eq!(met, [("drain", Some(true)), ("sandbox", Some(false)), ("memory", None)]);
    }

    #[test]
    fn each_target_is_of_a_part() {
        let names = crate::names();
        assert!(TARGETS.iter().all(|(part, ..)| names.contains(part)));
    }
}
