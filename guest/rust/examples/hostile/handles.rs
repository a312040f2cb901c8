//! Handles of things that the host has for the guest: too many, too often, made up.

#![allow(unsafe_code, reason = "what must not happen cannot be written without it")]

use std::hint::black_box;

use mongoqueue_guest::bindings::mongoqueue::jobs::consumer::{self, Lease};
use mongoqueue_guest::bindings::mongoqueue::jobs::queue::{PutOptions, Queue};
use mongoqueue_guest::{Error, HostError, Payload, Result};
use serde_json::json;

use crate::{output, told};

/// A queue that it may put on.
fn next() -> Result<Queue, HostError> {
    Ok(Queue::open("next")?)
}

/// A queue that it may claim of.
fn own() -> Result<Queue, HostError> {
    Ok(Queue::open("own")?)
}

fn claim() -> Result<Lease> {
    let lease = consumer::next(&own()?, 60_000, 0).map_err(HostError::from)?;
    lease.ok_or_else(|| Error::new("there is no job to claim"))
}

pub(crate) fn options() -> ! {
    loop {
        std::mem::forget(black_box(PutOptions::new()));
    }
}

pub(crate) fn queues() -> Result<Payload> {
    loop {
        std::mem::forget(next()?);
    }
}

pub(crate) fn dropped_twice() -> Result<Payload> {
    let queue = next()?;
    // SAFETY: none; a sandbox traps.
    drop(unsafe { Queue::from_handle(queue.handle()) });
    drop(queue);
    output(&json!("dropped twice"))
}

pub(crate) fn used_after_drop() -> Result<Payload> {
    let queue = next()?;
    // SAFETY: none; a sandbox traps.
    drop(unsafe { Queue::from_handle(queue.handle()) });
    let stats = queue.stats();
    output(&json!(format!("{stats:?}")))
}

pub(crate) fn another_kind() -> Result<Payload> {
    // SAFETY: none; a sandbox traps.
    let lease = unsafe { Lease::from_handle(next()?.take_handle()) };
    output(&json!(lease.job().id))
}

/// Asks each number for a queue; the first that is none ends it.
pub(crate) fn guessed() -> Result<Payload> {
    for handle in 1..10_000 {
        // SAFETY: none; a sandbox traps.
        let queue = std::mem::ManuallyDrop::new(unsafe { Queue::from_handle(handle) });
        queue.stats().map_err(HostError::from)?;
    }
    output(&json!("all were there"))
}

pub(crate) fn forged_lease() -> Result<Payload> {
    // SAFETY: none; a sandbox traps.
    let lease = unsafe { Lease::from_handle(7) };
    Lease::complete(lease, None).map_err(HostError::from)?;
    output(&json!("completed"))
}

pub(crate) fn settled_twice() -> Result<Payload> {
    let lease = claim()?;
    // SAFETY: none; a sandbox traps.
    let again = unsafe { Lease::from_handle(lease.handle()) };
    Lease::release(lease, 0).map_err(HostError::from)?;
    Lease::complete(again, None).map_err(HostError::from)?;
    output(&json!("settled twice"))
}

pub(crate) fn used_after_end() -> Result<Payload> {
    let lease = claim()?;
    // SAFETY: none; a sandbox traps.
    let again = unsafe { Lease::from_handle(lease.handle()) };
    Lease::release(lease, 0).map_err(HostError::from)?;
    output(&json!(again.job().id))
}

pub(crate) fn kept_lease() -> Result<Payload> {
    std::mem::forget(claim()?);
    output(&json!("kept"))
}

/// Each is put back, so that the next claim finds a job.
pub(crate) fn leases() -> Result<Payload> {
    loop {
        std::mem::forget(claim()?);
    }
}

pub(crate) fn endless_lease() -> Result<Payload> {
    let own = own()?;
    let answers: Vec<_> = [0, u64::MAX, 25 * 3_600_000]
        .into_iter()
        .map(|lease| told(consumer::next(&own, lease, 0).map_err(HostError::from)))
        .collect();
    output(&json!(answers))
}
