//! What takes its time.

use std::hint::black_box;
use std::time::{Duration, Instant};

use mongoqueue_guest::{Payload, Result, heartbeat, is_cancelled, log, release};
use serde_json::json;

use crate::payloads;

/// How often a cooperative handler asks whether it is to stop.
const OFTEN: Duration = Duration::from_millis(10);

/// Whoever wants to disturb the guest waits for this line.
fn begin() -> Instant {
    log::debug("begun");
    Instant::now()
}

pub(crate) fn forever() -> ! {
    begin();
    let mut turns: u64 = 0;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

pub(crate) fn busy(ms: u64) -> Result<Payload> {
    let end = Duration::from_millis(ms);
    let begin = begin();
    let mut turns: u64 = 0;
    while begin.elapsed() < end {
        turns = black_box(turns.wrapping_add(1));
    }
    payloads::json(&json!({ "turns": turns }))
}

pub(crate) fn sleep(ms: u64) -> Result<Payload> {
    begin();
    std::thread::sleep(Duration::from_millis(ms));
    Ok(Payload::null())
}

pub(crate) fn slow_cooperative(ms: u64) -> Result<Payload> {
    let end = Duration::from_millis(ms);
    let begin = begin();
    while begin.elapsed() < end {
        if is_cancelled() {
            log::info("asked to stop");
            return Err(release(Duration::ZERO));
        }
        std::thread::sleep(OFTEN);
    }
    Ok(Payload::null())
}

pub(crate) fn until_asked() -> Result<Payload> {
    begin();
    while !is_cancelled() {
        std::thread::sleep(OFTEN);
    }
    Ok(Payload::null())
}

pub(crate) fn remaining() -> Result<Payload> {
    let left = mongoqueue_guest::remaining().as_millis();
    payloads::json(&json!({ "ms": u64::try_from(left)?, "cancelled": is_cancelled() }))
}

pub(crate) fn heartbeats(ms: u64) -> Result<Payload> {
    let end = Duration::from_millis(ms);
    let begin = begin();
    let mut sent: u64 = 0;
    while begin.elapsed() < end {
        heartbeat()?;
        sent += 1;
    }
    payloads::json(&json!({ "sent": sent }))
}
