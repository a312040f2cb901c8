//! What a process can say. Job ids and tokens are what the library prints.

use serde::{Deserialize, Serialize};

/// Something that a process did or was told. A call is written down before it is made, its answer
/// afterwards; a call without an answer may have had its effect or not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// The process is there.
    Began {
        /// `producer`, `worker`, `wasm-worker`, `puller`, `checker`.
        role: String,
        /// The queues that it serves or fills.
        queues: Vec<String>,
        /// The name that it claims under; empty for one that claims nothing.
        consumer: String,
    },
    /// The process ends by itself: everything it did is on record.
    Ended {
        /// As it should.
        clean: bool,
    },
    /// The run as a whole: the checker's first line.
    Run(Run),

    /// One `put` or `put_many` is about to be called.
    PutCall {
        /// Names the call in this process.
        call: u64,
        /// What is put, with ids of the producer's own.
        jobs: Vec<PutJob>,
    },
    /// Its answer, one per job, in the order of the call.
    PutAnswer {
        /// The call.
        call: u64,
        /// An answer for each job.
        answers: Vec<PutAnswer>,
    },
    /// `Queue::cancel` is about to be called.
    CancelCall {
        /// The job.
        job: String,
    },
    /// Its answer; `Done` has the state that it gave.
    CancelAnswer {
        /// The job.
        job: String,
        /// What it said.
        answer: Answer,
    },

    /// A consumer has a claimed job in its hands: the handler was called with it, or `next` gave it.
    Claimed {
        /// The job.
        job: String,
        /// The token of the claim.
        token: String,
        /// `Job::attempt()`, from 1.
        attempt: u32,
        /// The counter that an earlier attempt saved, as this one was given it.
        saved: Option<u64>,
        /// The length of the lease.
        lease_ms: u64,
    },
    /// `Attempt::save` is about to be called.
    SaveCall {
        /// The job.
        job: String,
        /// The claim.
        token: String,
        /// The counter that is saved: larger than any that was saved for this job before.
        value: u64,
    },
    /// Its answer.
    SaveAnswer {
        /// The job.
        job: String,
        /// The claim.
        token: String,
        /// The counter.
        value: u64,
        /// What it said.
        answer: Answer,
    },
    /// `heartbeat` is about to be called, by the handler or the puller.
    HeartbeatCall {
        /// The job.
        job: String,
        /// The claim.
        token: String,
    },
    /// Its answer.
    HeartbeatAnswer {
        /// The job.
        job: String,
        /// The claim.
        token: String,
        /// What it said; `Done` for a lease that was kept.
        answer: Answer,
    },
    /// The attempt is over: the wrapped handler is about to return this, or the puller to settle.
    SettleCall {
        /// The job.
        job: String,
        /// The claim.
        token: String,
        /// What it came to.
        verdict: Verdict,
    },
    /// What became of the settlement: the puller's answer, or the worker's event about this claim.
    SettleAnswer {
        /// The job.
        job: String,
        /// The claim.
        token: String,
        /// What was written, by the answer: an outcome too large to keep is a rejection.
        verdict: Verdict,
        /// What it said; `Done` has the state, where the call gives it.
        answer: Answer,
    },

    /// The checker makes something fail, or heals it.
    Fault {
        /// The fault's name.
        name: String,
        /// Its begin or its end.
        phase: Phase,
        /// Which process, which node, how.
        detail: String,
    },
    /// The checker itself changed a document, as a careless operator would: what follows from that
    /// for this job or lease is nobody's fault.
    ByHand {
        /// `lease` or `job`.
        of: String,
        /// The token or the job's id.
        id: String,
        /// What was done.
        deed: String,
    },
    /// One consumer alone works through a queue to which nothing is added. The server's account has
    /// marks of the same names, see [`calm_mark`](Self::calm_mark).
    Calm {
        /// Its begin or its end.
        phase: Phase,
        /// The queue.
        queue: String,
    },
    /// Every fault is healed and consumers of every queue run; its end is the last thing before the
    /// collections are read.
    Drain {
        /// Its begin or its end.
        phase: Phase,
    },
    /// A worker found its queue empty, or its database in trouble, and the like: for people.
    Note {
        /// In words.
        text: String,
        /// The job that it is about.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        job: Option<String>,
    },
    /// One that this version doesn't know.
    #[serde(other)]
    Unknown,
}

impl Event {
    /// The name of the mark in the server's account at the begin or end of a calm phase.
    pub fn calm_mark(phase: Phase, queue: &str) -> String {
        match phase {
            Phase::Begin => format!("calm-begin {queue}"),
            Phase::End => format!("calm-end {queue}"),
        }
    }

    /// The job that it is about, if it is about one.
    pub fn job(&self) -> Option<&str> {
        match self {
            Self::CancelCall { job }
            | Self::CancelAnswer { job, .. }
            | Self::Claimed { job, .. }
            | Self::SaveCall { job, .. }
            | Self::SaveAnswer { job, .. }
            | Self::HeartbeatCall { job, .. }
            | Self::HeartbeatAnswer { job, .. }
            | Self::SettleCall { job, .. }
            | Self::SettleAnswer { job, .. } => Some(job),
            Self::Note { job, .. } => job.as_deref(),
            Self::ByHand { of, id, .. } if of == "job" => Some(id),
            _ => None,
        }
    }

    /// The claim that it is about, if it is about one.
    pub fn token(&self) -> Option<&str> {
        match self {
            Self::Claimed { token, .. }
            | Self::SaveCall { token, .. }
            | Self::SaveAnswer { token, .. }
            | Self::HeartbeatCall { token, .. }
            | Self::HeartbeatAnswer { token, .. }
            | Self::SettleCall { token, .. }
            | Self::SettleAnswer { token, .. } => Some(token),
            Self::ByHand { of, id, .. } if of == "lease" => Some(id),
            _ => None,
        }
    }
}

/// What a run is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Run {
    /// Repeats the schedule.
    pub seed: u64,
    /// The command line that repeats the run.
    pub command: String,
    /// `single` or `three`.
    pub topology: String,
    /// The safeguard that was taken out, if one was.
    pub broken: Option<String>,
}

/// A job as it is put.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PutJob {
    /// Its id, the producer's own.
    pub id: String,
    /// The queue.
    pub queue: String,
    /// Higher first.
    #[serde(default)]
    pub priority: i32,
    /// Attempts that may fail.
    pub max_attempts: u32,
    /// Unique among the live jobs of the queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unique_key: Option<String>,
    /// Due so long after the put.
    #[serde(default)]
    pub delay_ms: u64,
}

/// What a put said about one job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum PutAnswer {
    /// It was put.
    Created,
    /// It, or the same put before, was there already.
    Existed,
    /// It can't be put, for example because another job has its unique key. Nothing happened.
    Refused {
        /// The library's words.
        why: String,
    },
    /// It was not put; the database is at fault.
    Failed {
        /// The library's words.
        why: String,
    },
    /// Nobody knows.
    MayHaveHappened {
        /// The library's words.
        why: String,
    },
    /// One that this version doesn't know; as good as no answer.
    #[serde(other)]
    Unknown,
}

/// What a write said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Answer {
    /// It was written.
    Done {
        /// The state of the job after it, where the answer says so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        state: Option<String>,
    },
    /// Nothing was written: the claim is over.
    LeaseLost,
    /// Nothing was written; the caller or the database is at fault.
    Failed {
        /// The library's words.
        why: String,
    },
    /// Nobody knows.
    MayHaveHappened {
        /// The library's words.
        why: String,
    },
    /// One that this version doesn't know; as good as no answer.
    #[serde(other)]
    Unknown,
}

impl Answer {
    /// Done, without a state.
    pub const DONE: Self = Self::Done { state: None };

    /// True for one that says that it was written.
    pub fn is_done(&self) -> bool {
        matches!(self, Self::Done { .. })
    }

    /// True for one that says that nothing was written.
    pub fn is_no(&self) -> bool {
        matches!(self, Self::LeaseLost | Self::Failed { .. })
    }
}

/// How an attempt ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The work is done.
    Completed,
    /// Counted, and tried again while attempts are left.
    Failed,
    /// Counted, and never tried again.
    Rejected,
    /// Not counted; due after a delay.
    Released,
    /// Not counted; back to its place.
    HandedBack,
    /// One that this version doesn't know.
    #[serde(other)]
    Unknown,
}

/// Something begins or ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// From here.
    Begin,
    /// To here.
    End,
}
