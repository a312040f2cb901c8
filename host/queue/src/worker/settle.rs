//! Gathers the ends of attempts and writes them in batches: while one batch is being written the
//! next one gathers, so that a busy worker writes large ones and an idle one waits for nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, mpsc};
use tokio_util::task::TaskTracker;

use super::WorkerEvent;
use super::shared::{Shared, pause};
use crate::breaks::{self, Break};
use crate::error::{Error, Result};
use crate::job::{State, Token};
use crate::lease::{Attempt, Hold, verdict};
use crate::outcome::{Failure, Outcome};
use crate::payload::Payload;
use crate::store::{Settled, Settlement};

/// Ends that may wait: beyond it attempts wait with theirs, so that memory stays bounded.
pub(super) const WAITING: usize = 1_024;
/// A transaction of more is no faster.
const BATCH: usize = 500;
/// A command may have 16 MiB; outputs and error records count.
const BATCH_BYTES: usize = 4 * 1024 * 1024;
/// How long a batch gathers while other jobs run: nobody waits for it, and a transaction of a few
/// costs the server as much as one of many.
const MOMENT: Duration = Duration::from_millis(10);
/// Batches being written at once: one in flight, one on its way.
const WRITERS: usize = 2;

/// The end of an attempt.
pub(super) struct End {
    attempt: Attempt,
    hold: Arc<Hold>,
    /// `None`: the lease was lost.
    outcome: Option<Outcome>,
    elapsed: Duration,
    /// A commit of this end stayed without an answer.
    unknown: bool,
}

impl End {
    pub(super) fn new(
        attempt: Attempt,
        hold: Arc<Hold>,
        outcome: Option<Outcome>,
        elapsed: Duration,
    ) -> Self {
        let limit = hold.store.payload_limit();
        let outcome = outcome.map(|outcome| {
            let mut outcome = within_limit(outcome, limit);
            if let Outcome::Failed(failure) = &mut outcome {
                failure.evidence.of_worker(elapsed);
            }
            outcome
        });
        Self { attempt, hold, outcome, elapsed, unknown: false }
    }

    /// How long the attempt took.
    pub(super) fn elapsed(&self) -> Duration {
        self.elapsed
    }

    fn bytes(&self) -> usize {
        match &self.outcome {
            Some(Outcome::Completed(output)) => output.as_ref().map_or(64, Payload::size),
            // A record is cut to about this.
            Some(Outcome::Failed(_)) => 24 * 1024,
            _ => 64,
        }
    }

    fn settlement(&self, shared: &Shared, outcome: &Outcome) -> Settlement {
        let job = self.attempt.job();
        Settlement {
            queue: self.hold.queue.clone(),
            id: job.id.clone(),
            token: self.hold.token,
            verdict: verdict(job, outcome, &shared.consumer, rand::random()),
        }
    }

    /// Counts it as written, or lost. Answers its lease, where it was the last one under it.
    fn leave_lease(&self) -> Option<(Arc<str>, Token)> {
        (self.hold.settled(1) == 0).then(|| (self.hold.queue.clone(), self.hold.token))
    }

    /// True when the claim may still be good.
    fn may_be_held(&self, now: Instant) -> bool {
        !self.attempt.is_lost() && self.hold.until() > now
    }

    /// True when the database said that the job is no longer under its lease, which stays for the
    /// others. Where this process only gave the lease up, a heartbeat may have saved it after all,
    /// and then the job still runs under it: no settlement of another may take it away, it runs out.
    fn was_taken_away(&self) -> bool {
        self.attempt.is_lost() && !self.hold.lost().is_cancelled()
    }
}

/// An output that the database would refuse is the handler's failure, not the host's.
pub(crate) fn within_limit(outcome: Outcome, limit: usize) -> Outcome {
    let Outcome::Completed(Some(output)) = &outcome else { return outcome };
    let failure = match output.check("output", limit) {
        Ok(()) => return outcome,
        Err(error @ Error::TooLarge { .. }) => Failure::of_kind("limit:output", error.to_string()),
        Err(error) => Failure::new(error.to_string()).code("bad-output"),
    };
    Outcome::Failed(failure.reject())
}

/// Writes what comes in until every sender is gone.
pub(super) async fn run(shared: Arc<Shared>, mut ends: mpsc::Receiver<End>) {
    let writers = Arc::new(Semaphore::new(WRITERS));
    let writing = TaskTracker::new();
    while let Some(first) = ends.recv().await {
        let Ok(writer) = writers.clone().acquire_owned().await else { break };
        let batch = gather(&shared, first, &mut ends).await;
        let shared = shared.clone();
        writing.spawn(async move {
            write(&shared, batch).await;
            drop(writer);
        });
    }
    writing.close();
    writing.wait().await;
}

/// What comes within a moment, as long as more is to come: alone, an end is written at once.
async fn gather(shared: &Shared, first: End, ends: &mut mpsc::Receiver<End>) -> Vec<End> {
    let until = tokio::time::Instant::now() + MOMENT;
    let mut bytes = first.bytes();
    let mut batch = vec![first];
    while batch.len() < BATCH && bytes < BATCH_BYTES && batch.len() < shared.unsettled() {
        let Ok(Some(end)) = tokio::time::timeout_at(until, ends.recv()).await else { break };
        bytes += end.bytes();
        batch.push(end);
    }
    batch
}

/// Writes the batch, whatever it takes, as long as its leases last.
async fn write(shared: &Shared, batch: Vec<End>) {
    let mut parts = vec![batch];
    let mut failures = 0;
    while let Some(part) = parts.pop() {
        let now = Instant::now();
        let (part, lost): (Vec<End>, Vec<End>) =
            part.into_iter().partition(|end| end.outcome.is_some() && end.may_be_held(now));
        let gone = lost.iter().filter(|end| end.was_taken_away());
        let over: Vec<_> = gone.filter_map(End::leave_lease).collect();
        lost.iter().for_each(|end| say_lost(shared, end));
        shared.store.close_leases(&over).await;
        if part.is_empty() {
            continue;
        }
        let emptied = emptied(&part);
        match write_once(shared, &part, &emptied).await {
            Ok(settled) => {
                failures = 0;
                shared.no_trouble();
                let mut over = report(shared, part, &settled);
                over.retain(|lease| !emptied.contains(lease));
                shared.store.close_leases(&over).await;
            }
            // A single one that the database will never take: the attempt has failed.
            Err(error) if !error.is_transient() && part.len() == 1 => {
                parts.push(part.into_iter().map(|end| unwritable(end, &error)).collect());
            }
            // One of them is in the way of the others: which?
            Err(error) if !error.is_transient() => {
                let mut part = part;
                let half = part.split_off(part.len() / 2);
                parts.extend([half, part]);
            }
            Err(error) => {
                shared.trouble(&error);
                tokio::time::sleep(pause(failures)).await;
                failures += 1;
                let unknown = matches!(error, Error::MayHaveHappened { .. });
                let mut part = part;
                part.iter_mut().for_each(|end| end.unknown |= unknown);
                parts.push(part);
            }
        }
    }
}

async fn write_once(
    shared: &Shared,
    part: &[End],
    emptied: &[(Arc<str>, Token)],
) -> Result<Settled> {
    let settlements: Vec<Settlement> =
        part.iter().filter_map(|end| Some(end.settlement(shared, end.outcome.as_ref()?))).collect();
    shared.store.settle(&settlements, emptied).await
}

/// The leases of which this part has every job that isn't settled yet: they go with it. Those whose
/// last jobs are in two parts that are being written at once go after the later one.
fn emptied(part: &[End]) -> Vec<(Arc<str>, Token)> {
    let mut emptied: Vec<(Arc<str>, Token)> = Vec::new();
    for end in part {
        let token = end.hold.token;
        if emptied.iter().any(|(_, known)| *known == token) {
            continue;
        }
        let here = part.iter().filter(|other| other.hold.token == token).count();
        if here == end.hold.unsettled() || breaks::on(Break::LeaseWithFirst) {
            emptied.push((end.hold.queue.clone(), token));
        }
    }
    emptied
}

/// Answers the leases of which nothing is left.
fn report(shared: &Shared, part: Vec<End>, settled: &Settled) -> Vec<(Arc<str>, Token)> {
    let mut over = Vec::new();
    for (position, end) in part.into_iter().enumerate() {
        if settled.lost.contains(&position) {
            over.extend(end.leave_lease());
            say_lost(shared, &end);
            continue;
        }
        over.extend(end.leave_lease());
        let Some(outcome) = end.outcome else { continue };
        let job = end.attempt.job();
        let state = match outcome {
            Outcome::Completed(_) => job.retain.map(|_| State::Completed),
            _ => settled.states.get(&job.id).copied(),
        };
        shared.count(|summary| match outcome {
            Outcome::Completed(_) => summary.completed += 1,
            Outcome::Failed(_) => {
                summary.failed += 1;
                summary.dead += u64::from(state == Some(State::Dead));
            }
            Outcome::Released { .. } => summary.released += 1,
            Outcome::HandedBack => summary.handed_back += 1,
        });
        shared.say(|| WorkerEvent::Finished {
            queue: job.queue.clone(),
            id: job.id.clone(),
            token: end.hold.token,
            attempt: job.attempt(),
            elapsed: end.elapsed,
            outcome: Arc::new(outcome),
            state,
        });
        shared.settled(1);
    }
    over
}

/// After a commit without an answer it isn't known why the claim is gone: the end may have been
/// written, or a failover may have undone the claim.
fn say_lost(shared: &Shared, end: &End) {
    let (queue, id) = (end.attempt.job().queue.clone(), end.attempt.job().id.clone());
    let token = end.hold.token;
    if end.unknown {
        shared.count(|summary| summary.unknown += 1);
        shared.say(|| WorkerEvent::MayHaveHappened { queue, id, token });
    } else {
        shared.count(|summary| summary.lost += 1);
        shared.say(|| WorkerEvent::LeaseLost { queue, id, token });
    }
    shared.settled(1);
}

/// The same end as a failure that can be written; as lost if it was such a failure already: then
/// the lease runs out.
fn unwritable(end: End, error: &Error) -> End {
    let tried = matches!(&end.outcome, Some(Outcome::Failed(f)) if f.kind == "host");
    let words = format!("the outcome could not be written: {error}");
    let mut failure = Failure::of_kind("host", words);
    failure.evidence.of_worker(end.elapsed);
    let outcome = if tried { None } else { Some(Outcome::Failed(failure)) };
    End { outcome, ..end }
}

#[cfg(test)]
mod tests;
