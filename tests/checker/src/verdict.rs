//! A judgement for people and for programs.

use std::fmt::{self, Write as _};
use std::io;
use std::path::Path;

use comfy_table::{CellAlignment, ContentArrangement, Table};
use serde::Serialize;

use crate::history::History;
use crate::judge::{Judgement, judge};
use crate::server::Account;

/// What a run came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Result {
    /// Every promise was kept.
    Kept,
    /// Some promise was broken.
    Broken,
    /// Something is missing from what a judgement would be made of.
    Unjudged,
}

/// A judgement, told: [`Display`](fmt::Display) is for people.
#[derive(Clone, Debug, Serialize)]
pub struct Verdict {
    /// What it comes to.
    pub verdict: Result,
    /// Of what.
    #[serde(flatten)]
    pub judgement: Judgement,
}

impl Verdict {
    /// Judges the run whose histories and account are in the folder.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn of(folder: &Path) -> io::Result<Self> {
        let (history, account) = (History::load(folder)?, Account::load(folder)?);
        Ok(judge(&history, &account).into())
    }
}

impl From<Judgement> for Verdict {
    fn from(judgement: Judgement) -> Self {
        let verdict = match (judgement.missing.is_empty(), judgement.violations()) {
            (false, _) => Result::Unjudged,
            (true, 0) => Result::Kept,
            (true, _) => Result::Broken,
        };
        Self { verdict, judgement }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let judgement = &self.judgement;
        writeln!(f, "{}\n", counts(judgement))?;
        if !judgement.invariants.is_empty() {
            writeln!(f, "{}\n", invariants(judgement))?;
        }
        for invariant in judgement.invariants.iter().filter(|invariant| invariant.violations > 0) {
            let Some(shortest) = invariant.examples.first() else { continue };
            writeln!(f, "{}: {}", invariant.name, shortest.what)?;
            shortest.lines.iter().try_for_each(|line| writeln!(f, "    {line}"))?;
            writeln!(f)?;
        }
        for not in &judgement.not_judged {
            writeln!(f, "not judged: {not}")?;
        }
        for missing in &judgement.missing {
            writeln!(f, "missing: {missing}")?;
        }
        writeln!(f, "{}", self.last_word())
    }
}

impl Verdict {
    fn last_word(&self) -> String {
        let judgement = &self.judgement;
        let mut word = match self.verdict {
            Result::Kept => format!("All {} promises were kept.", judgement.invariants.len()),
            Result::Broken => {
                let broken = judgement.invariants.iter().filter(|it| it.violations > 0).count();
                let times = judgement.violations();
                let promises = if broken == 1 { "promise was" } else { "promises were" };
                format!("{broken} {promises} broken, {times} times in all.")
            }
            Result::Unjudged => "No judgement: what it would be made of is incomplete.".to_owned(),
        };
        if let Some(run) = &judgement.run {
            let _ = write!(word, " The same again: {}", run.command);
        }
        word
    }
}

/// Of the tables, in characters: they go into documents too.
const WIDTH: u16 = 120;

fn table() -> Table {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(WIDTH);
    table
}

fn invariants(judgement: &Judgement) -> Table {
    let mut table = table();
    table.set_header(["INVARIANT", "VIOLATIONS", "PROMISE"]);
    for invariant in &judgement.invariants {
        let violations = invariant.violations.to_string();
        table.add_row([invariant.name, &violations, invariant.promise]);
    }
    if let Some(column) = table.column_mut(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    trimmed(table)
}

fn counts(judgement: &Judgement) -> Table {
    let counts = &judgement.counts;
    let mut table = table();
    if let Some(run) = &judgement.run {
        table.add_row(["seed".to_owned(), run.seed.to_string()]);
        table.add_row(["servers", &run.topology]);
        if let Some(broken) = &run.broken {
            table.add_row(["broken", broken]);
        }
    }
    let mut row = |name: &str, figures: &[(&str, u64)]| {
        let figures: Vec<String> = figures
            .iter()
            .filter(|(_, n)| *n > 0)
            .map(|(name, n)| format!("{n} {name}").trim_end().to_owned())
            .collect();
        let figures = if figures.is_empty() { "none".to_owned() } else { figures.join(", ") };
        table.add_row([name.to_owned(), figures]);
    };
    let puts = &counts.puts;
    row("jobs", &[("", counts.jobs)]);
    row(
        "puts",
        &[
            ("created", puts.created),
            ("existed", puts.existed),
            ("refused", puts.refused),
            ("failed", puts.failed),
            ("may have happened", puts.unknown),
        ],
    );
    row("claims", &[("made", counts.claims), ("begun", counts.claims_begun)]);
    let told = &counts.settlements;
    row(
        "settlements",
        &[
            ("completed", told.completed),
            ("failed", told.failed),
            ("rejected", told.rejected),
            ("released or handed back", told.returned),
            ("lost", told.lost),
            ("refused", told.refused),
            ("may have happened", told.unknown),
        ],
    );
    let ends = &counts.ends;
    row(
        "claims' ends",
        &[
            ("completed", ends.completed),
            ("failed", ends.failed),
            ("expired", ends.expired),
            ("taken back unbegun", ends.taken_back),
            ("given back", ends.returned),
        ],
    );
    let left = &counts.left;
    row(
        "jobs left",
        &[
            ("ready", left.ready),
            ("running", left.running),
            ("completed", left.completed),
            ("dead", left.dead),
            ("cancelled", left.cancelled),
        ],
    );
    let ended = counts.processes_ended.min(counts.processes);
    row("processes", &[("ended", ended), ("killed", counts.processes - ended)]);
    row("history", &[("lines", counts.lines), ("of the server", counts.writes)]);
    let faults: Vec<(&str, u64)> =
        counts.faults.iter().map(|(name, n)| (name.as_str(), *n)).collect();
    row("faults", &faults);
    trimmed(table)
}

/// Columns two spaces apart, the first at the edge.
fn trimmed(mut table: Table) -> Table {
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Run;
    use crate::judge::{Counts, Invariant, Violation};

    fn judgement(violations: u64) -> Judgement {
        let violation = Violation {
            what: "a was lost".to_owned(),
            job: "a".to_owned(),
            token: None,
            lines: vec!["12:00:00.000  server  nothing".to_owned()],
        };
        let run = Run { seed: 0, command: "cargo checker --seed 0".to_owned(), ..Run::default() };
        Judgement {
            run: Some(run),
            counts: Counts { jobs: 3, faults: [("cut".to_owned(), 2)].into(), ..Counts::default() },
            invariants: vec![Invariant {
                name: "lost-put",
                promise: "nothing is lost",
                violations,
                examples: vec![violation],
            }],
            ..Judgement::default()
        }
    }

    #[test]
    fn for_people_and_for_programs() -> anyhow::Result<()> {
        let kept: Verdict = judgement(0).into();
        let text = kept.to_string();
        assert!(text.ends_with("were kept. The same again: cargo checker --seed 0\n"), "{text}");
        assert!(text.contains("seed") && text.contains("2 cut") && !text.contains("a was lost"));
        let broken: Verdict = judgement(7).into();
        let text = broken.to_string();
        assert!(
            text.contains("lost-put: a was lost\n    12:00:00.000  server  nothing\n"),
            "{text}"
        );
        assert!(text.contains("1 promise was broken, 7 times in all."), "{text}");
        let json = serde_json::to_value(&broken)?;
        assert_eq!(json["verdict"], "broken");
        assert_eq!(json["invariants"][0]["violations"], 7);
        assert_eq!(json["run"]["seed"], 0);
        assert_eq!(json["counts"]["faults"]["cut"], 2);
        Ok(())
    }

    #[test]
    fn what_is_incomplete_is_not_judged() {
        let mut judgement = judgement(0);
        judgement.missing.push("a gap".to_owned());
        let verdict: Verdict = judgement.into();
        assert_eq!(verdict.verdict, Result::Unjudged);
        assert!(verdict.to_string().contains("missing: a gap"));
    }
}
