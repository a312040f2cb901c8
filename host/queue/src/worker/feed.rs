//! One queue's feed: claims batches into the buffer, as many as will be wanted soon.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::WorkerEvent;
use super::settle::End;
use super::shared::{Served, Shared, Waiting, pause};
use crate::claim::{Batch, Claimer, chance};
use crate::lease::Hold;

/// A batch of more is no faster (docs/performance.md), and the server holds its transaction longer.
const BATCH: usize = 500;

pub(super) async fn run(shared: Arc<Shared>, index: usize, _ends: mpsc::Sender<End>) {
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
        let asked = Instant::now();
        match claimer.claim(n, Some(shared.options.lease)).await {
            Ok(batch) => {
                failures = 0;
                shared.no_trouble();
                say_took_back(&shared, served, &mut claimer);
                let Some(batch) = batch else {
                    ahead.nothing_there();
                    if idle && drained(&shared, served) {
                        return;
                    }
                    wait(&shared, served, Some(chance(shared.options.poll))).await;
                    claimer.look_at_head();
                    continue;
                };
                served.drained.store(false, Ordering::Release);
                ahead.claimed(batch.jobs.len() == n, asked);
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
    let since = Instant::now();
    served.buffer().extend(batch.jobs.into_iter().map(|job| Waiting {
        job,
        hold: hold.clone(),
        since,
    }));
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

/// How many jobs to claim ahead of free slots. Jobs that wait long in the buffer could be running
/// elsewhere; a buffer that runs dry leaves slots idle while a batch is on its way.
struct Ahead {
    jobs: usize,
    most: usize,
}

/// Half of a claim's round trips on a slow network: a buffer that was empty for less cost nothing.
const SOON: Duration = Duration::from_millis(100);
/// No job should wait much longer than this for a slot here.
const LONG: Duration = Duration::from_millis(500);

impl Ahead {
    fn new(shared: &Shared) -> Self {
        Self { jobs: 0, most: shared.options.prefetch }
    }

    /// Free slots and what is claimed ahead, less what waits already. A batch is asked for when
    /// half of it would be new, so that claims stay few while the buffer is busy.
    fn wanted(&mut self, shared: &Shared, served: &Served) -> usize {
        let buffer = served.buffer();
        let waiting = buffer.len();
        let oldest = buffer.front().map(|waiting| waiting.since.elapsed());
        drop(buffer);
        if oldest.is_some_and(|age| age > LONG) {
            self.jobs /= 2;
        }
        let target = shared.slots.available_permits() + self.jobs;
        let wanted = target.saturating_sub(waiting).min(BATCH);
        if waiting > 0 && wanted * 2 < target.min(BATCH) { 0 } else { wanted }
    }

    /// A full batch that was gone at once: more next time.
    fn claimed(&mut self, full: bool, asked: Instant) {
        if full && asked.elapsed() < SOON * 10 {
            self.jobs = (self.jobs.max(1) * 2).min(self.most);
        }
    }

    fn nothing_there(&mut self) {
        self.jobs /= 2;
    }
}
