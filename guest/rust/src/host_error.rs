//! What the host answers when it refuses or fails.

use std::fmt;

use crate::bindings::mongoqueue::jobs::types;

/// Why the host did not do what was asked.
///
/// Leaves a handler by `?` like any error: the failure then has [`HostError::code`] as its code,
/// and the job is tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum HostError {
    /// The name is not bound for this component, whether or not such a queue exists.
    AccessDenied,
    /// A limit of the host (bytes, count, rate), in words for people.
    LimitExceeded(String),
    /// An argument that can never be accepted, in words for people.
    InvalidArgument(String),
    /// A live job already has the unique key: the one with this id.
    Duplicate(String),
    /// No such job, or one that this component may not see.
    NoSuchJob,
    /// The lease has run out or passed to another worker. Nothing was written: stop.
    LeaseLost,
    /// The store did not answer; the write may or may not have happened.
    Unavailable(String),
    /// Anything else, in words for people.
    Other(String),
}

impl HostError {
    /// A short stable name for programs: `access-denied`, `limit-exceeded`, `invalid-argument`,
    /// `duplicate`, `no-such-job`, `lease-lost`, `unavailable` or `other`.
    pub fn code(&self) -> &'static str {
        match self {
            HostError::AccessDenied => "access-denied",
            HostError::LimitExceeded(_) => "limit-exceeded",
            HostError::InvalidArgument(_) => "invalid-argument",
            HostError::Duplicate(_) => "duplicate",
            HostError::NoSuchJob => "no-such-job",
            HostError::LeaseLost => "lease-lost",
            HostError::Unavailable(_) => "unavailable",
            HostError::Other(_) => "other",
        }
    }
}

impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HostError::AccessDenied => f.write_str("the host grants no queue of this name"),
            HostError::LimitExceeded(what) => write!(f, "over a limit of the host: {what}"),
            HostError::InvalidArgument(what) => write!(f, "invalid argument: {what}"),
            HostError::Duplicate(id) => write!(f, "job {id} already has the unique key"),
            HostError::NoSuchJob => f.write_str("no such job"),
            HostError::LeaseLost => f.write_str("the lease on the job is lost"),
            HostError::Unavailable(what) => write!(f, "the queue's store did not answer: {what}"),
            HostError::Other(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for HostError {}

impl From<types::Error> for HostError {
    fn from(error: types::Error) -> Self {
        match error {
            types::Error::AccessDenied => HostError::AccessDenied,
            types::Error::LimitExceeded(what) => HostError::LimitExceeded(what),
            types::Error::InvalidArgument(what) => HostError::InvalidArgument(what),
            types::Error::Duplicate(id) => HostError::Duplicate(id),
            types::Error::NoSuchJob => HostError::NoSuchJob,
            types::Error::LeaseLost => HostError::LeaseLost,
            types::Error::Unavailable(what) => HostError::Unavailable(what),
            types::Error::Other(what) => HostError::Other(what),
        }
    }
}
