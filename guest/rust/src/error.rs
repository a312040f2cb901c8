//! Why a handler could not finish, and what is to be done with the job.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use crate::bindings::mongoqueue::jobs::types;
use crate::host_error::HostError;
use crate::time::millis;

/// What a handler returns, and most functions it calls.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A job that could not be finished: a message for people, a code for programs, a disposition.
///
/// Every [`std::error::Error`] turns into one by `?`, with [`Disposition::Retry`].
///
/// ```
/// use mongoqueue_guest::{Disposition, Error};
///
/// let error: Error = "seven".parse::<u32>().unwrap_err().into();
/// let error = error.reject().code("not-a-number");
/// assert_eq!(error.message(), "invalid digit found in string");
/// assert_eq!(error.disposition(), Disposition::Reject);
/// ```
pub struct Error {
    // Boxed, so that a `Result` stays small.
    failure: Box<Failure>,
}

struct Failure {
    message: String,
    code: Option<String>,
    disposition: Disposition,
}

/// What the host is to do next with a job that was not finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// Try again by the job's own back-off, while attempts are left.
    Retry,
    /// The same, but not before this long from now.
    RetryAfter(Duration),
    /// Put it back, due after this long, without counting an attempt.
    Release(Duration),
    /// Never try again: to the dead jobs.
    Reject,
}

impl Error {
    /// A failure that is tried again by the job's own back-off.
    pub fn new(message: impl fmt::Display) -> Self {
        let (message, code, disposition) = (message.to_string(), None, Disposition::Retry);
        Error { failure: Box::new(Failure { message, code, disposition }) }
    }

    /// Gives the failure a short stable code for programs, for example `smtp-550`.
    #[must_use]
    pub fn code(mut self, code: impl Into<String>) -> Self {
        self.failure.code = Some(code.into());
        self
    }

    /// Puts what was being done in front of the message: `reading the template: not found`.
    #[must_use]
    pub fn context(mut self, what: impl fmt::Display) -> Self {
        self.failure.message = format!("{what}: {}", self.failure.message);
        self
    }

    /// The same failure, never to be tried again.
    #[must_use]
    pub fn reject(self) -> Self {
        self.with(Disposition::Reject)
    }

    /// The same failure, to be tried again, but not before this long from now.
    #[must_use]
    pub fn retry_after(self, delay: Duration) -> Self {
        self.with(Disposition::RetryAfter(delay))
    }

    /// The same failure, put back without counting an attempt, due after this long.
    #[must_use]
    pub fn release(self, delay: Duration) -> Self {
        self.with(Disposition::Release(delay))
    }

    /// For people: the error's text and those of its sources.
    pub fn message(&self) -> &str {
        &self.failure.message
    }

    /// What is to be done with the job.
    pub fn disposition(&self) -> Disposition {
        self.failure.disposition
    }

    /// The code set by [`Error::code`], by the SDK (`bad-payload`) or taken from a [`HostError`].
    pub fn get_code(&self) -> Option<&str> {
        self.failure.code.as_deref()
    }

    fn with(mut self, disposition: Disposition) -> Self {
        self.failure.disposition = disposition;
        self
    }
}

/// A failure that is never tried again.
pub fn reject(message: impl fmt::Display) -> Error {
    Error::new(message).reject()
}

/// A failure that is tried again, but not before this long from now.
pub fn retry_after(delay: Duration, message: impl fmt::Display) -> Error {
    Error::new(message).retry_after(delay)
}

/// Not a failure: puts the job back, due after this long, without counting an attempt.
pub fn release(delay: Duration) -> Error {
    Error::new("released by the handler").release(delay)
}

/// Says what was being done when an error came.
///
/// ```
/// use mongoqueue_guest::{Context, Result};
///
/// fn port(text: &str) -> Result<u16> {
///     text.parse().context("reading the port")
/// }
/// assert_eq!(
///     port("x").unwrap_err().message(),
///     "reading the port: invalid digit found in string"
/// );
/// ```
pub trait Context<T> {
    /// Puts `what` in front of the message; of a `None` it is the message.
    fn context(self, what: impl fmt::Display) -> Result<T>;
}

impl<T, E: Into<Error>> Context<T> for Result<T, E> {
    fn context(self, what: impl fmt::Display) -> Result<T> {
        self.map_err(|error| error.into().context(what))
    }
}

impl<T> Context<T> for Option<T> {
    fn context(self, what: impl fmt::Display) -> Result<T> {
        self.ok_or_else(|| Error::new(what))
    }
}

impl<E: StdError + 'static> From<E> for Error {
    fn from(error: E) -> Self {
        let mut message = error.to_string();
        let mut code = None;
        let mut link: Option<&(dyn StdError + 'static)> = Some(&error);
        while let Some(error) = link {
            let text = error.to_string();
            // Many errors already say their source's words in their own.
            if !message.contains(&text) {
                message = format!("{message}: {text}");
            }
            code = code.or_else(|| error.downcast_ref().map(HostError::code));
            link = error.source();
        }
        let error = Error::new(message);
        match code {
            Some(code) => error.code(code),
            None => error,
        }
    }
}

impl From<Error> for types::Failure {
    fn from(error: Error) -> Self {
        let Failure { message, code, disposition } = *error.failure;
        let disposition = match disposition {
            Disposition::Retry => types::Disposition::Retry,
            Disposition::RetryAfter(delay) => types::Disposition::RetryAfter(millis(delay)),
            Disposition::Release(delay) => types::Disposition::Release(millis(delay)),
            Disposition::Reject => types::Disposition::Reject,
        };
        types::Failure { message, code, disposition }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.failure.message)
    }
}

/// The message as well: it is what a `main` that returns an [`Error`] shows.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.failure.message)?;
        match &self.failure.code {
            Some(code) => write!(f, " ({code})"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
