//! One queue's feed: claims batches into the buffer, as many as will be wanted soon.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::WorkerEvent;
use super::shared::{Served, Shared, Waiting, pause};
use crate::claim::{Batch, Claimer, chance};
use crate::lease::Hold;

/// A batch of more is no faster (docs/performance.md), and the server holds its transaction longer.
const BATCH: usize = 500;

pub(super) async fn run(shared: Arc<Shared>, index: usize) {
    let Some(served) = shared.served.get(index) else { return };
    let queue = &served.queue;
    let mut claimer =
        Claimer::new(shared.store.clone(), queue.name.clone(), shared.consumer.clone());
    let mut ahead = Ahead::new(&shared);
    let mut failures = 0;
    while !shared.stop.is_cancelled() {
        let n = ahead.wanted(&shared, served);
        if n == 0 {
            wait(&shared, served, None).await;
            continue;
        }
        let idle = shared.unsettled() == 0;
        match claimer.claim(n, Some(shared.options.lease)).await {
            Ok(batch) => {
                failures = 0;
                shared.no_trouble();
                say_took_back(&shared, served, &mut claimer);
                let Some(batch) = batch else {
                    if idle && drained(&shared, served) {
                        return;
                    }
                    wait(&shared, served, Some(chance(shared.options.poll))).await;
                    claimer.look_at_head();
                    continue;
                };
                served.drained.store(false, Ordering::Release);
                fill(&shared, served, batch);
            }
            Err(error) => {
                shared.trouble(&error);
                wait(&shared, served, Some(pause(failures))).await;
                failures += 1;
            }
        }
    }
}

fn fill(shared: &Shared, served: &Served, batch: Batch) {
    let hold = Arc::new(Hold::of_batch(&shared.store, &served.queue.name, &batch));
    shared.hold(&hold);
    shared.claimed(batch.jobs.len());
    shared.say(|| WorkerEvent::Claimed {
        queue: served.queue.name().to_owned(),
        jobs: batch.jobs.len(),
    });
    served.buffer().extend(batch.jobs.into_iter().map(|job| Waiting { job, hold: hold.clone() }));
    shared.filled.notify_one();
}

fn say_took_back(shared: &Shared, served: &Served, claimer: &mut Claimer) {
    for took in claimer.took_back.drain(..) {
        shared.say(|| WorkerEvent::TookBack {
            queue: served.queue.name().to_owned(),
            jobs: took.jobs,
            consumer: took.consumer,
        });
    }
}

/// Nothing was due while nothing was claimed here: with every queue so, an `until_empty` worker is
/// done.
fn drained(shared: &Shared, served: &Served) -> bool {
    if !shared.options.until_empty || shared.unsettled() > 0 {
        return false;
    }
    served.drained.store(true, Ordering::Release);
    let all = shared.served.iter().all(|served| served.drained.load(Ordering::Acquire));
    if all {
        shared.stop.cancel();
    }
    all
}

async fn wait(shared: &Shared, served: &Served, at_most: Option<Duration>) {
    let timer = async {
        match at_most {
            Some(at_most) => tokio::time::sleep(at_most).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = shared.stop.cancelled() => {}
        () = served.look.notified() => {}
        () = timer => {}
    }
}

/// How many jobs to claim ahead of free slots: those that will be begun in the next moment, at the
/// rate of the last one. A buffer that runs dry leaves slots idle while a batch is on its way; jobs
/// that wait long in it could be running elsewhere.
struct Ahead {
    most: usize,
    rate: f64,
    begun: u64,
    measured: Instant,
}

/// Covers the round trips of a claim, with room for a slow one.
const MOMENT: Duration = Duration::from_millis(250);
/// Less would measure the gaps between two jobs.
const SAMPLE: Duration = Duration::from_millis(5);

impl Ahead {
    fn new(shared: &Shared) -> Self {
        Self { most: shared.options.prefetch, rate: 0.0, begun: 0, measured: Instant::now() }
    }

    /// Free slots and what is claimed ahead, less what waits already. While some wait, a batch is
    /// asked for when half of it would be new, so that claims stay few.
    fn wanted(&mut self, shared: &Shared, served: &Served) -> usize {
        self.measure(served.begun.load(Ordering::Relaxed));
        let ahead = ((self.rate * MOMENT.as_secs_f64()) as usize).min(self.most);
        let waiting = served.buffer().len();
        let target = shared.slots.available_permits() + ahead;
        let wanted = target.saturating_sub(waiting).min(BATCH);
        if waiting > 0 && wanted * 2 < target.min(BATCH) { 0 } else { wanted }
    }

    fn measure(&mut self, begun: u64) {
        let elapsed = self.measured.elapsed();
        if elapsed < SAMPLE {
            return;
        }
        let rate = begun.saturating_sub(self.begun) as f64 / elapsed.as_secs_f64();
        // Half the old rate, half the new: follows a change within a few batches.
        self.rate = (self.rate + rate) / 2.0;
        self.begun = begun;
        self.measured = Instant::now();
    }
}
