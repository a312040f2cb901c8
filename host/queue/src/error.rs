//! The library's error: one enum, whose variants name the condition.

use std::time::Duration;

use crate::job::JobId;

mod driver;

/// What a call of this library answers.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call could not do what it was asked.
///
/// A job that failed is no `Error`: it is an [`Outcome`](crate::Outcome).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The claim is over: the lease ran out and was taken back, or the job was settled or cleared.
    /// Nothing was written.
    #[error("lease lost: job {id} is no longer held by this claim; nothing was written")]
    LeaseLost {
        /// The job that the caller no longer holds.
        id: JobId,
    },

    /// A live job of the queue has the unique key already. Nothing was put.
    #[error("duplicate: job {id} of queue {queue:?} is live and has the unique key {key:?}")]
    Duplicate {
        /// The queue.
        queue: String,
        /// The unique key that was asked for.
        key: String,
        /// The job that has it.
        id: JobId,
    },

    /// The queue has no such job (any more: completed jobs are removed unless retained).
    #[error("no such job: queue {queue:?} has no job {id}")]
    NoSuchJob {
        /// The queue that was asked.
        queue: String,
        /// The id that was asked for.
        id: JobId,
    },

    /// Something is larger than this connection lets through. Nothing was sent.
    #[error("{what} too large: {size} bytes, the limit is {limit}")]
    TooLarge {
        /// What is too large: "payload", "output", "saved state", "headers".
        what: &'static str,
        /// Its size in bytes of BSON.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },

    /// An argument that can never be accepted. Nothing was sent.
    #[error("invalid {what}: {why}")]
    Invalid {
        /// Which argument.
        what: &'static str,
        /// What is wrong with it and what would be right.
        why: String,
    },

    /// The lock was lost to another holder, or could not be kept.
    #[error("lock lost: {name:?} is no longer held by this holder")]
    LockLost {
        /// The lock's name.
        name: String,
    },

    /// The collection has not been set up, or not by a version that this one understands.
    #[error("collection {namespace} is not ready: {why}")]
    NotReady {
        /// `database.collection`.
        namespace: String,
        /// What is missing and which command makes it.
        why: String,
    },

    /// The server can't do what the queue needs.
    #[error("unsuitable server: {why}")]
    UnsuitableServer {
        /// What it lacks and how it gets it.
        why: String,
    },

    /// The database refused this user the right to do something.
    #[error("not allowed to {doing}: {why}")]
    NotAllowed {
        /// What was tried.
        doing: &'static str,
        /// The server's words, and the commands for whoever has the right.
        why: String,
    },

    /// No server answered.
    #[error("can't reach the database to {doing}: {}", driver::words(source))]
    Unreachable {
        /// What was tried.
        doing: &'static str,
        /// The driver's error.
        source: mongodb::error::Error,
    },

    /// The write was sent, and nothing that came back says what became of it: it may have happened,
    /// or not.
    ///
    /// A put with an id of the caller's own can be repeated safely; what became of a settlement
    /// shows when the job is read again.
    #[error("may have happened, or not: to {doing}: {}", driver::words(source))]
    MayHaveHappened {
        /// What was tried.
        doing: &'static str,
        /// The driver's error.
        source: mongodb::error::Error,
    },

    /// Too many others wanted the same documents for too long.
    #[error(
        "gave up after {tries} tries over {spent:?} to {doing}: others kept changing the same jobs"
    )]
    Contended {
        /// What was tried.
        doing: &'static str,
        /// How often.
        tries: u32,
        /// How long in all.
        spent: Duration,
    },

    /// The server answered with an error that has no variant of its own.
    #[error("the database failed to {doing}: {}", driver::words(source))]
    Database {
        /// What was tried.
        doing: &'static str,
        /// The driver's error.
        source: mongodb::error::Error,
    },

    /// A document in the collection is not one of ours.
    #[error("unreadable document: {why}")]
    Malformed {
        /// Which field and why.
        why: String,
    },
}

impl Error {
    pub(crate) fn invalid(what: &'static str, why: impl Into<String>) -> Self {
        Self::Invalid { what, why: why.into() }
    }

    /// Sorts a driver's error by what the caller can do about it.
    pub(crate) fn from_driver(doing: &'static str, source: mongodb::error::Error) -> Self {
        use mongodb::error::ErrorKind;
        match source.kind.as_ref() {
            ErrorKind::ServerSelection { .. }
            | ErrorKind::DnsResolve { .. }
            | ErrorKind::ConnectionPoolCleared { .. }
            | ErrorKind::Io(_) => Self::Unreachable { doing, source },
            ErrorKind::Authentication { message, .. } => Self::NotAllowed {
                doing,
                why: format!("{message}; check the user, the password and authSource in the URI"),
            },
            // 13 Unauthorized, 18 AuthenticationFailed.
            ErrorKind::Command(e) if e.code == 13 || e.code == 18 => {
                Self::NotAllowed { doing, why: e.message.clone() }
            }
            // 64 WriteConcernFailed and the like: the write is there, its safety is not known.
            ErrorKind::Write(mongodb::error::WriteFailure::WriteConcernError(_)) => {
                Self::MayHaveHappened { doing, source }
            }
            // Some are written, perhaps all, and not safe yet.
            ErrorKind::InsertMany(many) if many.write_concern_error.is_some() => {
                Self::MayHaveHappened { doing, source }
            }
            _ => Self::Database { doing, source },
        }
    }

    /// The same for a write: one that lost its answer may have happened.
    pub(crate) fn from_write(doing: &'static str, source: mongodb::error::Error) -> Self {
        use mongodb::error::ErrorKind;
        // What can be tried again the driver has tried again: this is the answer to the second try,
        // and the first may have taken effect.
        if source.contains_label("RetryableWriteError") || is_state_change(&source) {
            return Self::MayHaveHappened { doing, source };
        }
        match source.kind.as_ref() {
            // A pool is also cleared under commands that are on their way.
            ErrorKind::Io(_) | ErrorKind::ConnectionPoolCleared { .. } => {
                Self::MayHaveHappened { doing, source }
            }
            // The driver doesn't say that it has tried twice.
            ErrorKind::Command(e) if !REFUSALS.contains(&e.code) => {
                Self::MayHaveHappened { doing, source }
            }
            _ => Self::from_driver(doing, source),
        }
    }

    /// True where the same call may well succeed later: the database, not the caller, is at fault.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::MayHaveHappened { .. } | Self::Contended { .. } => {
                true
            }
            Self::Database { source, .. } => {
                source.contains_label("TransientTransactionError")
                    || source.contains_label("RetryableWriteError")
                    || is_state_change(source)
            }
            _ => false,
        }
    }
}

/// Codes of answers to a second try that say what became of the first: the command or its sender was
/// none that the server takes (BadValue, FailedToParse, Unauthorized, TypeMismatch,
/// AuthenticationFailed, IllegalOperation, CommandNotFound, InvalidOptions, InvalidNamespace,
/// CommandNotSupportedOnView, BSONObjectTooLarge), or the document could not be written
/// (DocumentValidationFailure, DuplicateKey), which the server's memory of a first try that took
/// effect would have come before.
const REFUSALS: [i32; 13] = [2, 9, 13, 14, 18, 20, 59, 72, 73, 121, 166, 10334, 11000];

/// Codes that a server answers while its replica set changes primary, or it shuts down
/// (MongoDB's "retryable writes" specification), or has no space for the write at the moment.
fn is_state_change(error: &mongodb::error::Error) -> bool {
    const CODES: [i32; 15] =
        [6, 7, 89, 91, 134, 189, 262, 9001, 10058, 10107, 11600, 11602, 13435, 13436, 14031];
    let code = match error.kind.as_ref() {
        mongodb::error::ErrorKind::Command(e) => Some(e.code),
        mongodb::error::ErrorKind::Write(mongodb::error::WriteFailure::WriteError(e)) => {
            Some(e.code)
        }
        _ => None,
    };
    code.is_some_and(|code| CODES.contains(&code))
}
