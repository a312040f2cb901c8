//! The job: its document, and the states it passes through.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use bson::oid::ObjectId;
use bson::{Bson, DateTime, Uuid};

use crate::error::{Error, Result};
use crate::outcome::Evidence;
use crate::payload::Payload;
use crate::retry::Backoff;

mod read;

/// Identifies a job in its collection: minted by the library, or the caller's own.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum JobId {
    /// Minted at put.
    Minted(ObjectId),
    /// The caller's own: 1 to 200 bytes, not 24 hexadecimal digits (that is a minted one).
    Own(String),
}

impl JobId {
    /// A new id of this library's.
    pub fn mint() -> Self {
        Self::Minted(ObjectId::new())
    }

    pub(crate) fn to_bson(&self) -> Bson {
        match self {
            Self::Minted(id) => Bson::ObjectId(*id),
            Self::Own(id) => Bson::String(id.clone()),
        }
    }

    /// `None` for what is no id of a job.
    pub(crate) fn from_bson(value: &Bson) -> Option<Self> {
        match value {
            Bson::ObjectId(id) => Some(Self::Minted(*id)),
            Bson::String(id) => Some(Self::Own(id.clone())),
            _ => None,
        }
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Minted(id) => f.write_str(&id.to_hex()),
            Self::Own(id) => f.write_str(id),
        }
    }
}

impl FromStr for JobId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if let Ok(id) = ObjectId::parse_str(text) {
            return Ok(Self::Minted(id));
        }
        match text.len() {
            // Long enough for any natural key, short enough for an index.
            1..=200 if !text.contains('\0') => Ok(Self::Own(text.to_owned())),
            0 => Err(Error::invalid("job id", "it is empty")),
            1..=200 => Err(Error::invalid("job id", "it contains a NUL")),
            n => {
                Err(Error::invalid("job id", format!("it has {n} bytes, at most 200 are allowed")))
            }
        }
    }
}

/// Names one claim, never reused; the fence of every write after it, and the `_id` of its lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token(pub(crate) Uuid);

impl Token {
    /// A new token: a UUID of version 7. Those of one time lie together in the index of the leases,
    /// where the keys of older ones would be in the way of a search.
    pub fn mint() -> Self {
        Self(Uuid::from_bytes(uuid::Uuid::now_v7().into_bytes()))
    }

    pub(crate) fn to_bson(self) -> Bson {
        self.0.into()
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Token {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let uuid = Uuid::parse_str(text);
        uuid.map(Self).map_err(|_| Error::invalid("token", "it is no UUID as `next` prints them"))
    }
}

/// Where a job stands in the database. "Scheduled" is `Ready` with a later `due`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Waits to be claimed, from `due` on.
    Ready,
    /// Claimed, under a lease.
    Running,
    /// Done; kept for its retention.
    Completed,
    /// Out of attempts, or rejected; kept until retried or cleared.
    Dead,
    /// Cancelled before it was done.
    Cancelled,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 5] =
        [Self::Ready, Self::Running, Self::Completed, Self::Dead, Self::Cancelled];

    /// The name in the document.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Dead => "dead",
            Self::Cancelled => "cancelled",
        }
    }

    /// True for the states that a job doesn't leave by itself.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Dead | Self::Cancelled)
    }

    /// The state after `event`, or `None` where a job in this state can't have that event.
    ///
    /// `spent`: no attempt is left after this one. `cancelled`: somebody asked for the running job
    /// to be cancelled, which takes effect when it would otherwise run again.
    pub const fn after(self, event: Event) -> Option<Self> {
        use Event::{Cancel, Claim, Complete, Expire, Fail, HandBack, Reject, Release, Retry};
        match (self, event) {
            (Self::Ready, Claim) => Some(Self::Running),
            (Self::Ready, Cancel) => Some(Self::Cancelled),
            // A request; the running attempt's end decides.
            (Self::Running, Cancel) => Some(Self::Running),
            (Self::Running, Complete) => Some(Self::Completed),
            (Self::Running, Fail { cancelled: true, .. } | Expire { cancelled: true, .. }) => {
                Some(Self::Cancelled)
            }
            (Self::Running, Release { cancelled: true } | HandBack { cancelled: true }) => {
                Some(Self::Cancelled)
            }
            (Self::Running, Reject | Fail { spent: true, .. } | Expire { spent: true, .. }) => {
                Some(Self::Dead)
            }
            (Self::Running, Fail { .. } | Expire { .. } | Release { .. } | HandBack { .. }) => {
                Some(Self::Ready)
            }
            (Self::Dead | Self::Cancelled, Retry) => Some(Self::Ready),
            _ => None,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for State {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|state| state.name() == text).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            Error::invalid("state", format!("{text:?} is none of {names}"))
        })
    }
}

/// What can happen to a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// A consumer takes it.
    Claim,
    /// The attempt did its work.
    Complete,
    /// The attempt failed; counted.
    Fail {
        /// No attempt is left after this one.
        spent: bool,
        /// Somebody had asked for it to be cancelled.
        cancelled: bool,
    },
    /// The attempt said that no other will do better.
    Reject,
    /// The attempt puts it back with a delay of its own; not counted.
    Release {
        /// Somebody had asked for it to be cancelled.
        cancelled: bool,
    },
    /// The worker gives it back as it was, to its old place; not counted.
    HandBack {
        /// Somebody had asked for it to be cancelled.
        cancelled: bool,
    },
    /// Its lease ran out; counted.
    Expire {
        /// No attempt is left after this one.
        spent: bool,
        /// Somebody had asked for it to be cancelled.
        cancelled: bool,
    },
    /// Somebody wants it not to run (any more).
    Cancel,
    /// Somebody wants a dead or cancelled job to run again.
    Retry,
}

/// How far a job's work is.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Progress {
    /// Units done.
    pub count: u64,
    /// Units in all, where known.
    pub total: Option<u64>,
    /// For people; at most 1 KiB is kept.
    pub note: Option<String>,
}

/// The record of one attempt that did not complete.
#[derive(Clone, Debug, PartialEq)]
pub struct ErrorRecord {
    /// Which attempt, from 1.
    pub attempt: u32,
    /// When it ended, by the database's clock.
    pub at: DateTime,
    /// The worker it ran on.
    pub consumer: String,
    /// The name of the death, for example `trap:unreachable` (docs/deaths.md has them all).
    pub kind: String,
    /// For people.
    pub message: String,
    /// The guest's own stable code.
    pub code: Option<String>,
    /// The tail of the guest's stderr.
    pub stderr: Option<String>,
    /// The guest's backtrace, a frame a line.
    pub backtrace: Option<String>,
    /// What ran, and what it used up.
    pub evidence: Evidence,
}

/// Who runs a job now.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// The fence.
    pub token: Token,
    /// The worker's name.
    pub consumer: String,
    /// When it was claimed, by the database's clock.
    pub at: DateTime,
}

/// A job as it was when it was read.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// The queue it is on.
    pub queue: String,
    /// Where it stands.
    pub state: State,
    /// Higher first.
    pub priority: i32,
    /// When it may be claimed; meaningless while it runs.
    pub due: DateTime,
    /// What to work on.
    pub payload: Payload,
    /// Small strings beside the payload.
    pub headers: Vec<(String, String)>,
    /// Attempts that failed or timed out so far.
    pub attempts: u32,
    /// How many may.
    pub max_attempts: u32,
    /// The longest that one attempt may take.
    pub timeout: Duration,
    /// The wait between attempts.
    pub backoff: Backoff,
    /// How long it stays once completed; `None` removes it at once.
    pub retain: Option<Duration>,
    /// Times claimed; only ever grows.
    pub claims: u64,
    /// Who runs it, while it runs.
    pub claim: Option<Claim>,
    /// What was last reported.
    pub progress: Option<Progress>,
    /// What an attempt saved for a later one.
    pub saved: Option<Payload>,
    /// The last attempts that did not complete, oldest first.
    pub errors: Vec<ErrorRecord>,
    /// When somebody asked the running job to stop.
    pub cancel_at: Option<DateTime>,
    /// Unique among the live jobs of the queue.
    pub unique_key: Option<String>,
    /// What the handler returned, for a retained job.
    pub output: Option<Payload>,
    /// When it was put.
    pub created_at: DateTime,
    /// When it was completed, died or was cancelled.
    pub finished_at: Option<DateTime>,
}

impl Job {
    /// The number of the attempt that runs, or would run next: 1 is the first.
    pub fn attempt(&self) -> u32 {
        self.attempts.saturating_add(1)
    }

    /// What the last failed attempt said.
    pub fn last_error(&self) -> Option<&ErrorRecord> {
        self.errors.last()
    }

    /// A job that is on no queue: for a handler's own tests, and to replay one.
    pub fn new(queue: &str, payload: Payload) -> Self {
        let defaults = crate::defaults::Defaults::default();
        Self {
            id: JobId::mint(),
            queue: queue.to_owned(),
            state: State::Running,
            priority: 0,
            due: DateTime::from_millis(0),
            payload,
            headers: Vec::new(),
            attempts: 0,
            max_attempts: defaults.max_attempts,
            timeout: defaults.timeout,
            backoff: defaults.backoff,
            retain: defaults.retain,
            claims: 1,
            claim: None,
            progress: None,
            saved: None,
            errors: Vec::new(),
            cancel_at: None,
            unique_key: None,
            output: None,
            created_at: DateTime::from_millis(0),
            finished_at: None,
        }
    }

    pub(crate) fn from_document(document: &bson::RawDocument) -> Result<Self> {
        read::job(document)
    }
}

/// The id of a document that may be a job.
pub(crate) fn read_id(document: &bson::RawDocument) -> Option<JobId> {
    read::id(document.get("_id").ok()??).ok()
}

/// The id of a job and the token that holds it.
pub(crate) fn read_holder(document: &bson::RawDocument) -> (Option<JobId>, Option<Token>) {
    (read_id(document), read::token(document))
}

/// Durations are stored in whole milliseconds; the longest is about 290 million years.
pub(crate) fn to_millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
