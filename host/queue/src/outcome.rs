//! What an attempt came to.

use std::backtrace::Backtrace;
use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use crate::payload::Payload;

mod evidence;

pub use evidence::Evidence;

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The work is done, with or without an output.
    Completed(Option<Payload>),
    /// It is not; counted as an attempt.
    Failed(Failure),
    /// The job is put back, due after `delay`; no attempt is counted.
    Released {
        /// From now.
        delay: Duration,
    },
    /// The attempt never started, or the host is at fault: the job goes back to its place in the
    /// queue, no attempt is counted.
    HandedBack,
}

/// Why an attempt failed; becomes the job's error record.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// The name of the death: `failure`, `trap:<code>`, `timeout`, `memory`, `limit:<which>`,
    /// `exit`, `load`, `panic`, … (docs/deaths.md).
    pub kind: Cow<'static, str>,
    /// For people; cut at 4 KiB.
    pub message: String,
    /// A short stable code for programs; cut at 100 bytes.
    pub code: Option<String>,
    /// What is to become of the job.
    pub disposition: Disposition,
    /// The tail of what the attempt wrote to stderr; cut at 8 KiB.
    pub stderr: Option<String>,
    /// A frame a line; cut at 8 KiB.
    pub backtrace: Option<String>,
    /// What ran, and what it used up. Wall time and the worker's version are the worker's to add.
    pub evidence: Box<Evidence>,
}

/// What is to become of a job whose attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Disposition {
    /// Try again by the job's own back-off, while attempts are left.
    #[default]
    Retry,
    /// The same, but not before this long from now.
    RetryAfter(Duration),
    /// Never again: to the dead jobs.
    Reject,
}

impl Failure {
    /// A failure that the handler reports, to be tried again.
    pub fn new(message: impl Into<String>) -> Self {
        Self::of_kind("failure", message)
    }

    /// A failure by another name.
    pub fn of_kind(kind: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self {
            kind: kind.into(),
            message: message.into(),
            code: None,
            disposition: Disposition::Retry,
            stderr: None,
            backtrace: None,
            evidence: Box::default(),
        }
    }

    /// The same failure with a code for programs.
    pub fn code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// The same failure, never to be tried again.
    pub fn reject(mut self) -> Self {
        self.disposition = Disposition::Reject;
        self
    }

    /// The same failure, to be tried again not before `delay` from now.
    pub fn retry_after(mut self, delay: Duration) -> Self {
        self.disposition = Disposition::RetryAfter(delay);
        self
    }
}

/// Any error of a handler's own.
pub type BoxError = Box<dyn StdError + Send + Sync>;

impl Failure {
    /// From any error: the message is the chain of its causes, the backtrace its own where its
    /// `Debug` form has one (as that of `anyhow`), else that of this call.
    pub fn from_error(error: &(dyn StdError + 'static)) -> Self {
        if let Some(failure) = error.downcast_ref::<Self>() {
            return failure.clone();
        }
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            // Some errors repeat their cause in their own words.
            let words = error.to_string();
            if !message.ends_with(&words) {
                message = format!("{message}: {words}");
            }
            cause = error.source();
        }
        let debug = format!("{error:?}");
        let own = debug.split_once("Stack backtrace:\n").map(|(_, trace)| trace.to_owned());
        let mut failure = Self::new(message);
        failure.backtrace = Some(own.unwrap_or_else(|| Backtrace::force_capture().to_string()));
        failure
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Failure {}

impl From<&str> for Failure {
    fn from(message: &str) -> Self {
        Self::new(message)
    }
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self::new(message)
    }
}

impl<E: Into<BoxError>> From<Result<(), E>> for Outcome {
    fn from(result: Result<(), E>) -> Self {
        result.map(|()| None).into()
    }
}

impl<E: Into<BoxError>> From<Result<Payload, E>> for Outcome {
    fn from(result: Result<Payload, E>) -> Self {
        result.map(Some).into()
    }
}

impl<E: Into<BoxError>> From<Result<Option<Payload>, E>> for Outcome {
    fn from(result: Result<Option<Payload>, E>) -> Self {
        match result {
            Ok(output) => Self::Completed(output),
            Err(error) => Self::Failed(Failure::from_error(error.into().as_ref())),
        }
    }
}
