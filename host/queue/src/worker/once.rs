//! One attempt at one job.

use std::time::{Duration, Instant};

use super::settle::End;
use super::shared::{Shared, Waiting};
use crate::lease::Attempt;
use crate::outcome::{Failure, Outcome};

/// A handler that keeps the deadline itself can tell more about where it cut the work off, so it
/// gets this long to do so.
const OWN_CUT: Duration = Duration::from_millis(500);

/// Runs the job's handler until it ends, or until it must not go on.
pub(super) async fn run(shared: &Shared, index: usize, waiting: Waiting) -> End {
    let Waiting { job, hold } = waiting;
    let attempt = Attempt::held(job, hold.clone());
    let Some(served) = shared.served.get(index) else {
        return End::new(attempt, hold, Some(Outcome::HandedBack), Duration::ZERO);
    };
    let started = Instant::now();
    // It waited for its slot longer than its lease lasts.
    if attempt.is_lost() || hold.until() <= started {
        return End::new(attempt, hold, None, Duration::ZERO);
    }
    let late = async {
        tokio::time::sleep(attempt.remaining().saturating_add(OWN_CUT)).await;
    };
    let outcome = tokio::select! {
        // Most are over at once: nothing else is set up for those.
        biased;
        outcome = served.handler.handle(attempt.clone()) => Some(outcome),
        () = attempt.lost() => None,
        () = late => Some(timed_out(attempt.job().timeout)),
        () = shared.cut.cancelled() => Some(Outcome::HandedBack),
    };
    End::new(attempt, hold, outcome, started.elapsed())
}

fn timed_out(timeout: Duration) -> Outcome {
    let message = format!("the attempt took longer than its time-out of {timeout:?}");
    Outcome::Failed(Failure::of_kind("timeout", message))
}
