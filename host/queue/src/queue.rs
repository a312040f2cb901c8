//! The queue's public face: connecting, putting, claiming, looking, and the operator's verbs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::check::{duration_is_valid, name_is_valid};
use crate::claim::{Claimer, chance};
use crate::defaults::{Defaults, LONGEST};
use crate::error::{Error, Result};
use crate::job::{Job, JobId, State, Token};
use crate::lease::{Hold, Lease};
use crate::payload::IntoPayload;
use crate::store::{Deaths, ListQuery, Receipt, Stats, Store};

mod connect;
mod options;
mod put;

pub use connect::{ConnectOptions, MongoQueue};
pub use options::{ListOptions, NextOptions};
pub use put::{NewJob, Put, PutOptions};

/// One queue. Cheap to clone.
#[derive(Clone)]
pub struct Queue {
    pub(crate) store: Store,
    pub(crate) consumer: Arc<str>,
    pub(crate) name: Arc<str>,
    defaults: Defaults,
}

impl Queue {
    /// The queue's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The connection that this queue was opened on.
    pub fn connection(&self) -> MongoQueue {
        MongoQueue { store: self.store.clone(), consumer: self.consumer.clone() }
    }

    /// The same queue, whose puts from here on use these defaults.
    pub fn with_defaults(mut self, defaults: Defaults) -> Self {
        self.defaults = defaults;
        self
    }

    /// Puts a job: a builder, done when awaited.
    ///
    /// When the answer is there, a majority of the replica set has the job on disk.
    ///
    /// # Errors
    /// [`Error::TooLarge`] and [`Error::Invalid`] before anything is sent; [`Error::Duplicate`]
    /// when a live job has the unique key; [`Error::MayHaveHappened`] when the answer didn't come
    /// (with an id of your own the same put can be repeated); those of the database.
    pub fn put(&self, payload: impl IntoPayload) -> Put {
        Put::new(self.clone(), payload.into_payload())
    }

    /// Puts several jobs, with one command per thousand; an answer for each, in order.
    ///
    /// # Errors
    /// The outer error is that of a command: the jobs of earlier commands are put. The inner ones
    /// are those of single jobs, as for [`put`](Self::put); the others are put.
    pub async fn put_many(&self, jobs: Vec<NewJob>) -> Result<Vec<Result<Receipt>>> {
        put::put_many(self, jobs).await
    }

    /// What a put of this job would refuse before anything is sent; nothing is sent.
    ///
    /// # Errors
    /// [`Error::TooLarge`] and [`Error::Invalid`] as for [`put`](Self::put).
    pub fn check(&self, job: &NewJob) -> Result<()> {
        put::check(self, job)
    }

    /// Claims the next job that is due: the highest priority first, then the one that is due
    /// longest. `None` when none is.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn next(&self, options: &NextOptions) -> Result<Option<Lease>> {
        let deadline = Instant::now() + options.wait.min(LONGEST);
        let consumer = match &options.consumer {
            Some(consumer) => {
                name_is_valid("consumer name", consumer, 200)?;
                consumer.as_str().into()
            }
            None => self.consumer.clone(),
        };
        duration_is_valid("lease", options.lease.unwrap_or(LONGEST))?;
        let (mut bell, mut asked) = (None, false);
        loop {
            let claimer = Claimer::new(self.store.clone(), self.name.clone(), consumer.clone(), 1);
            if let Some(batch) = claimer.claim(1, options.lease).await? {
                let hold = Arc::new(Hold::of_batch(&self.store, &self.name, &batch));
                return Ok(batch.jobs.into_iter().next().map(|job| Lease::new(hold, job)));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            // What was put before somebody listened is found by the claim after it.
            if !asked {
                asked = true;
                bell = self.store.listen(&[self.name.to_string()]).await.ok();
                continue;
            }
            let poll = chance(POLL).min(left);
            if let Some(rings) = &mut bell {
                if let Ok(Err(_)) = tokio::time::timeout(poll, rings.next()).await {
                    // It tells nothing more: the poll goes on without it.
                    bell = None;
                }
            } else {
                tokio::time::sleep(poll).await;
            }
        }
    }

    /// A claim on a job of this queue; see [`MongoQueue::find_lease`].
    ///
    /// # Errors
    /// As there.
    pub async fn lease(&self, id: &JobId, token: Token) -> Result<Lease> {
        let lease = self.connection().find_lease(id, token).await?;
        if lease.job().queue != *self.name {
            return Err(Error::LeaseLost { id: id.clone() });
        }
        Ok(lease)
    }

    /// The job, as it is now.
    ///
    /// # Errors
    /// [`Error::NoSuchJob`], and those of the database.
    pub async fn get(&self, id: &JobId) -> Result<Job> {
        let job = self.store.get(id).await?.filter(|job| job.queue == *self.name);
        job.ok_or_else(|| self.no_such_job(id))
    }

    /// Jobs of the queue: running ones by lease, waiting ones in the order of the claim, finished
    /// ones latest first.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn list(&self, options: &ListOptions) -> Result<Vec<Job>> {
        let limit = if options.limit == 0 { 100 } else { options.limit };
        let mut states =
            vec![State::Running, State::Ready, State::Dead, State::Cancelled, State::Completed];
        states.retain(|&state| options.state.is_none_or(|wanted| wanted == state));
        let mut jobs = Vec::new();
        for state in states {
            let limit = limit.saturating_sub(jobs.len());
            if limit == 0 {
                break;
            }
            let query = ListQuery { queue: &self.name, state, limit };
            jobs.extend(self.store.list(&query).await?);
        }
        Ok(jobs)
    }

    /// How many jobs are where.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn stats(&self) -> Result<Stats> {
        self.store.stats(&self.name).await
    }

    /// The dead jobs by how they died, the most frequent death first; `limit` rows at the most.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn deaths(&self, limit: usize) -> Result<Vec<Deaths>> {
        self.store.deaths(&self.name, limit).await
    }

    /// Cancels a job that waits, at once; asks a running one to stop. Answers the state it is in
    /// now: [`State::Running`] for one that was asked, or the final state that it had already.
    ///
    /// # Errors
    /// [`Error::NoSuchJob`], and those of the database.
    pub async fn cancel(&self, id: &JobId) -> Result<State> {
        loop {
            let changed = self.store.cancel(&self.name, id).await?;
            let state = self.get(id).await?.state;
            // Back on the queue between the two writes: once more.
            if changed || state.is_final() {
                return Ok(state);
            }
        }
    }

    /// Makes a dead or cancelled job ready again, with all its attempts; its error records stay.
    /// False when it is in another state.
    ///
    /// # Errors
    /// [`Error::NoSuchJob`], and those of the database.
    pub async fn retry(&self, id: &JobId) -> Result<bool> {
        if self.store.retry(&self.name, id).await? {
            return Ok(true);
        }
        self.get(id).await.map(|_| false)
    }

    /// Makes all dead jobs of the queue ready again; answers how many.
    ///
    /// # Errors
    /// Those of the database; some may have been made ready by then.
    pub async fn retry_dead(&self) -> Result<u64> {
        self.store.retry_dead(&self.name).await
    }

    /// True where fewer than `most` jobs wait, ready or for their time, and `jobs` more may come: for
    /// whoever puts jobs on behalf of somebody who must not fill the database. It is a look at the
    /// queue at most once a second for each connection, counted no further than `most`, and the
    /// jobs that were let in since.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn room_for(&self, jobs: u64, most: u64) -> Result<bool> {
        self.store.room_for(&self.name, jobs, most).await
    }

    /// Removes every job of the queue, whatever its state; answers how many. Who still runs one
    /// has lost its lease.
    ///
    /// # Errors
    /// Those of the database; some may have been removed by then.
    pub async fn clear(&self) -> Result<u64> {
        self.store.clear(&self.name).await
    }

    /// What the server makes of the query behind a claim of `n` jobs, for those who wonder which
    /// index it uses.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn explain_next(&self, n: usize) -> Result<bson::Document> {
        self.store.explain_due(&self.name, n).await
    }

    pub(crate) fn defaults(&self) -> &Defaults {
        &self.defaults
    }

    fn no_such_job(&self, id: &JobId) -> Error {
        Error::NoSuchJob { queue: self.name.to_string(), id: id.clone() }
    }
}

/// How often a waiting `next` looks, where no bell wakes it.
const POLL: Duration = Duration::from_secs(1);
