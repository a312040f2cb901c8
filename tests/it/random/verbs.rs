//! What can be done to the queues, and how likely it is.

use std::fmt;
use std::time::Duration;

use mongoqueue::{Failure, Outcome, Payload, State};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::Union;

/// The queues, in one collection.
pub(super) const QUEUES: [&str; 2] = ["a", "b"];

/// The consumers, each with a connection of its own.
pub(super) const CONSUMERS: [&str; 3] = ["consumer-1", "consumer-2", "consumer-3"];

/// A time that no run lasts for: what is due in an hour is not due before an hour is passed.
pub(super) const HOUR: Duration = Duration::from_secs(3_600);

/// So many of them.
pub(super) fn hours(n: i64) -> Duration {
    HOUR * u32::try_from(n).unwrap_or(0)
}

/// Something to do. A number picks one of the things that are there, 0 the latest: so it is the
/// same one when steps long before are left out. Times are in hours.
#[derive(Clone, Debug)]
pub(super) enum Verb {
    Put(&'static str, New),
    PutMany(&'static str, Vec<New>),
    /// Claims one job for a lease of that many hours.
    Next {
        queue: &'static str,
        by: &'static str,
        lease: Option<i64>,
    },
    /// A worker claims up to so many jobs together, and no more.
    Batch {
        queue: &'static str,
        by: &'static str,
        jobs: usize,
        lease: i64,
    },
    Report(usize, u8),
    Save(usize, u8),
    Heartbeat(usize),
    Extend(usize, i64),
    End(usize, End),
    /// Ends all that a worker still runs, at once.
    EndBatch(usize, Vec<End>),
    /// Forgets a lease, unfinished.
    Drop(usize),
    Detach(usize),
    /// Looks for the lease of a claim that was made before.
    Find(usize),
    Cancel(usize),
    /// Cancels one that is held.
    Stop(usize),
    Retry(usize),
    RetryDead(&'static str),
    Clear(&'static str),
    Get(&'static str, usize),
    List {
        queue: &'static str,
        state: Option<State>,
        limit: usize,
    },
    /// An hour passes.
    Hour,
    /// All leases run out.
    ExpireAll,
    /// One lease runs out.
    Expire(usize),
}

/// A job to put.
#[derive(Clone)]
pub(super) struct New {
    pub(super) priority: i32,
    pub(super) delay: i64,
    pub(super) key: Option<&'static str>,
    pub(super) id: Option<&'static str>,
    pub(super) max_attempts: u32,
    pub(super) retain: bool,
    /// Exponential, from an hour to four.
    pub(super) backoff: bool,
}

/// How an attempt ends.
#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    /// With no output for 0.
    Complete(u8),
    Fail,
    FailFor(i64),
    Reject,
    Release(i64),
    HandBack,
}

impl End {
    pub(super) fn outcome(self) -> Outcome {
        let failure = Failure::new("it failed").code("code");
        match self {
            Self::Complete(n) => Outcome::Completed(output(n)),
            Self::Fail => Outcome::Failed(failure),
            Self::FailFor(n) => Outcome::Failed(failure.retry_after(hours(n))),
            Self::Reject => Outcome::Failed(failure.reject()),
            Self::Release(n) => Outcome::Released { delay: hours(n) },
            Self::HandBack => Outcome::HandedBack,
        }
    }
}

/// An output; none for 0.
pub(super) fn output(n: u8) -> Option<Payload> {
    (n > 0).then(|| body(n))
}

/// Native for an even number, bytes for an odd one.
pub(super) fn body(n: u8) -> Payload {
    match n % 2 {
        0 => Payload::Bson(i32::from(n).into()),
        _ => Payload::bytes("text/plain", vec![n]),
    }
}

/// What stands beside the defaults, in one line.
impl fmt::Debug for New {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = Vec::new();
        if self.priority != 0 {
            words.push(format!("priority {}", self.priority));
        }
        if self.delay != 0 {
            words.push(format!("in {} h", self.delay));
        }
        words.extend(self.key.map(|key| format!("key {key}")));
        words.extend(self.id.map(|id| format!("id {id}")));
        words.push(format!("{} attempts", self.max_attempts));
        words.extend(self.retain.then(|| "retain".to_owned()));
        words.extend(self.backoff.then(|| "backoff".to_owned()));
        write!(f, "({})", words.join(", "))
    }
}

/// A verb that is one line in a list of them.
#[derive(Clone)]
pub(super) struct Step(pub(super) Verb);

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the formatter's own form, which may be the one of many lines.
        write!(f, "{:?}", self.0)
    }
}

/// A sequence of up to so many.
pub(super) fn steps(n: usize) -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(verbs().prop_map(Step), n / 4..=n)
}

/// What claims and what ends claims are in balance, and jobs are put a little faster than they are
/// removed.
fn verbs() -> Union<BoxedStrategy<Verb>> {
    let all = [
        (20, (queues(), news()).prop_map(|(queue, new)| Verb::Put(queue, new)).boxed()),
        (6, many().boxed()),
        (20, next().boxed()),
        (10, batch().boxed()),
        (14, (picks(), ends()).prop_map(|(held, end)| Verb::End(held, end)).boxed()),
        (5, end_batch().boxed()),
        (4, (picks(), 0..9_u8).prop_map(|(held, n)| Verb::Report(held, n)).boxed()),
        (4, (picks(), 0..9_u8).prop_map(|(held, n)| Verb::Save(held, n)).boxed()),
        (4, picks().prop_map(Verb::Heartbeat).boxed()),
        (5, (picks(), 1..4_i64).prop_map(|(held, n)| Verb::Extend(held, n)).boxed()),
        (4, picks().prop_map(Verb::Drop).boxed()),
        (2, picks().prop_map(Verb::Detach).boxed()),
        (8, picks().prop_map(Verb::Find).boxed()),
        (6, picks().prop_map(Verb::Cancel).boxed()),
        (5, picks().prop_map(Verb::Stop).boxed()),
        (4, picks().prop_map(Verb::Retry).boxed()),
        (2, queues().prop_map(Verb::RetryDead).boxed()),
        (1, queues().prop_map(Verb::Clear).boxed()),
        (3, (queues(), picks()).prop_map(|(queue, job)| Verb::Get(queue, job)).boxed()),
        (3, list().boxed()),
        (6, Just(Verb::Hour).boxed()),
        (2, Just(Verb::ExpireAll).boxed()),
        (4, picks().prop_map(Verb::Expire).boxed()),
    ];
    Union::new_weighted(all.into())
}

fn queues() -> impl Strategy<Value = &'static str> {
    select(&QUEUES[..])
}

fn consumers() -> impl Strategy<Value = &'static str> {
    select(&CONSUMERS[..])
}

/// The latest rather than others: see [`Verb`].
fn picks() -> impl Strategy<Value = usize> {
    prop_oneof![2 => 0..4_usize, 1 => 0..24_usize]
}

/// Few keys and ids, so that many are taken.
fn news() -> impl Strategy<Value = New> {
    let order = (select(vec![0, 0, 0, 1, -1, 9]), select(vec![0, 0, 0, 1, 2]));
    let names = (
        select(vec![None, None, None, None, Some("k"), Some("l"), Some("m")]),
        select(vec![None, None, None, None, None, Some("x"), Some("y"), Some("z")]),
    );
    let ends = (select(vec![2, 1, 3]), any::<bool>(), prop::bool::weighted(0.2));
    (order, names, ends).prop_map(|((priority, delay), (key, id), ends)| {
        let (max_attempts, retain, backoff) = ends;
        New { priority, delay, key, id, max_attempts, retain, backoff }
    })
}

fn many() -> impl Strategy<Value = Verb> {
    let news = prop::collection::vec(news(), 1..8);
    (queues(), news).prop_map(|(queue, news)| Verb::PutMany(queue, news))
}

fn next() -> impl Strategy<Value = Verb> {
    let leases = select(vec![None, Some(1), Some(3)]);
    let all = (queues(), consumers(), leases);
    all.prop_map(|(queue, by, lease)| Verb::Next { queue, by, lease })
}

fn batch() -> impl Strategy<Value = Verb> {
    let all = (queues(), consumers(), 1..7_usize, 1..3_i64);
    all.prop_map(|(queue, by, jobs, lease)| Verb::Batch { queue, by, jobs, lease })
}

fn end_batch() -> impl Strategy<Value = Verb> {
    let ends = prop::collection::vec(ends(), 1..4);
    (picks(), ends).prop_map(|(held, ends)| Verb::EndBatch(held, ends))
}

fn ends() -> impl Strategy<Value = End> {
    let failed = prop_oneof![3 => Just(End::Fail), 1 => (1..3_i64).prop_map(End::FailFor)];
    prop_oneof![
        4 => (0..4_u8).prop_map(End::Complete),
        5 => failed,
        1 => Just(End::Reject),
        3 => (0..3_i64).prop_map(End::Release),
        2 => Just(End::HandBack),
    ]
}

fn list() -> impl Strategy<Value = Verb> {
    let states: Vec<Option<State>> =
        std::iter::once(None).chain(State::ALL.into_iter().map(Some)).collect();
    let all = (queues(), select(states), select(vec![0, 1, 5]));
    all.prop_map(|(queue, state, limit)| Verb::List { queue, state, limit })
}
