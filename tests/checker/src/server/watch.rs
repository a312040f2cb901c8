//! Reads the account off the server while the run goes on.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bson::{Bson, DateTime, Document, doc};
use futures_util::{StreamExt, TryStreamExt};
use mongodb::error::{Error, ErrorKind};
use mongodb::options::{ReadConcern, WriteConcern};
use mongodb::{Client, Collection, Cursor, Database};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};

use super::plain::{document, text};
use super::{Deed, FILE, Of, Write};

/// Reads along until it is [finished](Self::finish); dropped, it stops.
pub struct Watch {
    database: Database,
    jobs: String,
    folder: std::path::PathBuf,
    marks: i64,
    seen: watch::Receiver<i64>,
    reader: JoinHandle<Result<()>>,
}

/// The checker's marks.
const MARKS: &str = "checker.marks";
/// The mark before the collections are read after the run, and the one behind.
const ENDS: [&str; 2] = ["end", "read"];
/// An election and a node's return take less, also on a slow machine.
const PATIENCE: Duration = Duration::from_secs(120);

impl Watch {
    /// Begins to read: what is written to the collection `jobs` and its leases from here on is in
    /// the account in `folder`. `uri` is that of the replica set.
    ///
    /// # Errors
    /// When there is no replica set, and those of the file system.
    pub async fn open(uri: &str, database: &str, jobs: &str, folder: &Path) -> Result<Self> {
        let client = Client::with_uri_str(uri).await.context("connecting for the account")?;
        let database = client.database(database);
        let file = OpenOptions::new().create(true).append(true).open(folder.join(FILE));
        let file = file.context("opening the account")?;
        let (tell, seen) = watch::channel(0);
        let now = database.run_command(doc! { "hello": 1 }).await.context("asking for the time")?;
        let now = now.get("operationTime").context("there is no replica set")?.clone();
        let place = doc! { "startAtOperationTime": now };
        let jobs_name = jobs.to_owned();
        let reader = Reader { database: database.clone(), jobs: jobs_name, file, tell, place };
        let stream = reader.open().await.context("opening a change stream")?;
        let reader = tokio::spawn(reader.read(stream));
        let (folder, jobs) = (folder.to_owned(), jobs.to_owned());
        Ok(Self { database, jobs, folder, marks: 0, seen, reader })
    }

    /// Puts a mark of this name behind everything that is committed; it is in the account when this
    /// returns. Waits through an election.
    ///
    /// # Errors
    /// When the server doesn't take it in time, or the account can't be written.
    pub async fn mark(&mut self, name: &str) -> Result<()> {
        self.marks += 1;
        let (n, until) = (self.marks, Instant::now() + PATIENCE);
        let mark = timeout_at(until, self.write_mark(n, name)).await;
        mark.with_context(|| format!("the server didn't take the mark {name:?}"))?;
        match timeout_at(until, self.seen.wait_for(|seen| *seen >= n)).await {
            Ok(Ok(_)) => Ok(()),
            // The reader is gone: it says why when it is finished.
            Ok(Err(_)) => bail!("the account broke off before the mark {name:?}"),
            Err(_) => bail!("the account didn't come to the mark {name:?}"),
        }
    }

    async fn write_mark(&self, n: i64, name: &str) {
        let marks: Collection<Document> = self.database.collection(MARKS);
        let filter = doc! { "_id": n };
        let mark = doc! { "$setOnInsert": { "name": name } };
        loop {
            let put = marks.update_one(filter.clone(), mark.clone()).upsert(true);
            if put.write_concern(WriteConcern::majority()).await.is_ok() {
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Reads what is left in the collections, and ends.
    ///
    /// # Errors
    /// Those of [`mark`](Self::mark), of the database and of the file system.
    pub async fn finish(mut self) -> Result<()> {
        let [end, read] = ENDS;
        if let Err(error) = self.mark(end).await {
            // What stopped the reader says more.
            if self.reader.is_finished() {
                (&mut self.reader).await??;
            }
            return Err(error);
        }
        let left = self.left().await.context("reading what the run left")?;
        self.mark(read).await?;
        self.reader.abort();
        let mut file = OpenOptions::new().append(true).open(self.folder.join(FILE))?;
        left.iter().try_for_each(|line| append(&mut file, line))
    }

    async fn left(&self) -> Result<Vec<Write>> {
        let mut left = Vec::new();
        for (name, of) in [(self.jobs.clone(), Of::Job), (leases(&self.jobs), Of::Lease)] {
            let collection: Collection<Document> = self.database.collection(&name);
            let found = collection
                .find(mongoqueue_tests::every())
                .projection(doc! { "payload": 0, "headers": 0, "output": 0 })
                .read_concern(ReadConcern::majority());
            let mut found = found.await?;
            while let Some(found) = found.try_next().await? {
                let id = found.get("_id").map(text).unwrap_or_default();
                let deed = Deed::Left { doc: document(&found) };
                left.push(Write { wall: 0, txn: None, of, id, deed });
            }
        }
        let hello = self.database.run_command(doc! { "hello": 1 }).await?;
        let wall = hello.get_datetime("localTime")?.timestamp_millis();
        left.push(Write { wall, txn: None, of: Of::Run, id: String::new(), deed: Deed::Read });
        Ok(left)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

struct Reader {
    database: Database,
    jobs: String,
    file: File,
    tell: watch::Sender<i64>,
    /// Where the stream goes on: behind the last event that was read. A server's own word for how
    /// far it has looked is not taken: once an account lacked some seconds behind a frozen primary.
    place: Document,
}

type Stream = Cursor<Document>;

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(200);
/// The server that is asked may be frozen, or no longer the one to ask.
const SILENCE: Duration = Duration::from_secs(2);

impl Reader {
    async fn read(mut self, mut stream: Stream) -> Result<()> {
        loop {
            match timeout(SILENCE, stream.next()).await {
                Ok(Some(Ok(event))) => self.note(&event)?,
                Ok(Some(Err(_)) | None) | Err(_) => stream = self.resume().await?,
            }
        }
    }

    /// Goes on where it broke off, whenever the servers are back.
    async fn resume(&mut self) -> Result<Stream> {
        loop {
            match timeout(SILENCE, self.open()).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) if is_lost(&error) => {
                    self.gap(&error.to_string())?;
                    self.place = Document::new();
                }
                Ok(Err(_)) => tokio::time::sleep(PAUSE).await,
                Err(_) => {}
            }
        }
    }

    /// By a plain aggregation: the driver's own change stream takes the servers' word.
    async fn open(&self) -> Result<Stream, Error> {
        let collections = [self.jobs.clone(), leases(&self.jobs), MARKS.to_owned()];
        let pipeline = [
            doc! { "$changeStream": self.place.clone() },
            doc! { "$match": { "ns.coll": { "$in": collections.to_vec() } } },
            doc! { "$unset": ["fullDocument.payload", "fullDocument.headers", "fullDocument.output"] },
        ];
        self.database.aggregate(pipeline).read_concern(ReadConcern::majority()).await
    }

    fn gap(&mut self, why: &str) -> Result<()> {
        let deed = Deed::Gap { why: why.to_owned() };
        append(&mut self.file, &Write { wall: 0, txn: None, of: Of::Run, id: String::new(), deed })
    }

    fn note(&mut self, event: &Document) -> Result<()> {
        if let Ok(id) = event.get_document("_id") {
            self.place = doc! { "resumeAfter": id.clone() };
        }
        let Some(write) = write(event, &self.jobs) else {
            let what = event.get_str("operationType").unwrap_or("an event of no type");
            return self.gap(&format!("{what} of a whole collection"));
        };
        append(&mut self.file, &write)?;
        if write.of == Of::Mark
            && let Ok(n) = event.get_document("documentKey").and_then(|key| key.get_i64("_id"))
        {
            // Nobody listens any more: then nobody asks.
            let _ = self.tell.send(n);
        }
        Ok(())
    }
}

fn append(file: &mut File, write: &Write) -> Result<()> {
    let mut line = serde_json::to_vec(write)?;
    line.push(b'\n');
    file.write_all(&line).context("writing the account")
}

fn leases(jobs: &str) -> String {
    format!("{jobs}.leases")
}

/// The server no longer has what comes next: InvalidResumeToken, ChangeStreamFatalError,
/// ChangeStreamHistoryLost.
fn is_lost(error: &Error) -> bool {
    matches!(error.kind.as_ref(), ErrorKind::Command(e) if [260, 280, 286].contains(&e.code))
}

/// An event of the stream as a line; `None` for one that is about more than a document.
fn write(event: &Document, jobs: &str) -> Option<Write> {
    let of = match event.get_document("ns").ok()?.get_str("coll").ok()? {
        MARKS => Of::Mark,
        coll if coll == jobs => Of::Job,
        _ => Of::Lease,
    };
    let deed = match event.get_str("operationType").ok()? {
        "insert" | "replace" => {
            Deed::Put { doc: document(event.get_document("fullDocument").ok()?) }
        }
        "update" => change(event.get_document("updateDescription").ok()?),
        "delete" => Deed::Delete,
        _ => return None,
    };
    let key = event.get_document("documentKey").ok()?.get("_id");
    let id = match &deed {
        Deed::Put { doc } if of == Of::Mark => doc.get("name")?.as_str()?.to_owned(),
        _ => text(key?),
    };
    let wall = event.get_datetime("wallTime").map_or(0, |at: &DateTime| at.timestamp_millis());
    Some(Write { wall, txn: transaction(event), of, id, deed })
}

fn change(description: &Document) -> Deed {
    let set = description.get_document("updatedFields").map(document).unwrap_or_default();
    let unset = description.get_array("removedFields").into_iter().flatten();
    let unset = unset.filter_map(Bson::as_str).map(str::to_owned).collect();
    let mut cut = serde_json::Map::new();
    for array in description.get_array("truncatedArrays").into_iter().flatten() {
        if let Some(array) = array.as_document()
            && let (Ok(field), Some(size)) = (array.get_str("field"), array.get("newSize"))
        {
            cut.insert(field.to_owned(), super::plain::plain(size));
        }
    }
    Deed::Change { set, unset, cut }
}

/// `session:number`.
fn transaction(event: &Document) -> Option<String> {
    let session = event.get_document("lsid").ok()?.get("id").map(text)?;
    let number = event.get_i64("txnNumber").ok()?;
    Some(format!("{session}:{number}"))
}
