//! The judgement over a run: which promises were broken, by what the server says has happened and
//! what the processes say they were told. Pure.
//!
//! Clocks: only times of the server are compared with each other. What processes say is ordered by
//! what follows from what (a claim can be told of only after it was made), and for one invariant by
//! the clock that all processes of a machine share.
//!
//! A file for each invariant; `story` puts the two accounts together, `evidence` tells what
//! shows a violation.

use serde::Serialize;

use crate::history::History;
use crate::server::Account;

mod acknowledged_write_rolled_back;
mod answer;
mod attempts;
mod claimed_early;
mod counts;
mod died_early;
mod effect;
mod evidence;
mod heartbeat;
mod illegal_step;
mod lease_clock;
mod left;
mod lost_put;
mod no_lease;
mod order;
mod overlap;
mod phantom_job;
mod saved_went_back;
mod settled_after_loss;
mod settled_twice;
mod story;
mod stuck;
#[cfg(test)]
mod tests;
mod torn_record;

pub use counts::{Counts, Left, Settled};

use evidence::Found;
use story::Story;

/// What came out.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Judgement {
    /// What the run was, where it is on record.
    pub run: Option<crate::history::Run>,
    /// How much happened.
    pub counts: Counts,
    /// Each invariant.
    pub invariants: Vec<Invariant>,
    /// Why there can't be a judgement: something is missing from what it would be made of.
    pub missing: Vec<String>,
    /// What was not looked at, and why.
    pub not_judged: Vec<String>,
}

impl Judgement {
    /// All violations of all invariants.
    pub fn violations(&self) -> u64 {
        self.invariants.iter().map(|invariant| invariant.violations).sum()
    }
}

/// One promise.
#[derive(Clone, Debug, Serialize)]
pub struct Invariant {
    /// Its name.
    pub name: &'static str,
    /// What it says.
    pub promise: &'static str,
    /// How often it was broken.
    pub violations: u64,
    /// Some of those, the one with the shortest history first.
    pub examples: Vec<Violation>,
}

/// One time that a promise was broken.
#[derive(Clone, Debug, Serialize)]
pub struct Violation {
    /// In a sentence.
    pub what: String,
    /// The job.
    pub job: String,
    /// The claim, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// The lines that show it, in order of time.
    pub lines: Vec<String>,
}

type Check = fn(&Story<'_>, &mut Found<'_, '_>);

const INVARIANTS: [(&str, &str, Check); 18] = [
    ("lost-put", "a job whose put was acknowledged is settled, or is there", lost_put::check),
    ("phantom-job", "every job was put, once for each put, and as it was put", phantom_job::check),
    ("overlap", "no two consumers hold a job at a time", overlap::check),
    ("settled-twice", "a claim is settled at most once", settled_twice::check),
    (
        "settled-after-loss",
        "who has lost a claim can write nothing under it",
        settled_after_loss::check,
    ),
    ("answer", "done means written, and no means not written", answer::check),
    (
        "attempts",
        "failures and expired leases count one attempt, nothing else does",
        attempts::check,
    ),
    ("died-early", "no job dies of failures before max_attempts", died_early::check),
    (
        "saved-went-back",
        "saved state never goes back, and the next attempt is given the last",
        saved_went_back::check,
    ),
    ("no-lease", "whatever runs has a lease that names it, at every moment", no_lease::check),
    ("lease-clock", "leases begin and end by the server's clock", lease_clock::check),
    ("heartbeat", "a heartbeat says when the lease is gone", heartbeat::check),
    ("illegal-step", "a job goes from state to state only as it may", illegal_step::check),
    ("claimed-early", "no job is claimed before it is due", claimed_early::check),
    ("stuck", "what can be claimed is claimed, and what nobody holds comes back", stuck::check),
    ("order", "the highest priority first, then what is due longest", order::check),
    ("torn-record", "every counted attempt left its error record", torn_record::check),
    (
        "acknowledged-write-rolled-back",
        "what was acknowledged under a claim is in the server's account",
        acknowledged_write_rolled_back::check,
    ),
];

/// The names of all invariants.
pub fn invariants() -> impl Iterator<Item = &'static str> {
    INVARIANTS.into_iter().map(|(name, ..)| name)
}

/// Judges a run.
pub fn judge(history: &History, account: &Account) -> Judgement {
    let story = Story::tell(history, account);
    let mut judgement = Judgement {
        run: history.run().cloned(),
        counts: counts::count(&story),
        missing: missing(&story),
        not_judged: not_judged(history, account),
        ..Judgement::default()
    };
    if !judgement.missing.is_empty() {
        return judgement;
    }
    for (name, promise, check) in INVARIANTS {
        let mut found = Found::new(&story);
        check(&story, &mut found);
        let (violations, examples) = found.end();
        judgement.invariants.push(Invariant { name, promise, violations, examples });
    }
    judgement
}

fn missing(story: &Story<'_>) -> Vec<String> {
    let account = story.account;
    let mut missing: Vec<String> =
        account.gaps.iter().map(|why| format!("the server's account has a gap: {why}")).collect();
    if account.unreadable > 0 {
        missing.push(format!("{} lines of the server's account can't be read", account.unreadable));
    }
    if account.read_at.is_none() {
        missing.push("the run did not end: the collections were not read after it".to_owned());
    }
    missing.extend(left::unexplained(story));
    missing
}

fn not_judged(history: &History, account: &Account) -> Vec<String> {
    let mut not = Vec::new();
    if history.drain_began_us().is_none() {
        not.push("stuck: the run has no drain".to_owned());
    }
    if order::calm_phases(account).is_empty() {
        not.push("order: the run has no calm phase".to_owned());
    }
    not
}
