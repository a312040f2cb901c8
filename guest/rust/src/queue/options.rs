//! How a job is put.

use std::time::{Duration, SystemTime};

use crate::bindings::mongoqueue::jobs::queue;
use crate::host_error::HostError;
use crate::time::{millis, timestamp};

/// How a job is put; whatever is not set is the queue's own default.
///
/// ```
/// use std::time::Duration;
/// use mongoqueue_guest::PutOptions;
///
/// PutOptions::new().priority(5).unique_key("invoice-17").timeout(Duration::from_secs(30));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use]
pub struct PutOptions {
    priority: Option<i32>,
    delay: Option<Duration>,
    due: Option<SystemTime>,
    unique_key: Option<String>,
    max_attempts: Option<u32>,
    timeout: Option<Duration>,
    backoff: Option<(Duration, Duration)>,
    headers: Vec<(String, String)>,
}

impl PutOptions {
    /// All as the queue has it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Higher first; 0 unless set.
    pub fn priority(mut self, priority: i32) -> Self {
        self.priority = Some(priority);
        self
    }

    /// Due this long from now, by the database's clock.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = Some(delay);
        self
    }

    /// Due at this time. The later of this and [`PutOptions::delay`] counts.
    pub fn due(mut self, at: SystemTime) -> Self {
        self.due = Some(at);
        self
    }

    /// At most one live job of the queue has this key.
    pub fn unique_key(mut self, key: impl Into<String>) -> Self {
        self.unique_key = Some(key.into());
        self
    }

    /// The attempt after whose failure the job is dead; at least 1.
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = Some(attempts);
        self
    }

    /// The longest that one attempt may take.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Waits between attempts, exponential, from `first` up to `max`.
    pub fn backoff(mut self, first: Duration, max: Duration) -> Self {
        self.backoff = Some((first, max));
        self
    }

    /// A small string beside the payload, for example `traceparent`; one more with each call.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The host's form of them; none when nothing is set.
    pub(super) fn for_host(&self) -> Result<Option<queue::PutOptions>, HostError> {
        if *self == Self::default() {
            return Ok(None);
        }
        let host = queue::PutOptions::new();
        if let Some(priority) = self.priority {
            host.priority(priority)?;
        }
        if let Some(delay) = self.delay {
            host.delay(millis(delay))?;
        }
        if let Some(at) = self.due {
            host.due(timestamp(at))?;
        }
        if let Some(key) = &self.unique_key {
            host.unique_key(key)?;
        }
        if let Some(attempts) = self.max_attempts {
            host.max_attempts(attempts)?;
        }
        if let Some(timeout) = self.timeout {
            host.timeout(millis(timeout))?;
        }
        if let Some((first, max)) = self.backoff {
            host.backoff(millis(first), millis(max))?;
        }
        for (name, value) in &self.headers {
            host.header(name, value)?;
        }
        Ok(Some(host))
    }
}
