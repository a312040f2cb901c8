//! What the guest can see of its surroundings.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::io::Read;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use mongoqueue_guest::Job;
use serde_json::{Value, json};

/// The job but for its payload.
pub(crate) fn describe<T>(job: &Job<T>) -> Value {
    json!({
        "id": job.id,
        "queue": job.queue,
        "headers": job.headers,
        "attempt": job.attempt,
        "max_attempts": job.max_attempts,
        "created_at": millis(job.created_at),
    })
}

pub(crate) fn look() -> Value {
    let env: BTreeMap<String, String> = std::env::vars().collect();
    let mut stdin = Vec::new();
    let stdin_read = std::io::stdin().take(1 << 20).read_to_end(&mut stdin);
    let begin = Instant::now();
    json!({
        "args": std::env::args().collect::<Vec<_>>(),
        "env": env,
        "stdin_bytes": stdin.len(),
        "stdin_error": stdin_read.err().map(|error| error.to_string()),
        "now": millis(SystemTime::now()),
        // It goes in steps, the first of which may be a while away.
        "clock_stands_still": !(0..10_000_000).any(|_| !begin.elapsed().is_zero()),
        // As a text: half of them are above what BSON has integers for.
        "random": format!("{:016x}", RandomState::new().hash_one(0)),
    })
}

fn millis(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
