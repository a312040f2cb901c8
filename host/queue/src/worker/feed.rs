//! One queue's feed: claims batches into the buffer, as many as will be wanted soon.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::task::{JoinError, JoinSet};

use super::WorkerEvent;
use super::shared::{Served, Shared, Waiting, pause};
use crate::claim::{Batch, Claimer};
use crate::error::{Error, Result};
use crate::lease::Hold;
use crate::store::Due;

/// A batch of more is no faster (docs/performance.md), and the server holds its transaction longer.
const BATCH: usize = 500;

/// Batches being marked at once: one in the server's hands, one on its way.
const MARKS: usize = 2;

/// A batch that was to be marked, and how many jobs it has.
type Marked = (usize, Result<Option<Batch>>);

pub(super) async fn run(shared: Arc<Shared>, index: usize) {
    let Some(served) = shared.served.get(index) else { return };
    let queue = served.queue.name.clone();
    let mut feed = Feed {
        claimer: Claimer::new(
            shared.store.clone(),
            queue,
            shared.consumer.clone(),
            shared.options.slots,
        ),
        ahead: Ahead::new(&shared),
        marks: JoinSet::new(),
        marking: 0,
        filled: Instant::now(),
        failures: 0,
        served,
        shared: &shared,
    };
    while !shared.stop.is_cancelled() {
        feed.turn().await;
    }
    while let Some(marked) = feed.marks.join_next().await {
        feed.marked(marked);
    }
}

struct Feed<'a> {
    shared: &'a Shared,
    served: &'a Served,
    claimer: Claimer,
    ahead: Ahead,
    marks: JoinSet<Marked>,
    /// Jobs in those.
    marking: usize,
    /// When the buffer got the last ones.
    filled: Instant,
    failures: u32,
}

impl Feed<'_> {
    async fn turn(&mut self) {
        self.served.waits();
        let others = self.claimer.in_turns();
        if others && let Some(pause) = SAMPLE.checked_sub(self.filled.elapsed()) {
            // How fast the last claim is worked off isn't known yet, and a turn is dear.
            self.wait(pause).await;
            return;
        }
        let n = self.ahead.wanted(self.shared, self.served, (self.marking, others));
        let one_at_a_time = self.claimer.may_meet_itself();
        let most = if one_at_a_time { 1 } else { MARKS };
        if n == 0 || self.marks.len() >= most {
            // The timer is for a wake-up that was missed: it costs no command.
            self.wait(self.shared.options.poll).await;
            return;
        }
        self.served.looks();
        let quiet = self.shared.quiet().filter(|_| self.marks.is_empty());
        match self.claimer.find(n).await {
            Ok(due) => {
                self.answered();
                self.ahead.got = if due.full { n } else { 0 };
                if !due.jobs.is_empty() {
                    return self.mark(due);
                }
                let left_out = self.claimer.head_left_out();
                let end = quiet.filter(|_| self.shared.options.until_empty);
                match (end, left_out) {
                    // It may be the end: only the head can tell.
                    (Some(_), Some(_)) => return self.claimer.look_itself(),
                    (Some(claims), None) if drained(self.shared, self.served, claims) => return,
                    _ => {}
                }
                self.shared.found_empty(self.served);
                // Not all at once, and not much more often than is asked for.
                let poll = self.shared.options.poll.mul_f64(rand::random_range(0.9..1.0));
                if self.wait(left_out.unwrap_or(poll).min(poll)).await {
                    self.claimer.look_at_head();
                }
            }
            Err(error) => self.failed(&error).await,
        }
    }

    fn mark(&mut self, due: Due) {
        let jobs = due.jobs.len();
        self.served.empty.store(false, Ordering::Release);
        self.marking += jobs;
        let mark = self.claimer.mark(due, Some(self.shared.options.lease));
        self.marks.spawn(async move { (jobs, mark.await) });
    }

    fn marked(&mut self, marked: Result<Marked, JoinError>) -> Option<Duration> {
        // A task that panicked marked nothing that will be settled: its lease runs out.
        let (jobs, marked) = marked.unwrap_or((self.marking, Ok(None)));
        self.marking -= jobs;
        match marked {
            Ok(Some(batch)) => {
                self.answered();
                self.claimer.got_through();
                self.filled = Instant::now();
                fill(self.shared, self.served, batch);
                None
            }
            Ok(None) => Some(self.claimer.met_others()),
            Err(error) => {
                self.shared.trouble(&error);
                self.failures += 1;
                Some(pause(self.failures))
            }
        }
    }

    /// Until there may be something to do: a mark is made, a slot came free, something is due. True
    /// when nothing of that came in the time.
    async fn wait(&mut self, at_most: Duration) -> bool {
        tokio::select! {
            biased;
            Some(marked) = self.marks.join_next() => {
                if let Some(pause) = self.marked(marked) {
                    tokio::time::sleep(pause).await;
                }
                false
            }
            () = self.shared.stop.cancelled() => false,
            () = self.served.look.notified() => false,
            () = self.claimer.something_in_front() => false,
            () = tokio::time::sleep(at_most) => true,
        }
    }

    fn answered(&mut self) {
        self.failures = 0;
        self.shared.no_trouble();
        for took in self.claimer.took_back.drain(..) {
            self.shared.say(|| WorkerEvent::TookBack {
                queue: self.served.queue.name().to_owned(),
                jobs: took.jobs,
                consumer: took.consumer,
            });
        }
    }

    async fn failed(&mut self, error: &Error) {
        self.shared.trouble(error);
        self.failures += 1;
        let pause = pause(self.failures);
        tokio::select! {
            () = self.shared.stop.cancelled() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

fn fill(shared: &Shared, served: &Served, batch: Batch) {
    let hold = Hold::of_batch(&shared.store, &served.queue.name, &batch);
    let hold = Arc::new(hold.until_stopped(&shared.stop));
    shared.hold(&hold);
    shared.claimed(batch.jobs.len());
    shared.say(|| WorkerEvent::Claimed {
        queue: served.queue.name().to_owned(),
        jobs: batch.jobs.len(),
    });
    let mut buffer = served.buffer();
    for job in batch.jobs {
        buffer.push(Waiting { job, hold: hold.clone() });
    }
    drop(buffer);
    shared.filled.notify_one();
}

/// Nothing was due when the worker had nothing to do, after so many claims. With every queue so,
/// after the same ones, an `until_empty` worker is done: what it did since a queue was found empty
/// may have put jobs there.
fn drained(shared: &Shared, served: &Served, claims: u64) -> bool {
    served.set_drained(claims);
    let same = shared.quiet() == Some(claims);
    let all = same && shared.served.iter().all(|served| served.drained() == Some(claims));
    if all {
        shared.stop.cancel();
    }
    all
}

/// How many jobs to claim ahead of free slots: those that will be begun in the next moment, at the
/// rate of the last one. A buffer that runs dry leaves slots idle while a batch is on its way; jobs
/// that wait long in it could be running elsewhere.
struct Ahead {
    most: usize,
    own: Rate,
    /// Of all queues of the worker.
    all: Rate,
    /// The size of the last claim, 0 when it found less than it asked for.
    got: usize,
}

/// Covers the round trips of a claim, with room for slow ones; no job waits much longer than this
/// for a slot here.
const MOMENT: Duration = Duration::from_millis(400);
/// So much more is claimed when all of the last claim was done before the next one was made.
const GROWTH: usize = 32;
/// Large payloads fill memory before they fill the time.
const BUFFER_BYTES: usize = 32 * 1024 * 1024;
/// Less would measure the gaps between two jobs.
const SAMPLE: Duration = Duration::from_millis(5);

impl Ahead {
    fn new(shared: &Shared) -> Self {
        let most = shared.options.prefetch;
        Self { most, own: Rate::new(), all: Rate::new(), got: 0 }
    }

    /// Free slots and what is claimed ahead, less what waits already. While some wait, a batch is
    /// asked for when half of it would be new, so that claims stay few. Beside others, who have to be
    /// waited for, it is asked for earlier, and whole.
    fn wanted(
        &mut self,
        shared: &Shared,
        served: &Served,
        (marking, others): (usize, bool),
    ) -> usize {
        let begun = |served: &Served| served.begun.load(Ordering::Relaxed);
        let own = self.own.in_a_moment(begun(served));
        let all = self.all.in_a_moment(shared.served.iter().map(begun).sum());
        // A queue that has nothing waiting here when a slot comes free doesn't get it. So each is
        // good for its share of those that will, whatever the others have waiting.
        let share = if all < 1.0 { 0.0 } else { (all / shared.served.len() as f64).max(1.0) };
        // Beside others no more than they may miss in the end.
        let (moments, most) = if others { (2.0, self.most / 2) } else { (1.0, self.most) };
        let ahead = ((own.max(share) * moments) as usize).min(most);
        let buffer = served.buffer();
        let (waiting, bytes) = (buffer.len() + marking, buffer.bytes());
        drop(buffer);
        if bytes > BUFFER_BYTES {
            return 0;
        }
        let free = shared.slots.available_permits();
        let mut target = free + ahead;
        if waiting == 0 && free == shared.options.slots {
            // All of the last claim is done already: the rate of short jobs is known too late.
            target = target.max((self.got * GROWTH).min(free + self.most));
        }
        let wanted = target.saturating_sub(waiting).min(BATCH);
        let least =
            if others && target >= BATCH * 2 { BATCH } else { target.min(BATCH).div_ceil(2) };
        if waiting > 0 && wanted < least { 0 } else { wanted }
    }
}

/// How many jobs are begun in a second.
struct Rate {
    rate: f64,
    begun: u64,
    measured: Instant,
}

impl Rate {
    fn new() -> Self {
        Self { rate: 0.0, begun: 0, measured: Instant::now() }
    }

    /// How many will be begun within a moment; so many were until now.
    fn in_a_moment(&mut self, begun: u64) -> f64 {
        let elapsed = self.measured.elapsed();
        if elapsed >= SAMPLE {
            let rate = begun.saturating_sub(self.begun) as f64 / elapsed.as_secs_f64();
            // Half the old rate, half the new: follows a change within a few batches.
            self.rate = (self.rate + rate) / 2.0;
            self.begun = begun;
            self.measured = Instant::now();
        }
        self.rate * MOMENT.as_secs_f64()
    }
}
