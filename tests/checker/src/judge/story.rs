//! Server's account and histories put together: for each job what was written to it, who held it
//! from when to when, and what anybody said about it.
//!
//! - [`JobDoc`], [`LeaseDoc`]: what of a document matters here;
//! - [`Step`], [`Kind`]: a write to a job, and what it amounts to;
//! - [`Story`]: all of it.

use std::collections::{HashMap, HashSet};

use crate::history::{Event, History, Line};
use crate::server::{Account, Of};

mod documents;
mod replay;
mod said;
mod step;

pub(super) use documents::{JobDoc, LeaseDoc, Record, State};
pub(super) use said::{Call, Puts, What};
pub(super) use step::{Hold, How, Kind, Step, kind};

/// What became of one id.
#[derive(Default)]
pub(super) struct JobStory<'a> {
    pub(super) id: &'a str,
    /// The writes to it, in order.
    pub(super) steps: Vec<Step<'a>>,
    /// The claims on it, in order.
    pub(super) holds: Vec<Hold<'a>>,
    /// Lines of the histories that are about it, by their index.
    pub(super) lines: Vec<usize>,
    /// The puts of it.
    pub(super) puts: Vec<Puts<'a>>,
}

/// One change of a lease.
pub(super) struct LeaseStep<'a> {
    /// The position in the account.
    pub(super) at: usize,
    /// `None` when it is gone.
    pub(super) after: Option<LeaseDoc<'a>>,
}

/// See the head of this file.
pub(super) struct Story<'a> {
    pub(super) history: &'a History,
    pub(super) account: &'a Account,
    pub(super) jobs: Vec<JobStory<'a>>,
    pub(super) leases: HashMap<&'a str, Vec<LeaseStep<'a>>>,
    by_id: HashMap<&'a str, usize>,
    /// For each position of the account that of the first write of its transaction.
    groups: Vec<usize>,
    by_hand: HashSet<(Of, &'a str)>,
    authors: HashMap<&'a str, Option<&'a str>>,
}

/// The server's coarse clock, which dates its log, is behind its fine one by some milliseconds, and
/// by as long as it was frozen when it has just been woken. No fault freezes one for so long, in
/// milliseconds; and clocks are faked by ten minutes.
pub(super) const COARSE: i64 = 60_000;

impl<'a> Story<'a> {
    pub(super) fn tell(history: &'a History, account: &'a Account) -> Self {
        let by_hand = history.lines.iter().filter_map(|line| match &line.event {
            Event::ByHand { of, id, .. } if of == "lease" => Some((Of::Lease, id.as_str())),
            Event::ByHand { id, .. } => Some((Of::Job, id.as_str())),
            _ => None,
        });
        let mut story = Self {
            history,
            account,
            jobs: Vec::new(),
            leases: HashMap::new(),
            by_id: HashMap::new(),
            groups: Vec::with_capacity(account.writes.len()),
            by_hand: by_hand.collect(),
            authors: HashMap::new(),
        };
        story.replay();
        story.listen();
        story.authors = story.find_authors();
        story
    }

    pub(super) fn job(&self, id: &str) -> Option<&JobStory<'a>> {
        self.jobs.get(*self.by_id.get(id)?)
    }

    fn job_mut(&mut self, id: &'a str) -> &mut JobStory<'a> {
        let next = self.jobs.len();
        let index = *self.by_id.entry(id).or_insert(next);
        if index == next {
            self.jobs.push(JobStory { id, ..JobStory::default() });
        }
        // Just made, or known.
        &mut self.jobs[index]
    }

    /// The claim of that token on the job, in the account.
    pub(super) fn hold(&self, job: &str, token: &str) -> Option<(&JobStory<'a>, &Hold<'a>)> {
        let job = self.job(job)?;
        Some((job, job.holds.iter().find(|hold| hold.token == token)?))
    }

    /// The position of the first write of the transaction that has the write at `at`.
    pub(super) fn group(&self, at: usize) -> usize {
        self.groups.get(at).copied().unwrap_or(at)
    }

    /// The server's coarse clock at a write.
    pub(super) fn wall(&self, at: usize) -> i64 {
        self.account.writes.get(at).map_or(0, |write| write.wall)
    }

    /// The server's time of a write that has also noted the fine clock.
    pub(super) fn time(&self, at: usize, fine: Option<i64>) -> i64 {
        let wall = self.wall(at);
        fine.filter(|fine| *fine - wall < COARSE).map_or(wall, |fine| fine.max(wall))
    }

    /// The lease as it was before the position.
    pub(super) fn lease_before(&self, token: &str, at: usize) -> Option<&LeaseDoc<'a>> {
        let steps = self.leases.get(token)?;
        let before = steps.iter().take_while(|step| step.at < at).last();
        before?.after.as_ref()
    }

    /// The position at which the lease was removed for good.
    pub(super) fn lease_removed(&self, token: &str) -> Option<usize> {
        let last = self.leases.get(token)?.last()?;
        last.after.is_none().then_some(last.at)
    }

    /// The process that made the transaction of a write, where that is known.
    pub(super) fn author(&self, at: usize) -> Option<&'a str> {
        *self.authors.get(self.session(at)?)?
    }

    fn session(&self, at: usize) -> Option<&'a str> {
        let txn = self.account.writes.get(at)?.txn.as_deref()?;
        txn.split_once(':').map(|(session, _)| session)
    }

    /// A session belongs to one process: that which was given what was claimed in it.
    fn find_authors(&self) -> HashMap<&'a str, Option<&'a str>> {
        let mut authors = HashMap::new();
        for job in &self.jobs {
            for hold in &job.holds {
                let from = job.steps.get(hold.from).and_then(|step| self.session(step.at));
                let (Some(session), Some(process)) = (from, self.holder(job, hold.token)) else {
                    continue;
                };
                let known = authors.entry(session).or_insert(Some(process));
                *known = known.filter(|known| *known == process);
            }
        }
        authors
    }

    /// The process that was given the job under a claim.
    pub(super) fn holder(&self, job: &JobStory<'_>, token: &str) -> Option<&'a str> {
        self.lines(job).find_map(|(_, line)| match &line.event {
            Event::Claimed { token: its, .. } if its == token => Some(&*line.process),
            _ => None,
        })
    }

    /// True where the checker itself meddled with the document.
    pub(super) fn was_meddled_with(&self, of: Of, id: &str) -> bool {
        self.by_hand.contains(&(of, id))
    }

    /// The lines about a job.
    pub(super) fn lines(&self, job: &JobStory<'_>) -> impl Iterator<Item = (usize, &'a Line)> {
        let all = &self.history.lines;
        let lines: Vec<usize> = job.lines.clone();
        lines.into_iter().filter_map(move |index| Some((index, all.get(index)?)))
    }
}
