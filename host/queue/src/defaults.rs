//! What a job gets where a put doesn't say otherwise, and how long anything may take.

use std::time::Duration;

use crate::retry::Backoff;

/// The longest delay, time-out, back-off, lease or retention: a hundred years.
pub const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3_600);

/// What a job gets at put where the put doesn't say otherwise. Stored on the job, so that
/// consumers can't disagree about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Defaults {
    /// The longest that one attempt may take; also the lease of [`Queue::next`](crate::Queue::next). Default: 300 s.
    pub timeout: Duration,
    /// How many attempts may fail or time out before the job is dead. Default: 3.
    pub max_attempts: u32,
    /// The wait between attempts. Default: none.
    pub backoff: Backoff,
    /// How long a completed job stays, with its output. Default: `None`, it is removed at once.
    pub retain: Option<Duration>,
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(300),
            max_attempts: 3,
            backoff: Backoff::NONE,
            retain: None,
        }
    }
}
