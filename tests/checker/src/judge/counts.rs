//! How much happened in a run.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::story::{How, Kind, Story};
use crate::history::{Answer, Event, Phase, PutAnswer, Verdict};
use crate::server::{Deed, Of};

/// Counts of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Jobs that somebody put or tried to.
    pub jobs: u64,
    /// Puts, by what was answered.
    pub puts: Puts,
    /// Jobs claimed, by the server's account.
    pub claims: u64,
    /// Those that consumers say they were given.
    pub claims_begun: u64,
    /// Settlements, by what consumers were told.
    pub settlements: Settled,
    /// How claims ended, by the server's account.
    pub ends: Ends,
    /// Jobs that were there at the end, by state.
    pub left: Left,
    /// Faults by name.
    pub faults: BTreeMap<String, u64>,
    /// Processes that began, and those of them that ended by themselves.
    pub processes: u64,
    /// Of those.
    pub processes_ended: u64,
    /// Lines of the histories.
    pub lines: u64,
    /// Those that could not be read: torn by a kill.
    pub lines_torn: u64,
    /// Writes in the server's account.
    pub writes: u64,
}

/// Puts of single jobs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Puts {
    /// Put.
    pub created: u64,
    /// There already.
    pub existed: u64,
    /// Refused.
    pub refused: u64,
    /// Failed.
    pub failed: u64,
    /// May have happened, or had no answer.
    pub unknown: u64,
}

/// Ends of claims, by what consumers were told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Settled {
    /// Done.
    pub completed: u64,
    /// To be tried again, or dead.
    pub failed: u64,
    /// Dead at once.
    pub rejected: u64,
    /// Released or handed back.
    pub returned: u64,
    /// The lease was lost.
    pub lost: u64,
    /// Refused for another reason.
    pub refused: u64,
    /// May have happened.
    pub unknown: u64,
}

/// Ends of claims, by the server's account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Ends {
    /// Done.
    pub completed: u64,
    /// Failed attempts.
    pub failed: u64,
    /// Leases that ran out under a job that may have been begun.
    pub expired: u64,
    /// Taken back with those, unbegun.
    pub taken_back: u64,
    /// Released or handed back.
    pub returned: u64,
}

/// Jobs by state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Left {
    /// Waiting.
    pub ready: u64,
    /// Claimed.
    pub running: u64,
    /// Done, and kept.
    pub completed: u64,
    /// Out of attempts, or rejected.
    pub dead: u64,
    /// Cancelled.
    pub cancelled: u64,
}

pub(super) fn count(story: &Story<'_>) -> Counts {
    let mut counts = Counts {
        lines: story.history.lines.len() as u64,
        lines_torn: story.history.unreadable,
        writes: story.account.writes.len() as u64,
        left: left(story),
        ..Counts::default()
    };
    let mut processes = BTreeSet::new();
    for line in &story.history.lines {
        match &line.event {
            Event::Began { .. } => {
                processes.insert(&*line.process);
            }
            Event::Ended { .. } => counts.processes_ended += 1,
            Event::Claimed { .. } => counts.claims_begun += 1,
            Event::Fault { name, phase: Phase::Begin, .. } => {
                *counts.faults.entry(name.clone()).or_default() += 1;
            }
            Event::SettleAnswer { verdict, answer, .. } => {
                settled(&mut counts.settlements, *verdict, answer);
            }
            _ => {}
        }
    }
    counts.processes = processes.len() as u64;
    for job in &story.jobs {
        counts.jobs += u64::from(!job.puts.is_empty());
        counts.claims += job.holds.len() as u64;
        for put in &job.puts {
            let puts = &mut counts.puts;
            *match put.answer {
                Some(PutAnswer::Created) => &mut puts.created,
                Some(PutAnswer::Existed) => &mut puts.existed,
                Some(PutAnswer::Refused { .. }) => &mut puts.refused,
                Some(PutAnswer::Failed { .. }) => &mut puts.failed,
                _ => &mut puts.unknown,
            } += 1;
        }
        for step in &job.steps {
            let Kind::End { how, .. } = step.kind else { continue };
            let ends = &mut counts.ends;
            *match how {
                How::Completed => &mut ends.completed,
                How::Failed => &mut ends.failed,
                How::Expired => &mut ends.expired,
                How::TakenBack => &mut ends.taken_back,
                How::Returned => &mut ends.returned,
            } += 1;
        }
    }
    counts
}

fn settled(settled: &mut Settled, verdict: Verdict, answer: &Answer) {
    *match (answer, verdict) {
        (Answer::Done { .. }, Verdict::Completed) => &mut settled.completed,
        (Answer::Done { .. }, Verdict::Failed) => &mut settled.failed,
        (Answer::Done { .. }, Verdict::Rejected) => &mut settled.rejected,
        (Answer::Done { .. }, Verdict::Released | Verdict::HandedBack) => &mut settled.returned,
        (Answer::LeaseLost, _) => &mut settled.lost,
        (Answer::Failed { .. }, _) => &mut settled.refused,
        _ => &mut settled.unknown,
    } += 1;
}

fn left(story: &Story<'_>) -> Left {
    let mut left = Left::default();
    for job in story.account.left.iter().filter(|job| job.of == Of::Job) {
        let Deed::Left { doc } = &job.deed else { continue };
        match doc.get("state").and_then(|state| state.as_str()) {
            Some("ready") => left.ready += 1,
            Some("running") => left.running += 1,
            Some("completed") => left.completed += 1,
            Some("dead") => left.dead += 1,
            Some("cancelled") => left.cancelled += 1,
            _ => {}
        }
    }
    left
}
