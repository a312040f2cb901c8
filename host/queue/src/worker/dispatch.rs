//! Gives each free slot the next waiting job, one queue after the other.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_util::task::TaskTracker;

use super::once;
use super::settle::End;
use super::shared::{Shared, Waiting};
use crate::lease::Attempt;
use crate::outcome::Outcome;

pub(super) async fn run(shared: Arc<Shared>, feeds: TaskTracker, ends: mpsc::Sender<End>) {
    let running = TaskTracker::new();
    // Only a job takes a slot: the feeds claim as many jobs as there are free ones.
    while some_wait(&shared).await
        && let Some(slot) = free_slot(&shared).await
    {
        let Some(first) = next(&shared) else { continue };
        running.spawn(work_off(shared.clone(), first, slot, ends.clone()));
    }
    // A batch that is being claimed right now still comes in.
    feeds.wait().await;
    hand_back_buffers(&shared, &ends).await;
    running.close();
    running.wait().await;
}

/// After a job that took longer, heartbeats and settlements have their turn: it may have computed all
/// that time, and others wait for the thread.
const TURN: Duration = Duration::from_micros(100);

/// Does that job in the slot, and then what waits, until nothing does.
async fn work_off(
    shared: Arc<Shared>,
    first: (usize, Waiting),
    slot: OwnedSemaphorePermit,
    ends: mpsc::Sender<End>,
) {
    let (mut slot, mut following) = (Some(slot), Some(first));
    while let Some((index, waiting)) = following {
        shared.at_work.fetch_add(1, Ordering::Relaxed);
        let end = once::run(&shared, index, waiting).await;
        shared.at_work.fetch_sub(1, Ordering::Relaxed);
        let took = end.elapsed();
        // Waits while the database is slow to take the ends: nothing piles up.
        let _ = ends.send(end).await;
        if took > TURN {
            tokio::task::yield_now().await;
        }
        following = if shared.stop.is_cancelled() { None } else { next(&shared) };
        if following.is_none() {
            drop(slot.take());
        }
        tell_feeds(&shared, index);
    }
}

/// A job of that queue is over.
fn tell_feeds(shared: &Shared, index: usize) {
    for (number, served) in shared.served.iter().enumerate() {
        if number == index { served.ended_one() } else { served.another_ended() }
    }
}

async fn free_slot(shared: &Shared) -> Option<OwnedSemaphorePermit> {
    tokio::select! {
        biased;
        () = shared.stop.cancelled() => None,
        slot = shared.slots.clone().acquire_owned() => slot.ok(),
    }
}

/// Waits until a buffer has jobs; false when the worker stops before.
async fn some_wait(shared: &Shared) -> bool {
    loop {
        let filled = shared.filled.notified();
        if shared.served.iter().any(|served| served.buffer().len() > 0) {
            return true;
        }
        tokio::select! {
            () = shared.stop.cancelled() => return false,
            () = filled => {}
        }
    }
}

/// The next job, from the queue after the one that was served last.
fn next(shared: &Shared) -> Option<(usize, Waiting)> {
    let queues = shared.served.len();
    let from = shared.turn.load(Ordering::Relaxed);
    (from..from + queues).map(|i| i % queues).find_map(|index| {
        let served = shared.served.get(index)?;
        let waiting = served.buffer().pop()?;
        served.begun.fetch_add(1, Ordering::Relaxed);
        shared.turn.store(index + 1, Ordering::Relaxed);
        Some((index, waiting))
    })
}

/// What never started goes back to its place, uncounted.
async fn hand_back_buffers(shared: &Shared, ends: &mpsc::Sender<End>) {
    for served in &shared.served {
        loop {
            let waiting = served.buffer().pop();
            let Some(Waiting { job, hold }) = waiting else { break };
            let attempt = Attempt::held(job, hold.clone());
            let end = End::new(attempt, hold, Some(Outcome::HandedBack), Duration::ZERO);
            let _ = ends.send(end).await;
        }
    }
}
