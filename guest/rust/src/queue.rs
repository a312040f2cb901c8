//! Putting jobs on queues and looking at them.

use std::time::{Duration, SystemTime};

use crate::attempt::argument;
use crate::bindings::mongoqueue::jobs::queue;
use crate::bindings::mongoqueue::jobs::types::{Progress, Status};
use crate::error::Result;
use crate::host_error::HostError;
use crate::lease::Lease;
use crate::payload::IntoPayload;
use crate::time::system_time;

mod options;

pub use options::PutOptions;

/// The id of a job, minted by the host.
pub type JobId = String;

/// A queue that the host has bound for this component.
///
/// ```no_run
/// use std::time::Duration;
/// use mongoqueue_guest::{PutOptions, Queue, Result};
///
/// fn follow_up(address: &str) -> Result<()> {
///     let mails = Queue::open("mails")?;
///     mails.put(address)?;
///     mails.put_with(address, &PutOptions::new().delay(Duration::from_secs(3600)))?;
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct Queue {
    handle: queue::Queue,
}

/// A job as the queue's database has it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct JobInfo {
    /// The job's id.
    pub id: JobId,
    /// Where it stands.
    pub status: Status,
    /// Attempts begun so far.
    pub attempt: u32,
    /// The attempt after whose failure it is dead.
    pub max_attempts: u32,
    /// When it may be claimed.
    pub due: SystemTime,
    /// Units done and units in all, and a note for people, as the handler last reported.
    pub progress: Option<Progress>,
    /// The message of its last failure.
    pub last_error: Option<String>,
}

/// How many jobs of a queue there are, by where they stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Waiting for their time.
    pub scheduled: u64,
    /// Waiting for a worker.
    pub ready: u64,
    /// With a worker.
    pub running: u64,
    /// Out of attempts, or rejected.
    pub dead: u64,
    /// Age of the oldest ready job; `None` when none is ready.
    pub oldest_ready: Option<Duration>,
}

impl Queue {
    /// Opens the queue that the host has bound to this name for this component.
    ///
    /// # Errors
    ///
    /// [`HostError::AccessDenied`] when no queue is bound to the name.
    pub fn open(name: &str) -> Result<Queue, HostError> {
        Ok(Queue { handle: queue::Queue::open(name)? })
    }

    /// Puts a job with the queue's own defaults; answers its id.
    ///
    /// # Errors
    ///
    /// [`HostError::LimitExceeded`] for a payload above the host's limit or too many puts in one
    /// attempt, [`HostError::InvalidArgument`] for one that cannot be written as JSON.
    pub fn put(&self, payload: impl IntoPayload) -> Result<JobId, HostError> {
        Ok(self.handle.put(&argument(payload)?, None)?)
    }

    /// Puts a job; answers its id.
    ///
    /// # Errors
    ///
    /// As [`Queue::put`], and [`HostError::Duplicate`] with the id of the live job that has the
    /// unique key.
    pub fn put_with(
        &self,
        payload: impl IntoPayload,
        options: &PutOptions,
    ) -> Result<JobId, HostError> {
        let options = options.for_host()?;
        Ok(self.handle.put(&argument(payload)?, options.as_ref())?)
    }

    /// Puts several jobs with the same options; each gets its own answer, in order.
    ///
    /// # Errors
    ///
    /// As [`Queue::put`], when none was put.
    pub fn put_many<P: IntoPayload>(
        &self,
        payloads: impl IntoIterator<Item = P>,
        options: &PutOptions,
    ) -> Result<Vec<Result<JobId, HostError>>, HostError> {
        let options = options.for_host()?;
        let payloads = payloads.into_iter().map(argument).collect::<Result<Vec<_>, _>>()?;
        let answers = self.handle.put_many(&payloads, options.as_ref())?;
        Ok(answers.into_iter().map(|answer| Ok(answer?)).collect())
    }

    /// Looks at a job.
    ///
    /// # Errors
    ///
    /// [`HostError::NoSuchJob`], also when it is not for this component to see.
    pub fn get(&self, id: &str) -> Result<JobInfo, HostError> {
        let info = self.handle.get(id)?;
        Ok(JobInfo {
            id: info.id,
            status: info.status,
            attempt: info.attempt,
            max_attempts: info.max_attempts,
            due: system_time(info.due),
            progress: info.progress,
            last_error: info.last_error,
        })
    }

    /// Cancels a job that has not started, or asks a running one to stop; answers where it stands
    /// then.
    ///
    /// # Errors
    ///
    /// [`HostError::NoSuchJob`], also when it is not for this component to see.
    pub fn cancel(&self, id: &str) -> Result<Status, HostError> {
        Ok(self.handle.cancel(id)?)
    }

    /// Counts the queue's jobs.
    ///
    /// # Errors
    ///
    /// [`HostError::Unavailable`] when the database does not answer.
    pub fn stats(&self) -> Result<Stats, HostError> {
        let stats = self.handle.stats()?;
        Ok(Stats {
            scheduled: stats.scheduled,
            ready: stats.ready,
            running: stats.running,
            dead: stats.dead,
            oldest_ready: stats.oldest_ready.map(Duration::from_millis),
        })
    }

    /// Claims the next due job for as long as `lease`, waiting up to `wait` for one; `None` when
    /// none came.
    ///
    /// # Errors
    ///
    /// [`HostError::AccessDenied`] when the queue is bound for putting only.
    pub fn next(&self, lease: Duration, wait: Duration) -> Result<Option<Lease>, HostError> {
        Lease::next(&self.handle, lease, wait)
    }
}
