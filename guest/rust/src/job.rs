//! One attempt at one job.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::bindings::mongoqueue::jobs::types;
use crate::error::Result;
use crate::payload::{FromPayload, input};
use crate::time::system_time;

/// One attempt at one job, with the payload as a `T`.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Job<T> {
    /// The job's id, the same in every attempt: what makes a repeated effect recognisable.
    pub id: String,
    /// The queue, by the name that this component knows it by.
    pub queue: String,
    /// What is to be done.
    pub payload: T,
    /// Small strings beside the payload, in the order of the put.
    pub headers: Vec<(String, String)>,
    /// 1 on the first try.
    pub attempt: u32,
    /// The attempt after whose failure the job is dead.
    pub max_attempts: u32,
    /// When the job was put, by the database's clock.
    pub created_at: SystemTime,
}

impl<T> Job<T> {
    /// The only attempt at a job with this payload, every other field empty: for unit tests of a
    /// handler, which set the fields that matter to them.
    pub fn new(payload: T) -> Self {
        Job {
            id: String::new(),
            queue: String::new(),
            payload,
            headers: Vec::new(),
            attempt: 1,
            max_attempts: 1,
            created_at: UNIX_EPOCH,
        }
    }

    /// The first header of this name, if there is one; case matters.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Whether a failure of this attempt makes the job dead.
    pub fn is_last_attempt(&self) -> bool {
        self.attempt >= self.max_attempts
    }
}

impl<T: FromPayload> Job<T> {
    /// Reads the payload of the job as the host passes it.
    pub(crate) fn read(job: types::Job) -> Result<Self> {
        Ok(Job {
            payload: input(job.payload)?,
            id: job.id,
            queue: job.queue,
            headers: job.headers,
            attempt: job.attempt,
            max_attempts: job.max_attempts,
            created_at: system_time(job.created_at),
        })
    }
}
