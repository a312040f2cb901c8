//! A test's own database.

use anyhow::{Context, Result, ensure};
use bson::oid::ObjectId;
use bson::{Bson, Document, doc};
use futures_util::TryStreamExt;
use mongodb::{Client, Collection, Database};
use mongoqueue::{ConnectOptions, Job, Lease, MongoQueue, NextOptions, Queue};

use crate::server;

/// Every job, or every lease: what is not the bookend of its collection.
pub fn every() -> Document {
    doc! { "_id": { "$ne": true } }
}

/// A database that no other test uses, set up for a queue. [`end`](Self::end) drops it; that of a
/// test that failed stays until the server ends, for whoever wants to look.
pub struct Stage {
    /// The connection of a consumer named `consumer-1`.
    pub mq: MongoQueue,
    /// The bare driver's view of the database.
    pub database: Database,
    uri: String,
}

impl Stage {
    /// A new database on the server of the tests.
    ///
    /// # Errors
    /// Those of [`server::uri`] and of the database.
    pub async fn new() -> Result<Self> {
        Self::at(&server::uri().await?).await
    }

    /// A new database on the private server, which takes [`FailPoint`](crate::FailPoint)s.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub async fn private() -> Result<Self> {
        Self::at(&server::private().await?).await
    }

    /// A new database on that server.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub async fn at(uri: &str) -> Result<Self> {
        let name = name();
        // Failpoints tell tests apart by the name of their connections.
        let uri = server::with_option(uri, &format!("appName={name}"));
        let client = Client::with_uri_str(server::with_option(&uri, "directConnection=false"));
        let database = client.await?.database(&name);
        let options = options(&name, "consumer-1");
        let mq = MongoQueue::init(&uri, options).await.context("setting up a test's database")?;
        Ok(Self { mq, database, uri })
    }

    /// Another connection, of a consumer with this name.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn connect(&self, consumer: &str) -> Result<MongoQueue> {
        Ok(MongoQueue::connect(&self.uri, options(self.database.name(), consumer)).await?)
    }

    /// The URI, whose `appName` is the database's name.
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// The same with the path that names the database, for programs that take no other word.
    pub fn uri_of_database(&self) -> String {
        let (servers, options) = self.uri.split_once('?').unwrap_or((&self.uri, ""));
        let (scheme, servers) = servers.split_once("://").unwrap_or(("mongodb", servers));
        let servers = servers.split('/').next().unwrap_or(servers);
        format!("{scheme}://{servers}/{}?{options}", self.database.name())
    }

    /// The queue that most tests use: `q`.
    ///
    /// # Errors
    /// None.
    pub fn queue(&self) -> Result<Queue> {
        Ok(self.mq.queue("q")?)
    }

    /// Claims the next job of `q`, which is there.
    ///
    /// # Errors
    /// When none is due, and those of the database.
    pub async fn claim(&self) -> Result<Lease> {
        claim(&self.queue()?).await
    }

    /// The jobs' documents, for the bare driver.
    pub fn jobs(&self) -> Collection<Document> {
        self.database.collection("jobs")
    }

    /// The documents that say whose turn it is.
    pub fn turns(&self) -> Collection<Document> {
        self.database.collection("jobs.turns")
    }

    /// The number in the field of one of those.
    pub async fn turn(&self, field: &str, id: impl Into<Bson>) -> Result<i64> {
        let found = self.turns().find_one(doc! { "_id": id.into() }).await?;
        Ok(found.context("no such turn")?.get_i64(field)?)
    }

    /// The leases' documents.
    pub fn leases(&self) -> Collection<Document> {
        self.database.collection("jobs.leases")
    }

    /// The document of a job.
    ///
    /// # Errors
    /// When it is not there, and those of the database.
    pub async fn document(&self, job: &Job) -> Result<Document> {
        let found = self.jobs().find_one(doc! { "_id": id(job) }).await?;
        found.with_context(|| format!("no document for job {}", job.id))
    }

    /// All documents of a collection, but for its bookend.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn all(&self, collection: &Collection<Document>) -> Result<Vec<Document>> {
        Ok(collection.find(every()).await?.try_collect().await?)
    }

    /// Moves the end of every lease into the past, as if their holders had been silent for long.
    ///
    /// # Errors
    /// When there is no lease, and those of the database.
    pub async fn expire_leases(&self) -> Result<()> {
        let past = doc! { "$set": { "until": { "$subtract": ["$$NOW", 1_000] } } };
        let moved = self.leases().update_many(doc! {}, vec![past]).await?;
        ensure!(moved.matched_count > 0, "there is no lease to expire");
        Ok(())
    }

    /// What the collection's validator asks of a job that is put.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn validator(&self) -> Result<Document> {
        let list = doc! { "listCollections": 1, "filter": { "name": "jobs" } };
        let listed = self.database.run_command(list).await?;
        let first = listed.get_document("cursor")?.get_array("firstBatch")?.first();
        let options = first.and_then(Bson::as_document).context("the jobs")?;
        let validator = options.get_document("options")?.get_document("validator")?;
        let asks = |way: &Document| way.contains_key("$jsonSchema");
        let mut ways = validator.get_array("$or")?.iter().filter_map(Bson::as_document);
        ways.find(|way| asks(way)).cloned().context("a schema")
    }

    /// Makes every waiting job due now.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn make_due(&self) -> Result<()> {
        let now = vec![doc! { "$set": { "due": "$$NOW" } }];
        self.jobs().update_many(doc! { "state": "ready" }, now).await?;
        Ok(())
    }

    /// Drops the database: the last line of a test.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn end(self) -> Result<()> {
        Ok(self.database.drop().await?)
    }
}

/// Claims the next job of the queue, which is there.
///
/// # Errors
/// When none is due, and those of the database.
async fn claim(queue: &Queue) -> Result<Lease> {
    queue.next(&NextOptions::default()).await?.context("no job is due")
}

fn options(database: &str, consumer: &str) -> ConnectOptions {
    ConnectOptions {
        database: Some(database.to_owned()),
        consumer: Some(consumer.to_owned()),
        ..ConnectOptions::default()
    }
}

/// Unique, and tells which test it belongs to: the test's thread has its name.
fn name() -> String {
    let thread = std::thread::current();
    let test = thread.name().and_then(|name| name.rsplit("::").next()).unwrap_or("test");
    let test: String = test.chars().filter(char::is_ascii_alphanumeric).take(30).collect();
    // A database's name has at most 63 bytes.
    format!("it_{test}_{}", ObjectId::new().to_hex())
}

fn id(job: &Job) -> bson::Bson {
    match &job.id {
        mongoqueue::JobId::Minted(id) => (*id).into(),
        mongoqueue::JobId::Own(id) => id.as_str().into(),
    }
}
