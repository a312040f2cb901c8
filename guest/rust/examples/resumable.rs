//! Goes on where it was killed: works through steps, saves its state after each and reports
//! progress. A later attempt starts from what the last one saved.
//!
//! `{"steps": 5}` adds up the numbers 1 to 5. With `"die_at": 3` the first attempt traps before
//! step 3; the second then outputs `{"attempt": 2, "started_at": 3, "sum": 15}`. `"step_ms"` makes
//! each step take that long, for whoever wants to kill it from outside.

use std::thread::sleep;
use std::time::Duration;

use mongoqueue_guest::{Job, Result, handler, is_cancelled, progress, release, save, saved};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Work {
    steps: u64,
    die_at: Option<u64>,
    #[serde(default)]
    step_ms: u64,
}

/// All that a later attempt needs to know.
#[derive(Serialize, Deserialize)]
struct State {
    next: u64,
    sum: u64,
}

#[derive(Serialize)]
struct Done {
    attempt: u32,
    started_at: u64,
    sum: u64,
}

fn work(job: Job<Work>) -> Result<Done> {
    let Work { steps, die_at, step_ms } = job.payload;
    let mut state = saved()?.unwrap_or(State { next: 1, sum: 0 });
    let started_at = state.next;
    while state.next <= steps {
        if job.attempt == 1 && die_at == Some(state.next) {
            panic!("dying before step {}, as the payload asks", state.next);
        }
        if is_cancelled() {
            // Whoever takes it up goes on from here; no attempt is lost.
            return Err(release(Duration::ZERO));
        }
        sleep(Duration::from_millis(step_ms));
        state.sum += state.next;
        state.next += 1;
        save(&state)?;
        progress(state.next - 1, Some(steps), "")?;
    }
    Ok(Done { attempt: job.attempt, started_at, sum: state.sum })
}

handler!(work);
