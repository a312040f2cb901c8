//! The state of the world: a replica set, two workers, and what is on its way between them.

use std::collections::BTreeSet;

use super::documents::{Id, NOW};
use super::work::{Docs, End, Server, Work};

/// What one member of the replica set has.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Db {
    pub(super) docs: Docs,
    /// Tokens and jobs whose claim was ended here, and whether by its holder; kept for as long as
    /// somebody might say something about it.
    pub(super) ended: BTreeSet<(u8, u8, bool)>,
    /// Jobs that were removed as they may be.
    pub(super) removed: BTreeSet<u8>,
    /// Workers whose open commit is in here: the server's table of transactions.
    pub(super) committed: BTreeSet<u8>,
}

/// A job in a worker's hands, as it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Copy {
    pub(super) job: u8,
    pub(super) attempts: u32,
    pub(super) claims: u64,
    /// Zero once that is over.
    pub(super) due: i64,
}

/// A claim as its worker sees it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Held {
    pub(super) token: u8,
    /// Those whose end it hasn't written.
    pub(super) jobs: Vec<Copy>,
    /// Until when the lease is good by its own clock.
    pub(super) until: i64,
    /// It gave up on a commit that stayed without an answer.
    pub(super) unknown: bool,
}

impl Held {
    /// Nobody else can have the jobs, as far as this worker knows.
    pub(super) fn may_be_held(&self) -> bool {
        self.until > NOW
    }
}

/// What a worker is at.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Worker {
    Idle,
    /// Between the look and the mark.
    Found(Vec<Copy>),
    /// The mark's commit stayed without an answer: what does the token hold?
    Asking(Held),
    /// Runs them.
    Holding(Held),
    /// A settlement's commit stayed without an answer so far.
    Unsure {
        held: Held,
        settle: Work,
        gave_up: bool,
    },
}

impl Worker {
    pub(super) fn held(&self) -> Option<&Held> {
        match self {
            Self::Asking(held) | Self::Holding(held) | Self::Unsure { held, .. } => Some(held),
            _ => None,
        }
    }

    pub(super) fn held_mut(&mut self) -> Option<&mut Held> {
        match self {
            Self::Asking(held) | Self::Holding(held) | Self::Unsure { held, .. } => Some(held),
            _ => None,
        }
    }
}

/// How often things may go wrong, so that the world is finite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Left {
    pub(super) failovers: u8,
    /// Answers that are lost, and messages that are late.
    pub(super) unanswered: u8,
    /// Messages that come a second time.
    pub(super) repeats: u8,
    pub(super) cancels: u8,
    /// Ends of attempts that count none.
    pub(super) releases: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct World {
    /// What the primary has, and what no failover takes away: an earlier state of the same.
    pub(super) primary: Db,
    pub(super) durable: Db,
    pub(super) workers: [Worker; 2],
    /// Somebody who found an expired lease and is about to take it back.
    pub(super) taker: Option<Work>,
    /// Messages that may still come.
    pub(super) wire: Vec<Work>,
    /// Jobs whose cancel was answered.
    pub(super) cancelled: BTreeSet<u8>,
    pub(super) left: Left,
    /// The promise that the last step broke.
    pub(super) broken: Option<&'static str>,
}

/// What becomes of a message and its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wire {
    Answered,
    /// Done, but the answer is lost, and the majority doesn't have it yet.
    Unanswered,
    /// Not done yet, and nobody waits for it any more.
    Late,
    /// Done and answered, and it comes once more later.
    Twice,
    /// Without transactions: the sender dies after the first write.
    Torn,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Action {
    /// Time passes: leases run out, jobs become due.
    Tick,
    /// The majority has what the primary has.
    Replicate,
    /// The primary is another one, without what only the old one had.
    Failover,
    Find(u8),
    Mark(u8, Wire),
    /// What does the token of the unanswered mark hold?
    Ask(u8),
    Settle(u8, Work, Wire),
    /// Commit again.
    Retry(u8),
    /// No more patience with that commit: a new transaction.
    GiveUp(u8),
    Beat(u8, Wire),
    /// The worker dies, or takes its lease for lost.
    Forget(u8),
    /// Somebody reads an expired lease.
    Notice(Id),
    TakeBack(Wire),
    Cancel(u8),
    /// A message comes late.
    Deliver(usize),
}

impl World {
    /// The smallest number that is no token's.
    pub(super) fn fresh_token(&self, server: &Server) -> u8 {
        let used = self.tokens(server);
        (1..).find(|token| !used.contains(token)).expect("few tokens")
    }

    /// Every token that somebody knows.
    fn tokens(&self, server: &Server) -> BTreeSet<u8> {
        let docs = [&self.primary.docs, &self.durable.docs];
        let ids = docs.into_iter().flat_map(|docs| docs.jobs.iter().flatten().chain(&docs.leases));
        let written = ids.filter_map(|id| server.documents.get(*id).token());
        let held = self.workers.iter().filter_map(|it| it.held().map(|held| held.token));
        let sent = self.wire.iter().chain(&self.taker).filter_map(Work::token);
        written.chain(held).chain(sent).collect()
    }

    /// Everything gets older by a moment.
    pub(super) fn age(&mut self, server: &Server) {
        let older = |until: i64| (until - 1).max(NOW - 1);
        for db in [&mut self.primary, &mut self.durable] {
            for id in &mut db.docs.leases {
                let until = server.documents.get(*id).date("until");
                *id = server.documents.moved(*id, older(until));
            }
        }
        for held in self.workers.iter_mut().filter_map(Worker::held_mut) {
            held.until = older(held.until).max(NOW);
        }
        self.move_due(server, |due| due - 1);
    }

    /// The same world as it is written down once: times that are over are as recent as their order
    /// allows, and nothing is known of tokens that nobody knows.
    pub(super) fn tidy(mut self, server: &Server) -> Self {
        let recent = super::documents::recent_past(self.dues(server).into_iter());
        if recent.iter().any(|(from, to)| from != to) {
            self.move_due(server, |due| recent.get(&due).copied().unwrap_or(due));
        }
        let tokens = self.tokens(server);
        for db in [&mut self.primary, &mut self.durable] {
            db.ended.retain(|(token, ..)| tokens.contains(token));
        }
        self.wire.sort();
        self
    }

    fn dues(&self, server: &Server) -> Vec<i64> {
        let docs = [&self.primary.docs, &self.durable.docs];
        let jobs = docs.into_iter().flat_map(|docs| docs.jobs.iter().flatten());
        let jobs = jobs.filter_map(|id| server.documents.due(*id));
        let copies = self.workers.iter().flat_map(|worker| match worker {
            Worker::Found(found) => found.as_slice(),
            _ => &[],
        });
        let late = self.wire.iter().flat_map(|work| match work {
            Work::Mark { found, .. } => found.as_slice(),
            _ => &[],
        });
        jobs.chain(copies.chain(late).map(|copy| copy.due)).collect()
    }

    fn move_due(&mut self, server: &Server, mut to: impl FnMut(i64) -> i64) {
        for db in [&mut self.primary, &mut self.durable] {
            for id in db.docs.jobs.iter_mut().flatten() {
                if let Some(due) = server.documents.due(*id) {
                    *id = server.documents.moved(*id, to(due));
                }
            }
        }
        let found = self.workers.iter_mut().filter_map(|worker| match worker {
            Worker::Found(found) => Some(found),
            _ => None,
        });
        let late = self.wire.iter_mut().filter_map(|work| match work {
            Work::Mark { found, .. } => Some(found),
            _ => None,
        });
        found.chain(late).flatten().for_each(|copy| copy.due = to(copy.due));
    }
}

impl End {
    /// Counts no attempt, so that it could go on for ever.
    pub(super) fn is_free(self) -> bool {
        matches!(self, Self::Release | Self::HandBack)
    }
}
