//! What a guest may try with queues, granted or not.

use mongoqueue_guest::{HostError, IntoPayload, Payload, PutOptions, Queue, Result};
use serde_json::json;

use crate::payloads;

/// Jobs of a storm, unless a job says how many.
const JOBS: u64 = 100_000;

pub(crate) fn open(name: &str) -> Result<Payload> {
    Queue::open(name)?;
    Ok(Payload::null())
}

pub(crate) fn put(name: &str, payload: impl IntoPayload) -> Result<Payload> {
    let id = Queue::open(name)?.put(payload)?;
    payloads::json(&json!({ "id": id }))
}

/// Ends at the first refusal, which is part of the output.
pub(crate) fn storm(name: &str, count: Option<u64>) -> Result<Payload> {
    let queue = Queue::open(name)?;
    for put in 0..count.unwrap_or(JOBS) {
        if let Err(refusal) = queue.put(json!({ "do": "ok" })) {
            return payloads::json(&outcome(put, Some(refusal)));
        }
    }
    payloads::json(&outcome(count.unwrap_or(JOBS), None))
}

pub(crate) fn many(name: &str, count: u64) -> Result<Payload> {
    let jobs = (0..count).map(|_| json!({ "do": "ok" }));
    let answers = Queue::open(name)?.put_many(jobs, &PutOptions::new())?;
    let put = answers.iter().filter(|answer| answer.is_ok()).count() as u64;
    let refusal = answers.into_iter().find_map(Result::err);
    payloads::json(&outcome(put, refusal))
}

/// Each of them is tried once.
pub(crate) fn twins(name: &str) -> Result<Payload> {
    let again = json!({ "do": "twins", "queue": name });
    let once = PutOptions::new().max_attempts(1);
    let queue = Queue::open(name)?;
    for _ in 0..2 {
        queue.put_with(again.clone(), &once)?;
    }
    Ok(Payload::null())
}

pub(crate) fn get(name: &str, id: &str) -> Result<Payload> {
    let job = Queue::open(name)?.get(id)?;
    payloads::json(&json!({
        "id": job.id,
        "status": format!("{:?}", job.status),
        "attempt": job.attempt,
        "max_attempts": job.max_attempts,
        "last_error": job.last_error,
    }))
}

pub(crate) fn cancel(name: &str, id: &str) -> Result<Payload> {
    let status = Queue::open(name)?.cancel(id)?;
    payloads::json(&json!({ "status": format!("{status:?}") }))
}

fn outcome(put: u64, refusal: Option<HostError>) -> serde_json::Value {
    let code = refusal.as_ref().map(HostError::code);
    json!({ "put": put, "refused": code, "message": refusal.map(|error| error.to_string()) })
}
