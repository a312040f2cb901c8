//! Finding what is due, marking it, and taking back what a lost consumer held.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use bson::{Bson, DateTime, Document, doc};
use futures_util::TryStreamExt;
use mongodb::options::{FindOptions, Hint};

use super::transact::{Aborted, Safety, Step, Target};
use super::turns::Place;
use super::{CLAIM_INDEX, Store};
use crate::breaks::{self, Break};
use crate::error::{Error, Result};
use crate::job::{Job, JobId, Token};
use crate::transition::{self, AsFound};

/// What a claim would take, in the order of the queue.
pub(crate) struct Due {
    pub(crate) jobs: Vec<Job>,
    /// As many as were asked for: there are likely more.
    pub(crate) full: bool,
}

/// What part of a queue is searched, in its order.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stretch<'a> {
    /// From the head on.
    All,
    /// What lies behind a place, at its priority.
    Behind(&'a Place),
    /// From the head up to a place.
    Before(&'a Place),
}

/// A lease whose time is over.
pub(crate) struct ExpiredLease {
    token: Token,
    jobs: Vec<Bson>,
    at_once: usize,
    pub(crate) consumer: String,
}

/// A batch holds no more payload bytes than this, however large each is: it stays in memory.
const BATCH_BYTES: usize = 16 * 1024 * 1024;

/// The estimate of the server's clock is behind by a round trip and some drift, in milliseconds;
/// what is due beyond it is found by the next look at the head.
const CLOCK_SLACK: i64 = 1_000;

/// By so much, in milliseconds, it may be ahead all the same: it is carried on by a clock of its own.
const CLOCK_DRIFT: i64 = 100;

const FINDING: &str = "find due jobs";
const CLAIMING: &str = "claim jobs";
const TAKING_BACK: &str = "take back expired leases";

impl Store {
    /// The first `n` that are due after the first `skip`.
    pub(crate) async fn find_due(
        &self,
        queue: &str,
        stretch: Stretch<'_>,
        (n, skip): (usize, u64),
    ) -> Result<Due> {
        loop {
            let (due, set_aside) = self.find_readable(queue, stretch, (n, skip)).await?;
            // Nothing but what can't be read is not an empty queue.
            if set_aside == 0 || !due.jobs.is_empty() {
                return Ok(due);
            }
        }
    }

    /// The same, of those that can be read; what can't is set aside, and counted.
    async fn find_readable(
        &self,
        queue: &str,
        stretch: Stretch<'_>,
        (n, skip): (usize, u64),
    ) -> Result<(Due, u64)> {
        let size = u32::try_from(n).unwrap_or(u32::MAX);
        let (filter, options) = self.search(queue, stretch);
        let find = self.inner.jobs.find(filter).with_options(options);
        let find = find.skip(skip).limit(i64::from(size)).batch_size(size);
        let mut cursor = find.await.map_err(|e| Error::from_driver(FINDING, e))?;
        let (mut jobs, mut seen, mut bytes, mut set_aside) = (Vec::new(), 0, 0, 0);
        while cursor.advance().await.map_err(|e| Error::from_driver(FINDING, e))? {
            let document = cursor.current();
            seen += 1;
            bytes += document.as_bytes().len();
            match Job::from_document(document) {
                Ok(job) if !is_full(document) => jobs.push(job),
                Ok(_) => set_aside += self.condemn(queue, document, &full(document)).await?,
                Err(why) => set_aside += self.condemn(queue, document, &why).await?,
            }
            if bytes > BATCH_BYTES {
                return Ok((Due { jobs, full: true }, set_aside));
            }
        }
        Ok((Due { jobs, full: seen == n }, set_aside))
    }

    /// Whether a claim would find anything, without reading what.
    pub(crate) async fn is_any_due(&self, queue: &str, stretch: Stretch<'_>) -> Result<bool> {
        let (filter, options) = self.search(queue, stretch);
        let jobs = self.inner.jobs.clone_with_type::<Document>();
        let find = jobs.find(filter).with_options(options).projection(doc! { "_id": 1 }).limit(-1);
        let failed = |e| Error::from_driver(FINDING, e);
        find.await.map_err(failed)?.advance().await.map_err(failed)
    }

    /// The place of the `n`th that is due after a place; `None` when there are fewer, or it can't be
    /// told. Costs the server a walk over their keys, and nobody anything else.
    pub(crate) async fn nth_due(
        &self,
        queue: &str,
        from: &Place,
        n: usize,
    ) -> Result<Option<Place>> {
        let known = self.now_if_known().map(|now| now.timestamp_millis() - CLOCK_DRIFT);
        let (Some(now), Some(id)) = (known, next_id(&from.id)) else { return Ok(None) };
        if now <= from.due.timestamp_millis() {
            return Ok(None);
        }
        // All of this part of the index is due. A filter would have the server read the jobs.
        let key = |due, id| key(queue, from.priority, due, id);
        let keys = FindOptions::builder()
            .min(key(from.due, id))
            .max(key(DateTime::from_millis(now), Bson::MinKey))
            .hint(Hint::Name(CLAIM_INDEX.to_owned()))
            .sort(order())
            .projection(doc! { "priority": 1, "due": 1 })
            .skip(n.saturating_sub(1) as u64)
            .limit(-1);
        let failed = |e| Error::from_driver(FINDING, e);
        let jobs = self.inner.jobs.clone_with_type::<Document>();
        let mut found = jobs.find(doc! {}).with_options(keys.build()).await.map_err(failed)?;
        let nth = found.try_next().await.map_err(failed)?;
        Ok(nth.and_then(|job| Place::read(&job, "_id")))
    }

    /// What is due there, in the order of the queue.
    fn search(&self, queue: &str, stretch: Stretch<'_>) -> (Document, FindOptions) {
        let mut filter = due_filter(queue);
        let hint = Hint::Name(CLAIM_INDEX.to_owned());
        let mut options = FindOptions::builder().sort(order()).hint(hint).build();
        match stretch {
            Stretch::All => {}
            Stretch::Behind(place) => {
                // The lower bound is inclusive.
                filter.insert("_id", doc! { "$ne": place.id.clone() });
                (options.min, options.max) = self.behind(queue, place);
            }
            Stretch::Before(place) => {
                let head = doc! {
                    "queue": queue, "priority": Bson::MaxKey, "due": Bson::MinKey,
                    "_id": Bson::MinKey,
                };
                options.min = Some(head);
                options.max = Some(key(queue, place.priority, place.due, place.id.clone()));
            }
        }
        (filter, options)
    }

    /// The part of the claim index behind a place, up to what is due now: without the upper bound
    /// the server would walk over everything that is scheduled.
    fn behind(&self, queue: &str, place: &Place) -> (Option<Document>, Option<Document>) {
        let key = |due, id| key(queue, place.priority, due, id);
        let now = self.now_if_known().unwrap_or(place.due).max(place.due);
        let end = DateTime::from_millis(now.timestamp_millis().saturating_add(CLOCK_SLACK));
        (Some(key(place.due, place.id.clone())), Some(key(end, Bson::MinKey)))
    }

    /// What the server makes of the query behind [`find_due`](Self::find_due).
    pub(crate) async fn explain_due(&self, queue: &str, n: usize) -> Result<Document> {
        let size = i64::try_from(n).unwrap_or(i64::MAX);
        let find = doc! {
            "find": self.inner.jobs.name(), "filter": due_filter(queue),
            "sort": order(), "hint": CLAIM_INDEX, "limit": size,
        };
        let explain = doc! { "explain": find, "verbosity": "executionStats" };
        let answer = self.inner.database.run_command(explain).await;
        answer.map_err(|e| Error::from_driver("explain a claim", e))
    }

    async fn condemn(&self, queue: &str, document: &bson::RawDocument, why: &Error) -> Result<u64> {
        let id = document.get("_id").ok().flatten().map(bson::raw::RawBson::from);
        let Some(id) = id.and_then(|id| Bson::try_from(id).ok()) else { return Ok(0) };
        self.before_finish().await?;
        let condemn = transition::condemn(queue, id, &why.to_string(), is_full(document));
        self.write("set aside an unreadable job", Target::Jobs, &condemn).await
    }

    /// Makes a lease and marks the jobs, in one transaction. Answers those that became ours: none
    /// when others were quicker for all of them, or in the way.
    pub(crate) async fn mark(&self, claim: &NewClaim<'_>, mut jobs: Vec<Job>) -> Result<Vec<Job>> {
        let NewClaim { queue, token, .. } = *claim;
        let ids: Vec<Bson> = jobs.iter().map(|job| job.id.to_bson()).collect();
        let steps = claim.steps(&jobs);
        match self.transact(CLAIMING, Safety::Primary, &steps).await {
            Ok(answers) if answers.last().is_some_and(|mark| mark.n == ids.len() as u64) => {
                Ok(jobs)
            }
            // Some of them, or an unknown commit, which is asked about, not guessed.
            Ok(_) | Err(Aborted::Failed(Error::MayHaveHappened { .. })) => {
                let held = self.held_by(queue, token, ids).await?;
                jobs.retain(|job| held.contains(&job.id));
                Ok(jobs)
            }
            Err(Aborted::Unmet | Aborted::Failed(Error::Contended { .. })) => Ok(Vec::new()),
            Err(Aborted::Failed(error)) => Err(error),
        }
    }

    /// Those of `ids` that `token` holds now, by the word of whoever is the primary.
    async fn held_by(&self, queue: &str, token: Token, ids: Vec<Bson>) -> Result<HashSet<JobId>> {
        let failed = |e| Error::from_driver(CLAIMING, e);
        let n = ids.len();
        let filter = held_filter(queue, token, ids);
        let find = self.confirmed(filter, n).projection(doc! { "_id": 1 });
        let mut found = find.await.map_err(failed)?;
        let mut held = HashSet::new();
        while found.advance().await.map_err(failed)? {
            held.extend(crate::job::read_id(found.current()));
        }
        Ok(held)
    }

    /// The leases of the queue that have run out, the oldest first, at most `n`.
    pub(crate) async fn expired(&self, queue: &str, n: i64) -> Result<Vec<ExpiredLease>> {
        let filter = expired_filter(queue);
        let found = self.inner.leases.find(filter).sort(doc! { "until": 1 }).limit(n).await;
        let found = found.map_err(|e| Error::from_driver(TAKING_BACK, e))?;
        let found: Vec<Document> =
            found.try_collect().await.map_err(|e| Error::from_driver(TAKING_BACK, e))?;
        Ok(found.iter().filter_map(expired_lease).collect())
    }

    /// Ends an expired lease and returns its jobs, in one transaction. Answers how many came back;
    /// none when the lease was renewed or somebody else was quicker.
    pub(crate) async fn take_back(&self, queue: &str, lease: &ExpiredLease) -> Result<u64> {
        let steps = lease.steps(queue, self.begun(queue, lease).await?);
        let held = held_filter(queue, lease.token, lease.jobs.clone());
        self.before_deaths(transition::at_the_last(held)).await?;
        // Somebody else is at it, or died over it, or what it holds has changed: the next look finds it
        // again, if it is still there.
        match self.transact_within(TAKING_BACK, (Safety::Majority, 1), &steps).await {
            Ok(answers) => {
                self.ring_beside(queue, &[None]);
                Ok(answers.iter().skip(1).map(|answer| answer.n).sum())
            }
            Err(Aborted::Unmet | Aborted::Failed(Error::Contended { .. })) => Ok(0),
            Err(Aborted::Failed(error)) => Err(error),
        }
    }

    /// Whether it still holds a job, as far as this member knows. Where it holds none there is nothing to
    /// tell apart, and no need to wait for a majority's word.
    async fn holds_any(&self, queue: &str, lease: &ExpiredLease) -> Result<bool> {
        let jobs = self.inner.jobs.clone_with_type::<Document>();
        let find = jobs.find(held_filter(queue, lease.token, lease.jobs.clone()));
        let found = find.projection(doc! { "_id": 1 }).limit(-1).await;
        let failed = |e| Error::from_driver(TAKING_BACK, e);
        found.map_err(failed)?.advance().await.map_err(failed)
    }

    /// Which of a lease's jobs may have been begun, and which waited for those: a job that kills its
    /// host must not cost the whole batch an attempt.
    async fn begun(&self, queue: &str, lease: &ExpiredLease) -> Result<(Vec<Bson>, Vec<Bson>)> {
        if lease.may_all_have_begun() || !self.holds_any(queue, lease).await? {
            return Ok((lease.jobs.clone(), Vec::new()));
        }
        let held = self.held_by(queue, lease.token, lease.jobs.clone()).await?;
        let held: HashSet<Bson> = held.iter().map(JobId::to_bson).collect();
        Ok(lease.begun(|id| held.contains(id)))
    }
}

/// True for a document that no claim or error record can be added to. None of ours is so large: see
/// the validator.
fn is_full(document: &bson::RawDocument) -> bool {
    // MongoDB's document limit of 16 MiB, less the room that the validator leaves too.
    const FULL: usize = 16 * 1024 * 1024 - 128 * 1024;
    document.as_bytes().len() > FULL
}

fn full(document: &bson::RawDocument) -> Error {
    let size = document.as_bytes().len();
    let why = format!("it had {size} bytes, which left no room to run it; they were removed");
    Error::Malformed { why }
}

/// What a claim asks for: one statement for all that were never claimed, almost always all of them,
/// and one for each that came back.
fn as_found(jobs: &[Job]) -> Vec<AsFound> {
    let mut all: BTreeMap<(u64, Option<DateTime>), AsFound> = BTreeMap::new();
    for job in jobs {
        let new = || AsFound { ids: Vec::new(), due: job.due, claims: job.claims };
        let due = (job.claims > 0).then_some(job.due);
        let found = all.entry((job.claims, due)).or_insert_with(new);
        found.ids.push(job.id.to_bson());
        found.due = found.due.max(job.due);
    }
    all.into_values().collect()
}

/// A claim about to be made.
#[derive(Clone, Copy)]
pub(crate) struct NewClaim<'a> {
    pub(crate) queue: &'a str,
    pub(crate) token: Token,
    pub(crate) consumer: &'a str,
    pub(crate) lease: Duration,
    /// No more of its jobs than this are begun before one of them is over; in the order of the
    /// claim.
    pub(crate) at_once: usize,
}

impl NewClaim<'_> {
    /// The lease, and the marks of those that are still to be had.
    pub(crate) fn steps(&self, jobs: &[Job]) -> [Step; 2] {
        let NewClaim { queue, token, consumer, lease, at_once } = *self;
        let ids = jobs.iter().map(|job| job.id.to_bson()).collect();
        let open = transition::open_lease(queue, token, (consumer, ids), (lease, at_once));
        let marks = as_found(jobs)
            .into_iter()
            .map(|found| transition::claim(queue, found, token, consumer))
            .collect();
        [
            Step::new(Target::Leases, open).expect(1..=1),
            Step::of_many(Target::Jobs, marks).expect(1..=u64::MAX),
        ]
    }
}

impl ExpiredLease {
    /// No more jobs than are begun at once: there is nothing to ask.
    pub(crate) fn may_all_have_begun(&self) -> bool {
        self.jobs.len() <= self.at_once || breaks::on(Break::BlindReclaim)
    }

    /// Of the jobs that are still held: those that may have been begun, and those that waited.
    pub(crate) fn begun(&self, is_held: impl Fn(&Bson) -> bool) -> (Vec<Bson>, Vec<Bson>) {
        let mut jobs: Vec<Bson> = self.jobs.iter().filter(|id| is_held(id)).cloned().collect();
        let waiting = jobs.split_off(self.at_once.min(jobs.len()));
        (jobs, waiting)
    }

    /// The lease goes, and its jobs come back. Those that waited do so uncounted, as long as all that
    /// may have been begun before them are still held: where one was settled meanwhile, others may have
    /// been begun in its place.
    pub(crate) fn steps(&self, queue: &str, of: (Vec<Bson>, Vec<Bson>)) -> Vec<Step> {
        let (begun, waiting) = of;
        let n = begun.len() as u64;
        let mut expire =
            Step::new(Target::Jobs, transition::expire(queue, self.token, begun, &self.consumer));
        let take_back = transition::take_back_lease(queue, self.token);
        let take_back = Step::new(Target::Leases, take_back).expect(1..=1);
        if waiting.is_empty() {
            return vec![take_back, expire];
        }
        if !breaks::on(Break::BlindReclaim) {
            expire = expire.expect(n..=n);
        }
        let hand_back = transition::hand_back(queue, self.token, waiting);
        vec![take_back, expire, Step::new(Target::Jobs, hand_back)]
    }
}

pub(crate) fn held_filter(queue: &str, token: Token, ids: Vec<Bson>) -> Document {
    doc! { "_id": { "$in": ids }, "queue": queue, "claim.token": token.to_bson() }
}

pub(crate) fn expired_filter(queue: &str) -> Document {
    doc! { "queue": queue, "$expr": transition::has_expired() }
}

fn order() -> Document {
    doc! { "priority": -1, "due": 1, "_id": 1 }
}

/// A bound in the claim index.
fn key(queue: &str, priority: i32, due: DateTime, id: Bson) -> Document {
    doc! { "queue": queue, "priority": priority, "due": due, "_id": id }
}

/// The least id above this one. None of a kind that no job has.
fn next_id(id: &Bson) -> Option<Bson> {
    match id {
        Bson::ObjectId(id) => {
            let [hi @ .., b8, b9, b10, b11] = id.bytes();
            let low = u32::from_be_bytes([b8, b9, b10, b11]).checked_add(1)?.to_be_bytes();
            let mut next = [0; 12];
            next[..8].copy_from_slice(&hi);
            next[8..].copy_from_slice(&low);
            Some(bson::oid::ObjectId::from_bytes(next).into())
        }
        Bson::String(id) => Some(format!("{id}\0").into()),
        _ => None,
    }
}

pub(crate) fn due_filter(queue: &str) -> Document {
    doc! { "queue": queue, "state": "ready", "$expr": { "$lte": ["$due", "$$NOW"] } }
}

pub(crate) fn expired_lease(document: &Document) -> Option<ExpiredLease> {
    let token = match document.get("_id") {
        Some(Bson::Binary(binary)) => binary.to_uuid().ok()?,
        _ => return None,
    };
    let at_once = document.get_i64("at_once").ok().and_then(|n| usize::try_from(n).ok());
    Some(ExpiredLease {
        token: Token(token),
        jobs: document.get_array("jobs").cloned().unwrap_or_default(),
        at_once: at_once.unwrap_or(usize::MAX),
        consumer: document.get_str("consumer").unwrap_or("an unknown consumer").to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use bson::oid::ObjectId;

    use super::*;

    #[test]
    fn the_next_id_has_none_between() {
        let id = |end: [u8; 4]| {
            let mut bytes = [7; 12];
            bytes[8..].copy_from_slice(&end);
            Bson::from(ObjectId::from_bytes(bytes))
        };
        assert_eq!(next_id(&id([0, 0, 0, 1])), Some(id([0, 0, 0, 2])));
        assert_eq!(next_id(&id([0, 1, 255, 255])), Some(id([0, 2, 0, 0])));
        // A place that can't be told costs time only.
        assert_eq!(next_id(&id([255; 4])), None);
        assert_eq!(next_id(&"a".into()), Some("a\0".into()));
        assert_eq!(next_id(&Bson::Int32(1)), None);
    }
}
