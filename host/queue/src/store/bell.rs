//! The bell: a small capped collection in which whoever makes a job claimable says so, and that idle
//! workers read from its end. A hint: a bell that is lost, late or missing costs latency, never a job.
//!
//! Why not a change stream on the jobs: each one costs the server a look at every job that is
//! claimed or settled, by anybody. A hundred idle workers took two thirds of a busy one's rate
//! (docs/performance.md). A reader of the bell costs nothing but when it rings.

use std::collections::{BTreeSet, HashMap};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use bson::{Bson, DateTime, Document, doc};
use mongodb::Cursor;
use mongodb::options::CursorType;

use super::Store;
use crate::error::{Error, Result};

/// How long the server holds an answer back when there is nothing to tell.
const AWAIT: Duration = Duration::from_secs(10);

/// Bytes of the collection: some 700 rings. Who is behind by more looks by itself.
const SIZE: i32 = 64 * 1024;

/// A process rings so often for a queue, on and on: a look at the queue takes all that is due.
const EVERY: Duration = Duration::from_millis(5);
/// And a few times at once after a pause: a put rings when it is sent and when it is done.
const BURST: u32 = 4;
/// Times told with one ring; what is beyond is found by the poll.
const TIMES: usize = 64;
/// Queues whose last rings are remembered.
const QUEUES: usize = 1_024;

const DOING: &str = "listen for new jobs";

/// Who listens to the bell.
pub(crate) struct Listener {
    cursor: Cursor<Document>,
}

impl Listener {
    /// The next time at which some job of the queues may be claimed.
    pub(crate) async fn next(&mut self) -> Result<Option<DateTime>> {
        use futures_util::StreamExt;
        match self.cursor.next().await {
            Some(Ok(ring)) => Ok(ring.get_datetime("due").ok().copied()),
            Some(Err(e)) => Err(Error::from_driver(DOING, e)),
            // The end of a cursor that waits: there is nothing to wait behind.
            None => {
                let why = "the collection of the bell is empty".to_owned();
                Err(Error::UnsuitableServer { why })
            }
        }
    }
}

/// What this process has rung.
#[derive(Default)]
pub(super) struct Rung {
    queues: Mutex<HashMap<String, Pace>>,
}

/// The rings for one queue: what is still to be told, and how many may follow at once.
struct Pace {
    left: u32,
    counted: Instant,
    later: bool,
    waiting: BTreeSet<Option<DateTime>>,
}

impl Pace {
    fn new(now: Instant) -> Self {
        Self { left: BURST, counted: now, later: false, waiting: BTreeSet::new() }
    }

    /// What to tell now; or how long to wait before asking again; or nothing, as somebody waits.
    fn ask(&mut self, now: Instant) -> Next {
        let passed = now.saturating_duration_since(self.counted).as_millis() / EVERY.as_millis();
        if passed > 0 {
            self.left = BURST.min(self.left.saturating_add(u32::try_from(passed).unwrap_or(BURST)));
            self.counted = now;
        }
        match (self.left.checked_sub(1), self.later) {
            (Some(left), _) => {
                self.left = left;
                Next::Tell(std::mem::take(&mut self.waiting).into_iter().collect())
            }
            (None, true) => Next::Nothing,
            (None, false) => {
                self.later = true;
                Next::Wait(EVERY.saturating_sub(now.saturating_duration_since(self.counted)))
            }
        }
    }
}

enum Next {
    Tell(Vec<Option<DateTime>>),
    Wait(Duration),
    Nothing,
}

impl Rung {
    fn ask(&self, queue: &str, due: &[Option<DateTime>], now: Instant) -> Next {
        let mut queues = self.queues.lock().unwrap_or_else(|e| e.into_inner());
        if !queues.contains_key(queue) {
            if queues.len() >= QUEUES {
                queues.retain(|_, pace| pace.later);
            }
            queues.insert(queue.to_owned(), Pace::new(now));
        }
        let Some(pace) = queues.get_mut(queue) else { return Next::Nothing };
        pace.waiting.extend(due);
        while pace.waiting.len() > TIMES {
            pace.waiting.pop_last();
        }
        pace.ask(now)
    }

    /// The time has come for what waited.
    fn ask_again(&self, queue: &str, now: Instant) -> Next {
        let mut queues = self.queues.lock().unwrap_or_else(|e| e.into_inner());
        let Some(pace) = queues.get_mut(queue) else { return Next::Nothing };
        pace.later = false;
        if pace.waiting.is_empty() { Next::Nothing } else { pace.ask(now) }
    }
}

impl Store {
    /// The bell is there, with something in it: nobody can wait at the end of an empty collection.
    pub(super) async fn hang_bell(&self) -> Result<(), mongodb::error::Error> {
        self.make(self.bell_made()).await?;
        if self.inner.bell.find_one(doc! {}).await?.is_none() {
            self.inner.bell.insert_one(Self::first_ring()).await?;
        }
        Ok(())
    }

    /// The command that makes the collection.
    pub(super) fn bell_made(&self) -> Document {
        doc! { "create": self.inner.bell.name(), "capped": true, "size": SIZE }
    }

    /// What is put into it then: for no queue.
    pub(super) fn first_ring() -> Document {
        doc! { "queue": Bson::Null }
    }

    /// The name of its collection.
    pub(super) fn bell_name(&self) -> &str {
        self.inner.bell.name()
    }

    /// Tells the workers that wait for `queue` that jobs may be claimed, each at its time, or now
    /// for `None`. Returns when that is told, or will be told by another task in a moment; whether it
    /// worked is not known, and doesn't matter.
    pub(crate) async fn ring(&self, queue: &str, due: &[Option<DateTime>]) {
        match self.inner.rung.ask(queue, due, Instant::now()) {
            Next::Tell(due) => self.tell(queue, due).await,
            Next::Wait(pause) => self.ring_later(queue, pause),
            Next::Nothing => {}
        }
    }

    /// The same, all of it by another task.
    pub(crate) fn ring_beside(&self, queue: &str, due: &[Option<DateTime>]) {
        match self.inner.rung.ask(queue, due, Instant::now()) {
            Next::Tell(due) => {
                let (store, queue) = (self.clone(), queue.to_owned());
                tokio::spawn(async move { store.tell(&queue, due).await });
            }
            Next::Wait(pause) => self.ring_later(queue, pause),
            Next::Nothing => {}
        }
    }

    fn ring_later(&self, queue: &str, mut pause: Duration) {
        let (store, queue) = (self.clone(), queue.to_owned());
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(pause).await;
                match store.inner.rung.ask_again(&queue, Instant::now()) {
                    Next::Tell(due) => return store.tell(&queue, due).await,
                    Next::Wait(further) => pause = further,
                    Next::Nothing => return,
                }
            }
        });
    }

    async fn tell(&self, queue: &str, due: Vec<Option<DateTime>>) {
        let rings = due.into_iter().map(|due| match due {
            Some(due) => doc! { "queue": queue, "due": due },
            None => doc! { "queue": queue },
        });
        // A hint: the poll finds what nobody was told of.
        let _ = self.inner.bell.insert_many(rings).await;
    }

    /// Listens for jobs of `queues` that are put, retried or come back. What was rung before is told
    /// again, as far as it is still there.
    pub(crate) async fn listen(&self, queues: &[String]) -> Result<Listener> {
        let queues: Vec<Bson> = queues.iter().map(Bson::from).collect();
        let find = self
            .inner
            .bell
            .find(doc! { "queue": { "$in": queues } })
            .projection(doc! { "_id": 0, "due": 1 })
            .cursor_type(CursorType::TailableAwait)
            .max_await_time(AWAIT);
        let cursor = find.await.map_err(|e| Error::from_driver(DOING, e))?;
        Ok(Listener { cursor })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(next: Next) -> Vec<Option<DateTime>> {
        match next {
            Next::Tell(due) => due,
            Next::Wait(_) | Next::Nothing => Vec::new(),
        }
    }

    #[test]
    fn a_pace_has_some_at_once_and_then_one_in_a_while() {
        let begin = Instant::now();
        let mut pace = Pace::new(begin);
        for _ in 0..BURST {
            assert!(matches!(pace.ask(begin), Next::Tell(_)));
        }
        let Next::Wait(pause) = pace.ask(begin + EVERY / 4) else { panic!("one more") };
        assert_eq!(pause, EVERY * 3 / 4);
        // Somebody waits already.
        assert!(matches!(pace.ask(begin + EVERY / 2), Next::Nothing));
        pace.later = false;
        assert!(matches!(pace.ask(begin + EVERY), Next::Tell(_)));
        assert!(matches!(pace.ask(begin + EVERY), Next::Wait(_)));
        // After a long pause no more than at first.
        pace.later = false;
        let late = begin + EVERY * 1_000;
        for _ in 0..BURST {
            assert!(matches!(pace.ask(late), Next::Tell(_)));
        }
        assert!(matches!(pace.ask(late), Next::Wait(_)));
    }

    #[test]
    fn what_waits_is_told_once_and_together() {
        let (rung, begin) = (Rung::default(), Instant::now());
        let at = |n| Some(DateTime::from_millis(n));
        assert_eq!(told(rung.ask("q", &[None, None], begin)), [None]);
        for _ in 1..BURST {
            assert_eq!(told(rung.ask("q", &[at(5), None], begin)), [None, at(5)]);
        }
        assert!(matches!(rung.ask("q", &[at(9)], begin), Next::Wait(EVERY)));
        assert!(matches!(rung.ask("q", &[at(7), at(9)], begin), Next::Nothing));
        assert_eq!(told(rung.ask_again("q", begin + EVERY)), [at(7), at(9)]);
        assert!(matches!(rung.ask_again("q", begin + EVERY), Next::Nothing));
        assert!(matches!(rung.ask_again("other", begin), Next::Nothing));
    }

    #[test]
    fn neither_times_nor_queues_pile_up() {
        let (rung, begin) = (Rung::default(), Instant::now());
        let many: Vec<_> = (0..1_000).map(|n| Some(DateTime::from_millis(n))).collect();
        // The earliest of them.
        assert_eq!(told(rung.ask("q", &many, begin)), many[..TIMES]);
        for n in 0..3 * QUEUES {
            assert!(matches!(rung.ask(&n.to_string(), &[None], begin), Next::Tell(_)));
        }
        assert!(rung.queues.lock().is_ok_and(|queues| queues.len() <= QUEUES));
    }
}
