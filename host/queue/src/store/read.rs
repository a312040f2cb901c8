//! Looking at jobs without changing them. Everything is served by an index, however many jobs
//! there are: those that run are found through their leases, those that are over through the index
//! of finished ones.

use std::time::Duration;

use bson::{Bson, Document, RawDocument, RawDocumentBuf, doc};
use futures_util::TryStreamExt;
use mongodb::action::Find;
use mongodb::options::{Hint, ReadConcern};

use super::transact::Target;
use super::{CLAIM_INDEX, Store};
use crate::error::{Error, Result};
use crate::job::{Job, JobId, State};
use crate::transition;

/// How many jobs of a queue are where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Wait for a time to come: a delay, a retry.
    pub scheduled: u64,
    /// May be claimed now.
    pub ready: u64,
    /// Claimed.
    pub running: u64,
    /// Completed and retained.
    pub completed: u64,
    /// Out of attempts, or rejected.
    pub dead: u64,
    /// Cancelled.
    pub cancelled: u64,
    /// How long the oldest ready job has been due.
    pub oldest_ready: Option<Duration>,
}

/// Which jobs to list.
pub(crate) struct ListQuery<'a> {
    pub(crate) queue: &'a str,
    pub(crate) state: State,
    pub(crate) limit: usize,
}

const READING: &str = "read jobs";

/// Without a majority there is no answer to wait for.
const CONFIRMED: Duration = Duration::from_secs(10);

impl Store {
    /// The job, on whatever queue it is.
    pub(crate) async fn get(&self, id: &JobId) -> Result<Option<Job>> {
        let job = self.inner.jobs.find_one(doc! { "_id": id.to_bson() }).await;
        let job = job.map_err(|e| Error::from_driver(READING, e))?;
        job.map(|job| Job::from_document(&job)).transpose()
    }

    /// Ready jobs in the order of the claim, running ones by lease, finished ones latest first.
    pub(crate) async fn list(&self, query: &ListQuery<'_>) -> Result<Vec<Job>> {
        let ListQuery { queue, state, limit } = *query;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let find = match state {
            State::Running => return self.list_running(queue, query.limit).await,
            State::Ready => self
                .inner
                .jobs
                .find(doc! { "queue": queue, "state": state.name() })
                .sort(doc! { "priority": -1, "due": 1, "_id": 1 })
                .hint(Hint::Name(CLAIM_INDEX.to_owned())),
            State::Completed | State::Dead | State::Cancelled if !self.any_finished().await? => {
                return Ok(Vec::new());
            }
            State::Completed | State::Dead | State::Cancelled => self
                .inner
                .jobs
                .find(doc! {
                    "queue": queue, "state": state.name(), "finished_at": { "$exists": true },
                })
                .sort(doc! { "finished_at": -1 }),
        };
        let mut found = find.limit(limit).await.map_err(|e| Error::from_driver(READING, e))?;
        let mut jobs = Vec::new();
        while found.advance().await.map_err(|e| Error::from_driver(READING, e))? {
            jobs.extend(Job::from_document(found.current()).ok());
        }
        Ok(jobs)
    }

    /// The jobs that the leases of the queue hold: a lease also names those it held before.
    async fn list_running(&self, queue: &str, limit: usize) -> Result<Vec<Job>> {
        let mut jobs = Vec::new();
        self.each_running(queue, limit, Document::new(), |job| {
            jobs.extend(Job::from_document(job).ok());
        })
        .await?;
        Ok(jobs)
    }

    async fn each_running(
        &self,
        queue: &str,
        limit: usize,
        fields: Document,
        mut each: impl FnMut(&RawDocument),
    ) -> Result<usize> {
        let failed = |e| Error::from_driver(READING, e);
        let mut leases = self.inner.leases.find(doc! { "queue": queue }).await.map_err(failed)?;
        let mut seen = 0;
        while leases.advance().await.map_err(failed)? {
            let lease = leases.deserialize_current().map_err(failed)?;
            let (Some(token), Ok(ids)) = (lease.get("_id"), lease.get_array("jobs")) else {
                continue;
            };
            let held = doc! { "_id": { "$in": ids }, "queue": queue, "claim.token": token };
            let find = self.inner.jobs.find(held).projection(fields.clone());
            let mut found = find.hint(Hint::Keys(doc! { "_id": 1 })).await.map_err(failed)?;
            while found.advance().await.map_err(failed)? {
                if seen == limit {
                    return Ok(seen);
                }
                seen += 1;
                each(found.current());
            }
        }
        Ok(seen)
    }

    /// A find of `n` jobs at the most that was answered by the primary: one that has been replaced,
    /// and doesn't know it yet, doesn't answer. Costs the server a write of nothing at majority, so
    /// it is for what is decided by what isn't there, and happens seldom.
    pub(super) fn confirmed(&self, filter: Document, n: usize) -> Find<'_, RawDocumentBuf> {
        // In one answer: the server confirms no further ones.
        let size = u32::try_from(n).unwrap_or(u32::MAX).saturating_add(1);
        let find = self.inner.jobs.find(filter).batch_size(size);
        find.read_concern(ReadConcern::linearizable()).max_time(CONFIRMED)
    }

    /// Counts by state, and the age of the oldest job that is ready.
    pub(crate) async fn stats(&self, queue: &str) -> Result<Stats> {
        let mut stats = Stats::default();
        let waiting = vec![
            doc! { "$match": { "queue": queue, "state": State::Ready.name() } },
            doc! { "$group": {
                "_id": { "$lte": ["$due", "$$NOW"] }, "n": { "$sum": 1_i64 },
                "oldest": { "$min": "$due" },
            } },
            doc! { "$addFields": { "age": { "$subtract": ["$$NOW", "$oldest"] } } },
        ];
        for group in self.aggregate(Target::Jobs, waiting, Some(CLAIM_INDEX)).await? {
            let n = count(&group);
            if group.get_bool("_id").unwrap_or(false) {
                stats.ready = n;
                let age = group.get_i64("age").unwrap_or(0).max(0).unsigned_abs();
                stats.oldest_ready = Some(Duration::from_millis(age));
            } else {
                stats.scheduled = n;
            }
        }
        let running = self.each_running(queue, usize::MAX, doc! { "_id": 1 }, |_| ()).await?;
        stats.running = running as u64;
        if !self.any_finished().await? {
            return Ok(stats);
        }
        let finished = vec![
            doc! { "$match": { "queue": queue, "finished_at": { "$exists": true } } },
            doc! { "$group": { "_id": "$state", "n": { "$sum": 1_i64 } } },
        ];
        for group in self.aggregate(Target::Jobs, finished, None).await? {
            let n = count(&group);
            match group.get_str("_id").map(str::parse) {
                Ok(Ok(State::Completed)) => stats.completed = n,
                Ok(Ok(State::Dead)) => stats.dead = n,
                Ok(Ok(State::Cancelled)) => stats.cancelled = n,
                _ => {}
            }
        }
        Ok(stats)
    }

    pub(super) async fn aggregate(
        &self,
        target: Target,
        pipeline: Vec<Document>,
        hint: Option<&str>,
    ) -> Result<Vec<Document>> {
        let collection = self.target(target);
        let mut aggregate = collection.aggregate(pipeline);
        if let Some(hint) = hint {
            aggregate = aggregate.hint(Hint::Name(hint.to_owned()));
        }
        let groups = aggregate.await.map_err(|e| Error::from_driver(READING, e))?;
        groups.try_collect().await.map_err(|e| Error::from_driver(READING, e))
    }

    /// The names of all queues that have a job, sorted.
    pub(crate) async fn queues(&self) -> Result<Vec<String>> {
        let failed = |e| Error::from_driver(READING, e);
        let jobs = &self.inner.jobs;
        let waiting = jobs.distinct("queue", doc! { "state": State::Ready.name() });
        let running = self.inner.leases.distinct("queue", doc! {});
        let mut names = waiting.await.map_err(failed)?;
        if self.any_finished().await? {
            let finished = jobs.distinct("queue", doc! { "finished_at": { "$exists": true } });
            names.extend(finished.await.map_err(failed)?);
        }
        names.extend(running.await.map_err(failed)?);
        let names = names.into_iter().filter_map(|name| match name {
            Bson::String(name) => Some(name),
            _ => None,
        });
        let names: std::collections::BTreeSet<String> = names.collect();
        Ok(names.into_iter().collect())
    }

    /// Removes every job of the queue, and the leases of those that run.
    pub(crate) async fn clear(&self, queue: &str) -> Result<u64> {
        const DOING: &str = "clear the queue";
        let mut removed = 0;
        let mut filters = vec![doc! { "queue": queue, "state": State::Ready.name() }];
        if self.any_finished().await? {
            filters.push(doc! { "queue": queue, "finished_at": { "$exists": true } });
        }
        for filter in filters {
            let answer = self.inner.jobs.delete_many(filter).await;
            removed += answer.map_err(|e| Error::from_write(DOING, e))?.deleted_count;
        }
        for job in self.list_running(queue, usize::MAX).await? {
            let Some(claim) = &job.claim else { continue };
            let held = (queue, claim.token, &job.id);
            removed += self.drop_running(held).await?;
        }
        Ok(removed)
    }

    async fn drop_running(&self, (queue, token, id): (&str, crate::Token, &JobId)) -> Result<u64> {
        use super::transact::{Aborted, Safety, Step};
        let remove = transition::complete_and_remove(queue, token, vec![id.to_bson()]);
        let steps = [
            Step::new(Target::Jobs, remove),
            Step::new(Target::Leases, transition::close_lease_of_one(queue, token, id)),
            Step::new(Target::Leases, transition::leave_lease(queue, token, id)),
        ];
        match self.transact("clear the queue", Safety::Majority, &steps).await {
            Ok(answers) => Ok(answers.first().map_or(0, |answer| answer.n)),
            Err(Aborted::Unmet) => Ok(0),
            Err(Aborted::Failed(error)) => Err(error),
        }
    }
}

pub(super) fn count(group: &Document) -> u64 {
    group.get_i64("n").unwrap_or(0).max(0).unsigned_abs()
}
