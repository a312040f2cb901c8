//! Connecting to a collection of jobs.

use std::sync::Arc;

use mongodb::Client;
use mongodb::error::ErrorKind;
use mongodb::options::ClientOptions;

use super::Queue;
use crate::check::name_is_valid;
use crate::defaults::Defaults;
use crate::error::{Error, Result};
use crate::job::{Job, JobId, Token};
use crate::lease::{Hold, Lease};
use crate::lock::Lock;
use crate::store::Store;

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
    pub(super) store: Store,
    pub(super) consumer: Arc<str>,
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
        let mut client = client.map_err(bad_uri)?;
        client.app_name.get_or_insert_with(|| "mongoqueue".to_owned());
        let default = client.default_database.clone();
        let client = Client::with_options(client);
        let client = client.map_err(bad_uri)?;
        let database = options.database.or(default).unwrap_or_else(|| "mongoqueue".to_owned());
        name_is_valid("database name", &database, 63)?;
        name_is_valid("collection name", &options.collection, 100)?;
        let consumer = options.consumer.unwrap_or_else(|| {
            format!("consumer-{}-{:04x}", std::process::id(), rand::random::<u16>())
        });
        name_is_valid("consumer name", &consumer, 200)?;
        let store = Store::new(client, &database, &options.collection, options.payload_limit);
        Ok(Self { store, consumer: consumer.into() })
    }

    /// The queue of that name, with the [`Defaults`] of the library. Queues need not be made.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a name that is empty, longer than 100 bytes, or has control
    /// characters.
    pub fn queue(&self, name: &str) -> Result<Queue> {
        name_is_valid("queue name", name, 100)?;
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
    /// Dropped unfinished, it stays claimed.
    ///
    /// # Errors
    /// [`Error::LeaseLost`] when the token doesn't hold the job (any more), and those of the
    /// database.
    pub async fn find_lease(&self, id: &JobId, token: Token) -> Result<Lease> {
        let job = self.store.get(id).await?;
        let job = job.filter(|job| job.claim.as_ref().is_some_and(|claim| claim.token == token));
        let Some(job) = job else { return Err(Error::LeaseLost { id: id.clone() }) };
        let length = self.store.lease_length(&job.queue, token).await?.unwrap_or(job.timeout);
        let hold = Hold::new(self.store.clone(), job.queue.as_str().into(), token, length);
        Ok(Lease::found(Arc::new(hold), job))
    }

    /// The lock of that name beside the queues.
    ///
    /// # Errors
    /// [`Error::Invalid`] as for [`queue`](Self::queue).
    pub fn lock(&self, name: &str) -> Result<Lock> {
        name_is_valid("lock name", name, 100)?;
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

/// A name that can't be resolved may be so later; everything else is the URI's fault.
fn bad_uri(error: mongodb::error::Error) -> Error {
    match error.kind.as_ref() {
        ErrorKind::DnsResolve { .. } => Error::from_driver("look up the servers of the URI", error),
        ErrorKind::InvalidArgument { message, .. } => Error::invalid("URI", message.clone()),
        kind => Error::invalid("URI", kind.to_string()),
    }
}
