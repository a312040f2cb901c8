//! One claimer of one queue: where it stands, whom it shares the queue with, what it takes back.
//!
//! A claim reads the first jobs that are due and marks them in one transaction. Two things make
//! that cheap when there is a lot to claim:
//!
//! - **The place.** Keys of claimed jobs linger at the head of the index until the server forgets
//!   its snapshots, and a search from the head walks over all of them. So a claimer goes on from
//!   where its last claim ended, or a little before where that was the end of the queue, and the
//!   [head] is looked at now and then for what came in front.
//! - **The turn.** Claimers that meet (a conflict says so, or a line) read one after the other, and
//!   share the place, so that they don't fight over the same jobs, as long as there are others.
//!
//! Both are hints. Guard and transaction of the claim alone keep two claimers apart.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::job::{Claim, Job, State, Token};
use crate::store::{Due, Found, NewClaim, Place, Store, Stretch, Turn};

mod head;
mod idle;
mod line;

use head::Head;
use line::{Pace, Stood};

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
    /// How many jobs of a batch are begun at once.
    at_once: usize,
    place: Option<Place>,
    head: Head,
    /// The last find got nothing, and did not look at the head: somebody is to do that after so long.
    head_left_out: Option<Duration>,
    turns_until: Option<Instant>,
    /// The last turn was had beside others.
    company: bool,
    /// The last find got nothing.
    idle: bool,
    /// The last look at the head of an idle queue took long.
    head_is_dear: bool,
    /// The last find was not in turns.
    alone: bool,
    /// How long a turn takes.
    pace: Pace,
    /// The last ticket of anybody that it saw.
    last_ticket: Option<i64>,
    /// When it asked for that, last.
    asked: Instant,
    /// The last find got all that it asked for: jobs are few or large where it didn't.
    fits: bool,
    /// How often it met others.
    met: u32,
    /// The same in a row; less again with each claim that is made.
    in_a_row: u32,
    take_back_at: Instant,
    pub(crate) took_back: Vec<TookBack>,
}

/// From this many jobs a claim on, a queue is busy.
const BUSY: usize = 100;
/// So much later, in milliseconds, than others that are due at the same time a job may come in and
/// still be found without a look at the head: its put was on its way.
const ON_ITS_WAY: i64 = 250;
/// Claimers take turns for this long after they met others, or saw that they had turns.
const TURNS_FOR: Duration = Duration::from_secs(10);
/// Whoever claims alone asks so often whether it still does, where it need not look at the head.
const ASK_EVERY: Duration = Duration::from_millis(50);
/// So many tickets in a row may be passed by.
const TICKETS: u32 = 20;
/// The longest wait for what is being marked at the end of the queue.
const TOO_EARLY: Duration = Duration::from_millis(80);
/// How often a claimer looks for expired leases: nobody notices that a lease of half a minute was
/// taken back three seconds later, and an idle worker sends fewer commands.
const TAKE_BACK_EVERY: Duration = Duration::from_secs(3);
/// Expired leases that one look takes back: the rest waits for the next claim.
const TAKE_BACK_AT_ONCE: i64 = 16;
/// Claimers that live are out of each other's way after so many conflicts in a row.
const WALL: u32 = 4;
/// With each further one a claim is for half as many jobs, so often at the most: for one, then.
const FEWER: u32 = 9;
/// As a power of two, how far down a claim of one job looks at the most: further than a batch
/// reaches.
const FARTHEST: u32 = 10;
/// Tries for a batch before the claimer says that others are in the way.
const TRIES: u32 = 40;

impl Claimer {
    /// A claimer for somebody who begins `at_once` jobs of a batch, in its order, and the next one
    /// when one is over.
    pub(crate) fn new(store: Store, queue: Arc<str>, consumer: Arc<str>, at_once: usize) -> Self {
        let now = Instant::now();
        Self {
            store,
            queue,
            consumer,
            at_once,
            place: None,
            head: Head::new(),
            head_left_out: None,
            turns_until: None,
            company: false,
            idle: false,
            head_is_dear: false,
            alone: true,
            pace: Pace::default(),
            last_ticket: None,
            asked: now,
            fits: false,
            met: 0,
            in_a_row: 0,
            take_back_at: now,
            took_back: Vec::new(),
        }
    }

    /// Claims up to `n` jobs that are due, for `lease`, or each batch for the longest time-out in
    /// it. `None` when nothing is due. Once: whoever goes on has a place, and finds and marks.
    pub(crate) async fn claim(
        mut self,
        n: usize,
        lease: Option<Duration>,
    ) -> Result<Option<Batch>> {
        let started = Instant::now();
        for _ in 0..TRIES {
            let due = self.find(n).await?;
            if due.jobs.is_empty() {
                return Ok(None);
            }
            if let Some(batch) = self.mark(due, lease).await? {
                self.got_through();
                return Ok(Some(batch));
            }
            tokio::time::sleep(self.met_others()).await;
        }
        let spent = started.elapsed();
        Err(Error::Contended { doing: "claim jobs", tries: TRIES, spent })
    }

    /// What a claim of `n` would take now. The next one goes on behind it, so a caller may look on
    /// while this is being marked.
    pub(crate) async fn find(&mut self, n: usize) -> Result<Due> {
        self.take_back().await?;
        self.head_left_out = None;
        if n == 1 && self.met > 0 {
            return self.find_one().await;
        }
        // Whoever comes first asks in line who is there: many begin at once.
        let in_turns = self.in_turns() || self.last_ticket.is_none() && n > 1;
        if in_turns && self.idle && self.nothing_is_due().await? {
            return Ok(Due { jobs: Vec::new(), full: false });
        }
        let was_alone = std::mem::replace(&mut self.alone, !in_turns);
        let due = match in_turns {
            true => {
                let own = self.place.take().filter(|_| was_alone);
                self.find_in_turn(self.fewer(n), own).await?
            }
            false => self.find_alone(n).await?,
        };
        self.fits = due.jobs.len() == self.fewer(n);
        self.go_on_after(&due, n);
        Ok(due)
    }

    /// Where the next find goes on: where this one ended, or a little before, for what is on its way
    /// to the end of the queue.
    fn go_on_after(&mut self, due: &Due, n: usize) {
        self.idle = due.jobs.is_empty();
        let was_busy = self.place.as_ref().is_some_and(Place::is_exact);
        let busy = due.full && n >= BUSY;
        match due.jobs.last().map(place_of) {
            Some(end) if busy => self.place = Some(end),
            _ if !self.alone => self.place = None,
            Some(end) => self.place = Some(end.before(ON_ITS_WAY)),
            // All that was due has been seen, if the head was.
            None => {
                let now = self.store.now_if_known().filter(|_| self.head_left_out.is_none());
                self.place = self.place.take().map(|place| match now {
                    Some(due) => Place { due, ..place }.before(ON_ITS_WAY),
                    None => place,
                });
            }
        }
        if !due.jobs.is_empty() {
            self.head.got();
        }
        if was_busy && !busy {
            self.look_at_head();
        }
    }

    /// When the last find got nothing and did not look at the head: how long until that may be done.
    pub(crate) fn head_left_out(&self) -> Option<Duration> {
        self.head_left_out
    }

    /// True when the next look may find again what is being marked now.
    pub(crate) fn may_meet_itself(&self) -> bool {
        let exact = self.place.as_ref().is_some_and(Place::is_exact);
        !exact || self.in_turns() || self.head.is_wanted()
    }

    /// Others were quicker, or in the way: answers how long to wait before the next try.
    pub(crate) fn met_others(&mut self) -> Duration {
        self.place = None;
        self.met += 1;
        self.in_a_row = self.in_a_row.saturating_add(1).min(WALL + FEWER);
        self.turns_until = Some(Instant::now() + TURNS_FOR);
        chance(Duration::from_millis(1 << self.met.min(5)))
    }

    /// A claim was made.
    pub(crate) fn got_through(&mut self) {
        self.in_a_row = self.in_a_row.saturating_sub(1);
    }

    /// The next find looks at the head: something may have come in front of the place.
    pub(crate) fn look_at_head(&mut self) {
        self.head.want();
    }

    /// The same, whatever that costs, and whoever else may look there.
    pub(crate) fn look_itself(&mut self) {
        self.head_is_dear = false;
        self.look_at_head();
    }

    /// Waits until something is seen in front of the place, if need be for ever.
    pub(crate) async fn something_in_front(&mut self) {
        self.head.found().await;
    }

    /// True while it takes turns with others, who are about.
    pub(crate) fn in_turns(&self) -> bool {
        self.turns_until.is_some_and(|until| Instant::now() < until)
    }

    async fn take_back(&mut self) -> Result<()> {
        if Instant::now() < self.take_back_at {
            return Ok(());
        }
        for lease in self.store.expired(&self.queue, TAKE_BACK_AT_ONCE).await? {
            let jobs = self.store.take_back(&self.queue, &lease).await?;
            if jobs > 0 {
                self.took_back.push(TookBack { consumer: lease.consumer, jobs });
                self.look_itself();
            }
        }
        self.take_back_at = Instant::now() + TAKE_BACK_EVERY;
        Ok(())
    }

    /// Single jobs aren't worth a turn: whoever met others looks a little further down.
    async fn find_one(&self) -> Result<Due> {
        let skip = rand::random_range(0..1_u64 << self.met.min(FARTHEST));
        let due = self.store.find_due(&self.queue, Stretch::All, (1, skip)).await?;
        if !due.jobs.is_empty() {
            return Ok(due);
        }
        self.store.find_due(&self.queue, Stretch::All, (1, 0)).await
    }

    /// A claimer that died within its transaction keeps its jobs locked until the server ends that,
    /// a minute or more, and every claim that has one of them among its jobs fails. In turns each
    /// claim goes on behind the last one, whatever became of that; so a dead one's batch is passed
    /// soon, and who asks for fewer jobs gets what lies beside it.
    fn fewer(&self, n: usize) -> usize {
        (n >> self.in_a_row.saturating_sub(WALL)).max(1)
    }

    async fn find_alone(&mut self, n: usize) -> Result<Due> {
        let place = self.place.clone().filter(|_| !self.head.is_wanted());
        let Some(place) = place else {
            // What others are marking lies there.
            if n >= BUSY {
                self.ask_for_others().await?;
            }
            if self.in_turns() {
                self.alone = false;
                self.place = None;
                return self.find_in_turn(self.fewer(n), None).await;
            }
            return self.find_at_head(n).await;
        };
        let (store, queue) = (self.store.clone(), self.queue.clone());
        self.head.passed(&store, &queue, &place);
        let find = store.find_due(&queue, Stretch::Behind(&place), (n, 0));
        let due = match n >= BUSY && self.asked.elapsed() >= ASK_EVERY {
            // Beside the search: it is the server's smallest answer, and nobody waits for it.
            true => tokio::try_join!(find, self.ask_for_others())?.0,
            false => find.await?,
        };
        self.head_left_out = due.jobs.is_empty().then(|| self.head.left());
        Ok(due)
    }

    async fn find_at_head(&mut self, n: usize) -> Result<Due> {
        let looked = Instant::now();
        let due = self.store.find_due(&self.queue, Stretch::All, (n, 0)).await?;
        let took = looked.elapsed();
        let place = self.place.as_ref();
        let came_in_front = |job| place.is_some_and(|place| !place.is_before(job));
        let in_front = due.jobs.iter().any(came_in_front);
        self.head.looked(took, due.full && n >= BUSY, in_front);
        Ok(due)
    }

    /// `own`: where it was when it was alone.
    async fn find_in_turn(&mut self, n: usize, own: Option<Place>) -> Result<Due> {
        let (started, mut wait) = (Instant::now(), Duration::from_millis(10));
        let mut passed_by = 0;
        // Nobody waits for ever beside others who are luckier, or in a line that serves nobody.
        while started.elapsed() < TURNS_FOR && passed_by < TICKETS {
            match line::stand(&self.store, &self.queue, &mut self.pace).await? {
                Stood::Turn { mut turn, others } => {
                    self.company = false;
                    if others {
                        self.others_are_about();
                    }
                    turn.head_is_due |= !self.in_turns();
                    if let Some(own) = own.clone() {
                        turn.place = Some(further(turn.place.take(), own));
                    }
                    // Where others are about, what was handed out just now is not looked for again.
                    let busy = others || self.in_turns() && n >= BUSY;
                    turn.before = turn.before.take().filter(|_| busy);
                    if let Some(due) = self.use_turn(*turn, n).await? {
                        return Ok(due);
                    }
                    tokio::time::sleep(chance(wait)).await;
                    wait = (wait * 2).min(TOO_EARLY);
                }
                Stood::Nothing => return Ok(Due { jobs: Vec::new(), full: false }),
                Stood::PassedBy => passed_by += 1,
            }
        }
        self.find_at_head(n).await
    }

    /// Looks for what came in front, behind the last claim of anybody, then at the whole head; `None`
    /// when it is too early for that.
    async fn use_turn(&mut self, turn: Turn, n: usize) -> Result<Option<Due>> {
        self.look_for_others(turn.serving, 1);
        // At a wall it is passed first, down to the end: the head is on this side of it.
        let head_is_due = turn.head_is_due && self.in_a_row <= WALL;
        let front = turn.before.as_ref().filter(|_| head_is_due && turn.place.is_some());
        if let Some(front) = front {
            let due = self.store.find_due(&self.queue, Stretch::Before(front), (n, 0)).await?;
            if let Some(last) = due.jobs.last() {
                let place = further(turn.place.clone(), place_of(last));
                self.store.give_turn(&self.queue, &turn, Found::Up(place, true)).await?;
                return Ok(Some(due));
            }
        }
        let looked = front.is_some();
        if let Some(place) = &turn.place
            && (looked || !head_is_due)
            && let Some(due) = self.go_on(&turn, place, (n, looked)).await?
        {
            return Ok(Some(due).filter(|due| !due.jobs.is_empty()));
        }
        let due = self.find_at_head(n).await?;
        // It would be marked by two at once.
        let too_early = !due.jobs.is_empty() && turn.being_marked && !head_is_due;
        let found = match due.jobs.last() {
            _ if too_early => Found::TooEarly,
            Some(last) => Found::Up(further(turn.place.clone(), place_of(last)), true),
            None => Found::Nothing,
        };
        self.store.give_turn(&self.queue, &turn, found).await?;
        Ok((!too_early).then_some(due))
    }

    /// What lies behind the last claim; `None` when that is nothing, and the turn is still ours.
    async fn go_on(
        &self,
        turn: &Turn,
        place: &Place,
        (n, looked): (usize, bool),
    ) -> Result<Option<Due>> {
        let waited_for = turn.tickets > turn.serving && self.fits;
        if waited_for && let Some(end) = self.store.nth_due(&self.queue, place, n).await? {
            // The others need not wait until the jobs are read.
            self.store.give_turn(&self.queue, turn, Found::Up(end, looked)).await?;
            let due = self.store.find_due(&self.queue, Stretch::Behind(place), (n, 0)).await?;
            return Ok(Some(due));
        }
        let due = self.store.find_due(&self.queue, Stretch::Behind(place), (n, 0)).await?;
        let Some(end) = due.jobs.last().map(place_of) else { return Ok(None) };
        self.store.give_turn(&self.queue, turn, Found::Up(end, looked)).await?;
        Ok(Some(due))
    }

    async fn ask_for_others(&mut self) -> Result<()> {
        self.asked = Instant::now();
        if let Some(turn) = self.store.turn(&self.queue).await? {
            self.look_for_others(turn.tickets, 0);
        }
        Ok(())
    }

    /// Tickets since the last one that it saw, but for its own: it takes turns as long as there are.
    fn look_for_others(&mut self, tickets: i64, own: i64) {
        let last = self.last_ticket.replace(tickets);
        if last.is_some_and(|last| tickets.saturating_sub(last) > own) {
            self.others_are_about();
        }
    }

    fn others_are_about(&mut self) {
        self.company = true;
        self.turns_until = Some(Instant::now() + TURNS_FOR);
    }

    /// Makes what was found ours. `None` when others were quicker for all of it, or in the way.
    pub(crate) fn mark(
        &self,
        due: Due,
        lease: Option<Duration>,
    ) -> impl Future<Output = Result<Option<Batch>>> + Send + 'static {
        let (store, queue) = (self.store.clone(), self.queue.clone());
        let (consumer, at_once) = (self.consumer.clone(), self.at_once);
        async move {
            let longest = || due.jobs.iter().map(|job| job.timeout).max().unwrap_or_default();
            let lease = lease.unwrap_or_else(longest);
            let token = Token::mint();
            let since = Instant::now();
            let claim = NewClaim { queue: &queue, token, consumer: &consumer, lease, at_once };
            let jobs = store.mark(&claim, due.jobs).await?;
            if jobs.is_empty() {
                return Ok(None);
            }
            let at = store.now_if_known().unwrap_or_else(bson::DateTime::now);
            let claimed = |mut job: Job| {
                job.state = State::Running;
                job.claims += 1;
                job.claim = Some(Claim { token, consumer: consumer.to_string(), at });
                job
            };
            let jobs = jobs.into_iter().map(claimed).collect();
            Ok(Some(Batch { token, jobs, lease, since }))
        }
    }
}

/// What is found at the head before the place of the last claim is a straggler, or being marked:
/// then the claims go on where they were. A higher priority is claimed first.
fn further(last: Option<Place>, end: Place) -> Place {
    match last {
        Some(last) if last.priority == end.priority && last.due > end.due => last,
        _ => end,
    }
}

fn place_of(job: &Job) -> Place {
    Place { priority: job.priority, due: job.due, id: job.id.to_bson() }
}

/// Somewhere between half of it and all of it.
pub(crate) fn chance(longest: Duration) -> Duration {
    longest.mul_f64(0.5 + 0.5 * rand::random::<f64>())
}
