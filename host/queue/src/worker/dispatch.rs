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
    let mut turn = 0;
    // Only a job takes a slot: the feeds claim as many jobs as there are free ones.
    while some_wait(&shared).await
        && let Some(slot) = free_slot(&shared).await
    {
        let Some((index, waiting)) = next(&shared, &mut turn) else { continue };
        let (shared, ends) = (shared.clone(), ends.clone());
        running.spawn(async move {
            shared.at_work.fetch_add(1, Ordering::Relaxed);
            let end = once::run(&shared, index, waiting).await;
            shared.at_work.fetch_sub(1, Ordering::Relaxed);
            give_back(&shared, index, slot);
            // Waits while the database is slow to take the ends: nothing piles up.
            let _ = ends.send(end).await;
        });
    }
    // A batch that is being claimed right now still comes in.
    feeds.wait().await;
    hand_back_buffers(&shared, &ends).await;
    running.close();
    running.wait().await;
}

/// Tells the job's own feed, which measures how fast its jobs are begun, and those that wait for a
/// slot, as all share them.
fn give_back(shared: &Shared, index: usize, slot: OwnedSemaphorePermit) {
    drop(slot);
    for (number, served) in shared.served.iter().enumerate() {
        if number == index || served.waits.load(Ordering::Acquire) {
            served.look.notify_one();
        }
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
fn next(shared: &Shared, turn: &mut usize) -> Option<(usize, Waiting)> {
    let queues = shared.served.len();
    let from = *turn;
    (from..from + queues).map(|i| i % queues).find_map(|index| {
        let served = shared.served.get(index)?;
        let waiting = served.buffer().pop()?;
        served.begun.fetch_add(1, Ordering::Relaxed);
        *turn = index + 1;
        Some((index, waiting))
    })
}

/// What never started goes back to its place, uncounted.
async fn hand_back_buffers(shared: &Shared, ends: &mpsc::Sender<End>) {
    for served in &shared.served {
        loop {
            let waiting = served.buffer().pop();
            let Some(Waiting { job, hold }) = waiting else { break };
            let attempt = Attempt::held(job, hold.clone(), &shared.stop);
            let end = End::new(attempt, hold, Some(Outcome::HandedBack), Duration::ZERO);
            let _ = ends.send(end).await;
        }
    }
}
