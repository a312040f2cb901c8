//! Pulling jobs, for a guest that runs its own loop.

use std::time::Duration;

use crate::attempt::host_progress;
use crate::bindings::mongoqueue::jobs::{consumer, queue};
use crate::error::{Error, Result};
use crate::host_error::HostError;
use crate::job::Job;
use crate::payload::{FromPayload, IntoPayload, output};
use crate::time::millis;

/// A claimed job, ours for as long as the lease; from [`Queue::next`](crate::Queue::next).
///
/// [`complete`](Lease::complete), [`fail`](Lease::fail) and [`release`](Lease::release) end it.
/// One that is dropped, or whose guest traps, goes back to the queue, at the latest when the
/// lease runs out. All of them answer [`HostError::LeaseLost`] when it has: another worker has
/// the job then, and nothing was written.
#[derive(Debug)]
#[must_use = "a lease that is dropped puts its job back"]
pub struct Lease {
    handle: consumer::Lease,
}

impl Lease {
    pub(crate) fn next(
        queue: &queue::Queue,
        lease: Duration,
        wait: Duration,
    ) -> Result<Option<Lease>, HostError> {
        let handle = consumer::next(queue, millis(lease), millis(wait))?;
        Ok(handle.map(|handle| Lease { handle }))
    }

    /// The job, with its payload as a `T`.
    ///
    /// # Errors
    ///
    /// The payload is no `T`: a rejection with the code `bad-payload`, to be passed to
    /// [`Lease::fail`].
    pub fn job<T: FromPayload>(&self) -> Result<Job<T>> {
        Job::read(self.handle.job())
    }

    /// Says how far the work is, and extends the lease; as [`progress`](crate::progress).
    pub fn progress(&self, count: u64, total: Option<u64>, note: &str) -> Result<(), HostError> {
        Ok(self.handle.report(&host_progress(count, total, note))?)
    }

    /// Keeps the job for this long from now.
    pub fn extend(&self, by: Duration) -> Result<(), HostError> {
        Ok(self.handle.extend(millis(by))?)
    }

    /// The job is done. What is written as `null` (`()`, `None`) is no output.
    ///
    /// # Errors
    ///
    /// [`HostError::InvalidArgument`] for an output that cannot be written as JSON, and the lease
    /// is dropped; [`Lease::run`] makes a failure of it.
    pub fn complete(self, value: impl IntoPayload) -> Result<(), HostError> {
        let output = output(value)
            .map_err(|error| HostError::InvalidArgument(error.message().to_owned()))?;
        Ok(consumer::Lease::complete(self.handle, output.as_ref())?)
    }

    /// The job could not be done; its disposition says what is next.
    pub fn fail(self, error: impl Into<Error>) -> Result<(), HostError> {
        Ok(consumer::Lease::fail(self.handle, &error.into().into())?)
    }

    /// Puts the job back, due after this long, without counting an attempt.
    pub fn release(self, delay: Duration) -> Result<(), HostError> {
        Ok(consumer::Lease::release(self.handle, millis(delay))?)
    }

    /// Does the job by a handler's function: completes it with what that returns, or fails it.
    /// Answers whether it was completed.
    pub fn run<T, O, E>(
        self,
        function: impl FnOnce(Job<T>) -> Result<O, E>,
    ) -> Result<bool, HostError>
    where
        T: FromPayload,
        O: IntoPayload,
        E: Into<Error>,
    {
        let done = self.job().and_then(|job| function(job).map_err(Into::into)).and_then(output);
        match done {
            Ok(output) => consumer::Lease::complete(self.handle, output.as_ref())?,
            Err(error) => return self.fail(error).map(|()| false),
        }
        Ok(true)
    }
}
