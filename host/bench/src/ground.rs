//! Where it is measured: a database of the bench's own on somebody's server, which goes in the end.

use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use bson::{Document, RawDocumentBuf, doc};
use mongodb::options::{Acknowledgment, CollectionOptions, WriteConcern};
use mongodb::{Client, Collection, Database};
use mongoqueue::{
    ConnectOptions, Handler, JobId, MongoQueue, Queue, Summary, Worker, WorkerOptions,
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::error::{Error, Result, ensure};
use crate::status::Status;

/// How this program is started again as a worker process; [`crate::worker_process`] says what it
/// does then. One more argument is added to the command.
pub type Again = Box<dyn Fn() -> std::io::Result<Command> + Send + Sync>;

/// A database for one bench. [`close`](Self::close) removes it, also after a measurement was
/// dropped in the middle.
pub struct Ground {
    pub(crate) uri: String,
    pub(crate) client: Client,
    pub(crate) again: Again,
    name: String,
    queues: OnceLock<MongoQueue>,
    stop: CancellationToken,
    workers: TaskTracker,
}

/// The collection of the jobs, whoever measures.
pub(crate) const JOBS: &str = "jobs";
/// The queue of the jobs.
pub(crate) const QUEUE: &str = "bench";

/// What a dropped database may be made again by: a write that was on its way.
const STRAGGLERS: Duration = Duration::from_millis(200);

impl Ground {
    /// A database of its own on the server. The one that is named, here or by the URI, else
    /// `mongoqueue`, must hold no queue unless `force`: whoever uses it would be slowed down.
    ///
    /// # Errors
    /// [`Error::InUse`], and those of the server, in the queue's words.
    pub async fn open(uri: &str, named: Option<&str>, force: bool, again: Again) -> Result<Self> {
        // A name that nobody else has.
        let name = format!("mongoqueue-bench-{}", JobId::mint());
        // Nothing is made yet: this finds out whether the server will do.
        match MongoQueue::connect(uri, connect_options(&name)).await {
            Ok(_) | Err(mongoqueue::Error::NotReady { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        let client = Client::with_uri_str(uri).await?;
        let guarded = match named {
            Some(name) => client.database(name),
            None => client.default_database().unwrap_or_else(|| client.database("mongoqueue")),
        };
        if !force {
            refuse_queues(&guarded).await?;
        }
        let (stop, workers) = (CancellationToken::new(), TaskTracker::new());
        let queues = OnceLock::new();
        Ok(Self { uri: uri.to_owned(), client, again, name, queues, stop, workers })
    }

    /// The database's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Ends what still works and drops the database.
    ///
    /// # Errors
    /// Those of the server: the database is left then.
    pub async fn close(self) -> Result<()> {
        self.stop.cancel();
        self.workers.close();
        self.workers.wait().await;
        loop {
            self.database().drop().await?;
            tokio::time::sleep(STRAGGLERS).await;
            if self.database().list_collection_names().await?.is_empty() {
                return Ok(());
            }
        }
    }

    pub(crate) fn database(&self) -> Database {
        self.client.database(&self.name)
    }

    /// Empty, initialised collections; what was there is gone. The connection is always the same,
    /// as the bare driver's is: neither of the two opens one while it is measured.
    pub(crate) async fn fresh(&self) -> Result<MongoQueue> {
        self.database().drop().await?;
        let made = MongoQueue::init(&self.uri, self.options()).await?;
        Ok(self.queues.get_or_init(|| made).clone())
    }

    /// One more connection, as another process would have it.
    pub(crate) async fn connect(&self) -> Result<MongoQueue> {
        self.connect_to(JOBS).await
    }

    /// The same to another collection.
    pub(crate) async fn connect_to(&self, collection: &str) -> Result<MongoQueue> {
        let options = ConnectOptions { collection: collection.to_owned(), ..self.options() };
        Ok(MongoQueue::connect(&self.uri, options).await?)
    }

    /// An empty collection beside the usual one, after [`fresh`](Self::fresh).
    pub(crate) async fn beside(&self, collection: &str) -> Result<MongoQueue> {
        let options = ConnectOptions { collection: collection.to_owned(), ..self.options() };
        Ok(MongoQueue::init(&self.uri, options).await?)
    }

    fn options(&self) -> ConnectOptions {
        connect_options(&self.name)
    }

    /// The collection of the jobs for the bare driver, at majority as the queue writes it.
    pub(crate) fn jobs(&self) -> Collection<RawDocumentBuf> {
        self.jobs_of(JOBS)
    }

    /// The same of another collection.
    pub(crate) fn jobs_of(&self, collection: &str) -> Collection<RawDocumentBuf> {
        jobs(&self.database(), collection)
    }

    /// Starts a worker, which ends with [`Running::end`], by itself when it has nothing to do and
    /// was told so, or with the ground.
    pub(crate) fn start(&self, worker: Worker) -> Running {
        let stop = self.stop.child_token();
        let task = self.workers.spawn(worker.run(stop.clone().cancelled_owned()));
        Running { stop, task }
    }

    /// A worker drains the queue alone; answers jobs per second.
    pub(crate) async fn drain(
        &self,
        queue: &Queue,
        n: usize,
        handler: impl Handler,
    ) -> Result<f64> {
        self.drain_with(queue, (n, SLOTS), handler).await
    }

    /// The same with so many slots.
    pub(crate) async fn drain_with(
        &self,
        queue: &Queue,
        (n, slots): (usize, usize),
        handler: impl Handler,
    ) -> Result<f64> {
        let options = until_empty(slots);
        let worker = Worker::new(&queue.connection(), options).serve(queue.clone(), handler);
        let started = std::time::Instant::now();
        let summary = self.start(worker).ended().await?;
        let elapsed = started.elapsed();
        ensure(summary.completed == n as u64, || format!("{summary:?} of {n} jobs"))?;
        Ok(n as f64 / elapsed.as_secs_f64())
    }

    /// The server's own counters. Empty where the user may not ask for them.
    pub(crate) async fn status(&self) -> Status {
        let command = doc! { "serverStatus": 1 };
        let answer = self.client.database("admin").run_command(command).await;
        Status(answer.unwrap_or_default())
    }

    /// Has the server write down all that it has in memory; not everybody may ask for that.
    pub(crate) async fn checkpoint(&self) {
        let _: std::result::Result<Document, _> =
            self.client.database("admin").run_command(doc! { "fsync": 1 }).await;
    }
}

/// A worker that ends when nothing is left.
pub(crate) fn until_empty(slots: usize) -> WorkerOptions {
    WorkerOptions { slots, until_empty: true, grace: GRACE, ..WorkerOptions::default() }
}

/// The collection for the bare driver, at majority as the queue writes it.
pub(crate) fn jobs(database: &Database, collection: &str) -> Collection<RawDocumentBuf> {
    let options = CollectionOptions::builder().write_concern(safe()).build();
    database.collection_with_options(collection, options)
}

/// Jobs that a worker runs at once where its handlers do nothing: none waits for a slot.
pub(crate) const SLOTS: usize = 64;
/// Handlers here have nothing to finish.
pub(crate) const GRACE: Duration = Duration::from_secs(1);

/// What the queue waits for when it puts and settles.
pub(crate) fn safe() -> WriteConcern {
    WriteConcern::builder().w(Acknowledgment::Majority).journal(true).build()
}

/// How everybody connects: 15 MiB is the most that a payload may have.
pub(crate) fn connect_options(database: &str) -> ConnectOptions {
    ConnectOptions {
        database: Some(database.to_owned()),
        collection: JOBS.to_owned(),
        consumer: None,
        payload_limit: 15 << 20,
    }
}

async fn refuse_queues(database: &Database) -> Result<()> {
    for name in database.list_collection_names().await? {
        let Some(jobs) = name.strip_suffix(".meta") else { continue };
        let meta: Collection<Document> = database.collection(&name);
        if meta.find_one(doc! { "_id": "schema" }).await?.is_some() {
            let database = database.name().to_owned();
            return Err(Error::InUse { database, collection: jobs.to_owned() });
        }
    }
    Ok(())
}

/// A worker at work.
pub(crate) struct Running {
    stop: CancellationToken,
    task: JoinHandle<mongoqueue::Result<Summary>>,
}

impl Running {
    /// Stops it.
    pub(crate) async fn end(self) -> Result<Summary> {
        self.stop.cancel();
        self.ended().await
    }

    /// Waits until it ends by itself.
    pub(crate) async fn ended(self) -> Result<Summary> {
        Ok(self.task.await??)
    }
}
