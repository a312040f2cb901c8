//! What a worker tells about its work.

use std::sync::Arc;
use std::time::Duration;

use crate::job::{JobId, State, Token};
use crate::outcome::Outcome;

/// Something that happened in a worker.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum WorkerEvent {
    /// It begins to look for jobs.
    Ready {
        /// The queues it serves.
        queues: Vec<String>,
    },
    /// A batch was claimed.
    Claimed {
        /// From this queue.
        queue: String,
        /// So many jobs.
        jobs: usize,
    },
    /// An attempt is over, and its end is written.
    Finished {
        /// The job's queue.
        queue: String,
        /// The job.
        id: JobId,
        /// The claim that it held.
        token: Token,
        /// Which attempt, from 1.
        attempt: u32,
        /// How long it ran.
        elapsed: Duration,
        /// What it came to.
        outcome: Arc<Outcome>,
        /// Where that leaves the job; `None` when it was removed, completed.
        state: Option<State>,
    },
    /// A claim was lost while its job ran or its end was being written: the result is dropped.
    LeaseLost {
        /// The job's queue.
        queue: String,
        /// The job.
        id: JobId,
        /// The claim that was lost.
        token: Token,
    },
    /// The claim is gone, or its lease ran out, while it was unknown whether the end of the attempt
    /// was written. It was, or the job is not settled and runs again.
    MayHaveHappened {
        /// The job's queue.
        queue: String,
        /// The job.
        id: JobId,
        /// The claim that it held.
        token: Token,
    },
    /// An expired lease was taken back, whoever held it.
    TookBack {
        /// The queue.
        queue: String,
        /// So many jobs came back.
        jobs: u64,
        /// Who had held the lease.
        consumer: String,
    },
    /// Jobs ran under no lease and were given back.
    Mended {
        /// Their queue.
        queue: String,
        /// So many jobs.
        jobs: u64,
    },
    /// The database fails; said once, until it answers again.
    Trouble {
        /// In the library's words.
        error: String,
    },
    /// The database answers again.
    Recovered {
        /// How long it did not.
        after: Duration,
    },
    /// The worker claims no more.
    Stopping {
        /// Jobs that still run.
        running: usize,
    },
}

/// What a worker did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Attempts that completed their job.
    pub completed: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// Jobs that died of those.
    pub dead: u64,
    /// Attempts that released their job.
    pub released: u64,
    /// Jobs given back uncounted.
    pub handed_back: u64,
    /// Claims that were lost.
    pub lost: u64,
    /// Attempts of which it stayed unknown whether their end was written.
    pub unknown: u64,
}
