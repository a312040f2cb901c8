//! One claimer of one queue: where it stands, whom it shares the queue with, what it takes back.
//!
//! A claim reads the first jobs that are due and marks them in one transaction. Two things make
//! that cheap when there is a lot to claim:
//!
//! - **The place.** Keys of claimed jobs linger at the head of the index until the server forgets
//!   its snapshots, and a search from the head walks over all of them. So a claimer goes on from
//!   where its last claim ended, and looks at the head now and then for what came in front.
//! - **The turn.** Claimers that meet (a conflict says so) read one after the other for a while,
//!   and share the place, so that they don't fight over the same jobs.
//!
//! Both are hints. Guard and transaction of the claim alone keep two claimers apart.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::job::{Claim, Job, State, Token};
use crate::store::{Due, NewClaim, Place, Store};

/// Jobs claimed together, under one lease.
pub(crate) struct Batch {
    pub(crate) token: Token,
    pub(crate) jobs: Vec<Job>,
    /// How long the lease is, and since when at the latest by this machine's monotonic clock.
    pub(crate) lease: Duration,
    pub(crate) since: Instant,
}

/// An expired lease that was taken back on the way.
pub(crate) struct TookBack {
    pub(crate) consumer: String,
    pub(crate) jobs: u64,
}

pub(crate) struct Claimer {
    store: Store,
    queue: Arc<str>,
    consumer: Arc<str>,
    me: Token,
    place: Option<Place>,
    look_at_head: Instant,
    turns_until: Option<Instant>,
    take_back_at: Instant,
    pub(crate) took_back: Vec<TookBack>,
}

/// A look at the head may cost up to a twentieth of the time, and is never put off for long.
const HEAD_SHARE: u32 = 20;
const HEAD_AT_LEAST: Duration = Duration::from_secs(2);
/// After a conflict claimers take turns for this long.
const TURNS_FOR: Duration = Duration::from_secs(10);
/// How often a claimer looks for expired leases: nobody notices that a lease of half a minute was
/// taken back two seconds later, and an idle worker sends fewer commands.
const TAKE_BACK_EVERY: Duration = Duration::from_secs(2);
/// Expired leases that one look takes back: the rest waits for the next claim.
const TAKE_BACK_AT_ONCE: i64 = 16;
/// Tries for a batch before the claimer says that others are in the way.
const TRIES: u32 = 40;

impl Claimer {
    pub(crate) fn new(store: Store, queue: Arc<str>, consumer: Arc<str>) -> Self {
        let now = Instant::now();
        Self {
            store,
            queue,
            consumer,
            me: Token::mint(),
            place: None,
            look_at_head: now,
            turns_until: None,
            take_back_at: now,
            took_back: Vec::new(),
        }
    }

    /// Claims up to `n` jobs that are due, for `lease`, or each batch for the longest time-out in
    /// it. `None` when nothing is due.
    pub(crate) async fn claim(
        &mut self,
        n: usize,
        lease: Option<Duration>,
    ) -> Result<Option<Batch>> {
        self.take_back().await?;
        let started = Instant::now();
        for attempt in 0..TRIES {
            let due = self.find(n, attempt).await?;
            if due.jobs.is_empty() {
                return Ok(None);
            }
            if let Some(batch) = self.mark(due, lease).await? {
                return Ok(Some(batch));
            }
            // Others were quicker, or in the way.
            self.place = None;
            self.turns_until = Some(Instant::now() + TURNS_FOR);
            tokio::time::sleep(chance(Duration::from_millis(1 << attempt.min(5)))).await;
        }
        let spent = started.elapsed();
        Err(Error::Contended { doing: "claim jobs", tries: TRIES, spent })
    }

    /// Forgets the place: something may have come in front of it.
    pub(crate) fn look_at_head(&mut self) {
        self.look_at_head = Instant::now();
    }

    async fn take_back(&mut self) -> Result<()> {
        if Instant::now() < self.take_back_at {
            return Ok(());
        }
        for lease in self.store.expired(&self.queue, TAKE_BACK_AT_ONCE).await? {
            let jobs = self.store.take_back(&self.queue, &lease).await?;
            if jobs > 0 {
                self.took_back.push(TookBack { consumer: lease.consumer, jobs });
                self.look_at_head();
            }
        }
        self.take_back_at = Instant::now() + TAKE_BACK_EVERY;
        Ok(())
    }

    async fn find(&mut self, n: usize, attempt: u32) -> Result<Due> {
        let turns = self.turns_until.is_some_and(|until| Instant::now() < until);
        if turns && n > 1 {
            return self.find_in_turn(n).await;
        }
        // Single jobs aren't worth a turn: whoever meets others looks a little further down.
        let spread = if n == 1 { (1_u64 << attempt.min(6)) - 1 } else { 0 };
        if spread > 0 {
            let skip = rand::random_range(0..=spread);
            let due = self.store.find_due(&self.queue, None, (n, skip)).await?;
            if !due.jobs.is_empty() {
                return Ok(due);
            }
        }
        self.find_alone(n).await
    }

    async fn find_alone(&mut self, n: usize) -> Result<Due> {
        if let Some(place) = self.place.take()
            && Instant::now() < self.look_at_head
        {
            let due = self.store.find_due(&self.queue, Some(&place), (n, 0)).await?;
            if !due.jobs.is_empty() {
                return Ok(due);
            }
        }
        self.find_at_head(n).await
    }

    async fn find_at_head(&mut self, n: usize) -> Result<Due> {
        let looked = Instant::now();
        let due = self.store.find_due(&self.queue, None, (n, 0)).await?;
        let pause = (looked.elapsed() * HEAD_SHARE).min(HEAD_AT_LEAST);
        self.look_at_head = Instant::now() + pause;
        Ok(due)
    }

    async fn find_in_turn(&mut self, n: usize) -> Result<Due> {
        let mut waited = Duration::ZERO;
        let place = loop {
            if let Some(place) = self.store.take_turn(&self.queue, self.me).await? {
                break place;
            }
            let wait = chance(Duration::from_millis(10));
            waited += wait;
            // A turn lasts half a second at the most: something is wrong with it.
            if waited > Duration::from_secs(2) {
                return self.find_at_head(n).await;
            }
            tokio::time::sleep(wait).await;
        };
        let mut behind = Due { jobs: Vec::new(), full: false };
        if let Some(place) = &place {
            behind = self.store.find_due(&self.queue, Some(place), (n, 0)).await?;
        }
        let at_head = behind.jobs.is_empty();
        let found = if at_head { self.find_at_head(n).await? } else { behind };
        self.store.give_turn(&self.queue, self.me, (place_after(&found), at_head)).await?;
        Ok(found)
    }

    async fn mark(&mut self, due: Due, lease: Option<Duration>) -> Result<Option<Batch>> {
        let longest = || due.jobs.iter().map(|job| job.timeout).max().unwrap_or_default();
        let lease = lease.unwrap_or_else(longest);
        let token = Token::mint();
        let since = Instant::now();
        let claim = NewClaim { queue: &self.queue, token, consumer: &self.consumer, lease };
        let ids: Vec<_> = due.jobs.iter().map(|job| job.id.to_bson()).collect();
        if !self.store.mark(&claim, ids).await? {
            return Ok(None);
        }
        self.place = place_after(&due);
        let at = self.store.now_if_known().unwrap_or_else(bson::DateTime::now);
        let consumer = &self.consumer;
        let claimed = |mut job: Job| {
            job.state = State::Running;
            job.claims += 1;
            job.claim = Some(Claim { token, consumer: consumer.to_string(), at });
            job
        };
        let jobs = due.jobs.into_iter().map(claimed).collect();
        Ok(Some(Batch { token, jobs, lease, since }))
    }
}

/// Where the next claim goes on: where this one ended, unless it was the end of the queue.
fn place_after(due: &Due) -> Option<Place> {
    let last = due.jobs.last().filter(|_| due.full)?;
    Some(Place { priority: last.priority, due: last.due, id: last.id.to_bson() })
}

/// Somewhere between half of it and all of it.
pub(crate) fn chance(longest: Duration) -> Duration {
    longest.mul_f64(0.5 + 0.5 * rand::random::<f64>())
}
