//! The queue's public face: connecting, putting, claiming, looking, and the operator's verbs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bson::DateTime;
use mongodb::Client;
use mongodb::options::ClientOptions;

use crate::claim::{Claimer, chance};
use crate::error::{Error, Result};
use crate::job::{Job, JobId, State, Token};
use crate::lease::{Hold, Lease};
use crate::lock::Lock;
use crate::payload::IntoPayload;
use crate::retry::Backoff;
use crate::store::{ListQuery, Store};

mod put;

pub use put::{NewJob, Put, PutOptions, Receipt};

/// The longest delay, time-out, back-off, lease or retention: a hundred years.
pub const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3_600);

/// How to connect.
#[derive(Clone, Debug)]
pub struct ConnectOptions {
    /// The database; `None` takes the one that the URI names, else `mongoqueue`. Default: `None`.
    pub database: Option<String>,
    /// The collection of the jobs; its helpers are named after it (`jobs.leases`, …). Default:
    /// `jobs`.
    pub collection: String,
    /// This consumer's name, for people: error records and `get` show it. It needn't be unique.
    /// Default: `consumer-<process>-<random>`.
    pub consumer: Option<String>,
    /// The largest payload, output or saved state, in bytes of BSON. Default: 1 MiB; the document
    /// limit of MongoDB (16 MiB for the whole job) leaves room for at most 15.
    pub payload_limit: usize,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self {
            database: None,
            collection: "jobs".to_owned(),
            consumer: None,
            payload_limit: 1024 * 1024,
        }
    }
}

/// A collection of jobs, on any number of named queues. Cheap to clone.
#[derive(Clone)]
pub struct MongoQueue {
    store: Store,
    consumer: Arc<str>,
}

impl MongoQueue {
    /// Connects to a collection that has been set up.
    ///
    /// # Errors
    /// [`Error::NotReady`] when it has not been ([`init`](Self::init) does it),
    /// [`Error::UnsuitableServer`] for one that is too old or a standalone, [`Error::Unreachable`]
    /// and [`Error::NotAllowed`] as they say, [`Error::Invalid`] for a broken URI or option.
    pub async fn connect(uri: &str, options: ConnectOptions) -> Result<Self> {
        let this = Self::open(uri, options).await?;
        this.store.check().await?;
        Ok(this)
    }

    /// Makes the collection, its validator and its indexes where they are missing, then connects.
    /// Harmless when repeated.
    ///
    /// # Errors
    /// As [`connect`](Self::connect); [`Error::NotAllowed`] brings the commands for whoever has
    /// the right.
    pub async fn init(uri: &str, options: ConnectOptions) -> Result<Self> {
        let this = Self::open(uri, options).await?;
        this.store.init().await?;
        Ok(this)
    }

    async fn open(uri: &str, options: ConnectOptions) -> Result<Self> {
        // MongoDB's document limit less room for everything beside the payload.
        const MOST: usize = 15 * 1024 * 1024;
        if options.payload_limit > MOST {
            let why = format!("{} bytes is above {MOST}", options.payload_limit);
            return Err(Error::invalid("payload limit", why));
        }
        let client = ClientOptions::parse(uri).await;
        let mut client = client.map_err(|e| Error::invalid("URI", driver_words(&e)))?;
        client.app_name.get_or_insert_with(|| "mongoqueue".to_owned());
        let default = client.default_database.clone();
        let client = Client::with_options(client);
        let client = client.map_err(|e| Error::invalid("URI", driver_words(&e)))?;
        let database = options.database.or(default).unwrap_or_else(|| "mongoqueue".to_owned());
        check_name("database name", &database, 63)?;
        check_name("collection name", &options.collection, 100)?;
        let consumer = options.consumer.unwrap_or_else(|| {
            format!("consumer-{}-{:04x}", std::process::id(), rand::random::<u16>())
        });
        check_name("consumer name", &consumer, 200)?;
        let store = Store::new(client, &database, &options.collection, options.payload_limit);
        Ok(Self { store, consumer: consumer.into() })
    }

    /// The queue of that name, with the [`Defaults`] of the library. Queues need not be made.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a name that is empty, longer than 100 bytes, or has control
    /// characters.
    pub fn queue(&self, name: &str) -> Result<Queue> {
        check_name("queue name", name, 100)?;
        Ok(Queue {
            store: self.store.clone(),
            consumer: self.consumer.clone(),
            name: name.into(),
            defaults: Defaults::default(),
        })
    }

    /// The names of all queues that have jobs, sorted.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn queues(&self) -> Result<Vec<String>> {
        self.store.queues().await
    }

    /// The job with this id, on whatever queue it is.
    ///
    /// # Errors
    /// [`Error::NoSuchJob`], with an empty queue name, and those of the database.
    pub async fn find(&self, id: &JobId) -> Result<Job> {
        let job = self.store.get(id).await?;
        job.ok_or_else(|| Error::NoSuchJob { queue: String::new(), id: id.clone() })
    }

    /// A claim that this or another process made, by the job's id and the token of the claim.
    ///
    /// # Errors
    /// [`Error::LeaseLost`] when the token doesn't hold the job (any more), and those of the
    /// database.
    pub async fn find_lease(&self, id: &JobId, token: Token) -> Result<Lease> {
        let job = self.store.get(id).await?;
        let job = job.filter(|job| job.claim.as_ref().is_some_and(|claim| claim.token == token));
        let Some(job) = job else { return Err(Error::LeaseLost { id: id.clone() }) };
        let hold = Hold::new(self.store.clone(), job.queue.as_str().into(), token, job.timeout);
        Ok(Lease::new(Arc::new(hold), job))
    }

    /// The lock of that name beside the queues.
    ///
    /// # Errors
    /// [`Error::Invalid`] as for [`queue`](Self::queue).
    pub fn lock(&self, name: &str) -> Result<Lock> {
        check_name("lock name", name, 100)?;
        Ok(Lock::new(self.store.clone(), name))
    }

    /// This consumer's name.
    pub fn consumer(&self) -> &str {
        &self.consumer
    }

    /// `database.collection`.
    pub fn namespace(&self) -> String {
        self.store.namespace()
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }
}

/// What a job gets at put where the put doesn't say otherwise. Stored on the job, so that
/// consumers can't disagree about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Defaults {
    /// The longest that one attempt may take; also the lease of [`Queue::next`]. Default: 300 s.
    pub timeout: Duration,
    /// How many attempts may fail or time out before the job is dead. Default: 3.
    pub max_attempts: u32,
    /// The wait between attempts. Default: none.
    pub backoff: Backoff,
    /// How long a completed job stays, with its output. Default: `None`, it is removed at once.
    pub retain: Option<Duration>,
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(300),
            max_attempts: 3,
            backoff: Backoff::NONE,
            retain: None,
        }
    }
}

/// How to claim with [`Queue::next`].
#[derive(Clone, Debug, Default)]
pub struct NextOptions {
    /// How long to wait for a job when none is due. Default: zero, answer at once.
    pub wait: Duration,
    /// How long the claim is good for unless it is extended. Default: `None`, the job's own
    /// time-out.
    pub lease: Option<Duration>,
    /// Who claims. Default: `None`, the consumer of the connection.
    pub consumer: Option<String>,
}

/// Which jobs to list.
#[derive(Clone, Copy, Debug, Default)]
pub struct ListOptions {
    /// Only those in this state. Default: `None`, those that run, wait, and are over, in this
    /// order.
    pub state: Option<State>,
    /// How many at the most. Default: 0, which stands for 100.
    pub limit: usize,
}

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

    /// Claims the next job that is due: the highest priority first, then the one that is due
    /// longest. `None` when none is.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn next(&self, options: &NextOptions) -> Result<Option<Lease>> {
        let deadline = Instant::now() + options.wait.min(LONGEST);
        let consumer = match &options.consumer {
            Some(consumer) => {
                check_name("consumer name", consumer, 200)?;
                consumer.as_str().into()
            }
            None => self.consumer.clone(),
        };
        check_duration("lease", options.lease.unwrap_or(LONGEST))?;
        let mut watch = None;
        loop {
            let mut claimer = Claimer::new(self.store.clone(), self.name.clone(), consumer.clone());
            if let Some(batch) = claimer.claim(1, options.lease).await? {
                let hold = Arc::new(Hold::of_batch(&self.store, &self.name, &batch));
                return Ok(batch.jobs.into_iter().next().map(|job| Lease::new(hold, job)));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            // What was put before the stream is open is found by the claim after it.
            if watch.is_none() {
                watch = self.store.watch(&[self.name.to_string()]).await.ok();
                continue;
            }
            let poll = chance(POLL).min(left);
            if let Some(watch) = &mut watch {
                // A stream that failed has told so: the poll goes on without it.
                let _ = tokio::time::timeout(poll, watch.next()).await;
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
        let this = MongoQueue { store: self.store.clone(), consumer: self.consumer.clone() };
        let lease = this.find_lease(id, token).await?;
        if lease.job().queue != *self.name {
            lease.detach();
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

/// How often a waiting `next` looks, where no change stream wakes it.
const POLL: Duration = Duration::from_secs(1);

pub(crate) fn check_duration(what: &'static str, duration: Duration) -> Result<()> {
    if duration > LONGEST {
        return Err(Error::invalid(what, "it is longer than a hundred years"));
    }
    Ok(())
}

/// A date that every client and tool can show.
pub(crate) fn check_date(what: &'static str, date: DateTime) -> Result<()> {
    // The first millisecond of the year 9999.
    const FAR: i64 = 253_370_764_800_000;
    if !(0..FAR).contains(&date.timestamp_millis()) {
        return Err(Error::invalid(what, "it is not between the years 1970 and 9999"));
    }
    Ok(())
}

pub(crate) fn check_name(what: &'static str, name: &str, limit: usize) -> Result<()> {
    if name.is_empty() {
        return Err(Error::invalid(what, "it is empty"));
    }
    if name.len() > limit {
        return Err(Error::invalid(what, format!("it is longer than {limit} bytes")));
    }
    if name.chars().any(char::is_control) {
        return Err(Error::invalid(what, format!("{name:?} has control characters")));
    }
    Ok(())
}

fn driver_words(error: &mongodb::error::Error) -> String {
    match error.kind.as_ref() {
        mongodb::error::ErrorKind::InvalidArgument { message, .. } => message.clone(),
        kind => kind.to_string(),
    }
}
