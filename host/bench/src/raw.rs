//! The floor: the statements of a claim and of a settlement, sent by the bare driver in the same
//! batches and with the same overlap as a worker has, and nothing of our code.

use std::sync::Arc;
use std::time::Instant;

use bson::oid::ObjectId;
use bson::spec::BinarySubtype;
use bson::{Binary, Bson, DateTime, Document, RawDocumentBuf, doc};
use mongodb::options::{Acknowledgment, FindOptions, Hint, ReadConcern, WriteConcern};
use mongodb::{ClientSession, Database};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::error::{Error, Result, ensure};
use crate::fill;
use crate::ground::{Ground, JOBS, QUEUE, jobs, safe};

/// As a worker has them: batches being marked at once, and being settled at once.
const MARKS: usize = 2;
const WRITERS: usize = 2;
/// As a worker has it: jobs of a batch, and bytes of it.
pub(crate) const BATCH: usize = 500;
const BATCH_BYTES: usize = 16 << 20;

/// The index that serves the claim.
const CLAIM_INDEX: &str = "claim";
/// The length of a lease in milliseconds: longer than anything here takes.
const LEASE: i64 = 30_000;

/// Jobs that were found, in the order of the queue.
pub(crate) struct Found {
    ids: Vec<Bson>,
    /// The key of the last one: the next find goes on behind it.
    last: Option<(DateTime, ObjectId)>,
}

impl Found {
    pub(crate) fn ids(&self) -> &[Bson] {
        &self.ids
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }
}

/// What the bare driver needs.
#[derive(Clone)]
pub(crate) struct Raw {
    client: mongodb::Client,
    database: Database,
    jobs: mongodb::Collection<RawDocumentBuf>,
}

impl Raw {
    pub(crate) fn new(ground: &Ground) -> Self {
        Self::of(ground.client.clone(), ground.name())
    }

    /// By another connection to the same server.
    pub(crate) fn of(client: mongodb::Client, database: &str) -> Self {
        let database = client.database(database);
        let jobs = jobs(&database, JOBS);
        Self { client, database, jobs }
    }

    /// The first `n` jobs that are due, whole, from a place on or from the head.
    pub(crate) async fn find(
        &self,
        after: Option<(DateTime, ObjectId)>,
        n: usize,
    ) -> Result<Found> {
        let now = doc! { "$lte": ["$due", "$$NOW"] };
        let mut filter = doc! { "queue": QUEUE, "state": "ready", "$expr": now };
        let mut options = FindOptions::default();
        if let Some((due, id)) = after {
            let key = |due: DateTime, id: Bson| {
                doc! { "queue": QUEUE, "priority": 0, "due": due, "_id": id }
            };
            filter.insert("_id", doc! { "$ne": id });
            options.min = Some(key(due, id.into()));
            options.max = Some(key(DateTime::now(), Bson::MinKey));
        }
        let size = u32::try_from(n).unwrap_or(u32::MAX);
        let find = self.jobs.find(filter).with_options(options);
        let find = find.sort(doc! { "priority": -1, "due": 1, "_id": 1 });
        let find =
            find.hint(Hint::Name(CLAIM_INDEX.to_owned())).limit(size.into()).batch_size(size);
        let mut cursor = find.await?;
        let (mut ids, mut last, mut bytes) = (Vec::new(), None, 0);
        while bytes <= BATCH_BYTES && cursor.advance().await? {
            let document = cursor.current();
            bytes += document.as_bytes().len();
            let read =
                || Some((document.get_datetime("due").ok()?, document.get_object_id("_id").ok()?));
            let (due, id) =
                read().ok_or_else(|| Error::Wrong("a job of another kind".to_owned()))?;
            ids.push(id.into());
            last = Some((due, id));
        }
        Ok(Found { ids, last })
    }

    /// The lease and the marks, in one transaction; the token.
    pub(crate) async fn claim(&self, ids: &[Bson]) -> Result<Bson> {
        let token = token();
        let lease = doc! {
            "queue": { "$literal": QUEUE }, "consumer": { "$literal": "raw" },
            "jobs": { "$literal": ids }, "length_ms": LEASE, "at_once": 64_i64,
            "until": { "$add": ["$$NOW", LEASE] },
        };
        let open = doc! {
            "q": { "_id": &token, "queue": QUEUE }, "u": [{ "$set": lease }], "upsert": true,
            "hint": { "_id": 1 },
        };
        let marks = doc! {
            "$set": { "state": "running", "claim.token": &token, "claim.consumer": "raw" },
            "$currentDate": { "claim.at": true }, "$inc": { "claims": 1_i64 },
        };
        let fence = doc! {
            "_id": { "$in": ids }, "queue": QUEUE, "state": "ready",
            "due": { "$lte": DateTime::now() }, "claims": { "$in": [0, null] },
        };
        let mark = doc! { "q": fence, "u": marks, "multi": true, "hint": { "_id": 1 } };
        let steps = [
            doc! { "update": format!("{JOBS}.leases"), "updates": [open] },
            doc! { "update": JOBS, "updates": [mark] },
        ];
        let quick = WriteConcern::builder().w(Acknowledgment::Nodes(1)).build();
        let n = self.transact(quick, &steps).await?;
        ensure(n == ids.len() as u64, || format!("{n} of {} jobs were marked", ids.len()))?;
        Ok(token)
    }

    /// The jobs and their lease go, in one transaction at majority.
    pub(crate) async fn settle(&self, ids: Vec<Bson>, token: Bson) -> Result<()> {
        let held = doc! { "_id": { "$in": ids }, "queue": QUEUE, "claim.token": &token };
        let remove = doc! { "q": held, "limit": 0, "hint": { "_id": 1 } };
        let close =
            doc! { "q": { "_id": token, "queue": QUEUE }, "limit": 1, "hint": { "_id": 1 } };
        let steps = [
            doc! { "delete": JOBS, "deletes": [remove] },
            doc! { "delete": format!("{JOBS}.leases"), "deletes": [close] },
        ];
        self.transact(safe(), &steps).await?;
        Ok(())
    }

    /// Answers how many documents the last step matched. A conflict is an error: there is one
    /// claimer alone.
    async fn transact(&self, concern: WriteConcern, steps: &[Document]) -> Result<u64> {
        let mut session: ClientSession = self.client.start_session().await?;
        let begin = session.start_transaction().write_concern(concern);
        begin.read_concern(ReadConcern::local()).await?;
        let mut n = 0;
        for step in steps {
            let answer = self.database.run_command(step.clone()).session(&mut session).await?;
            n = answer.get_i32("n").map_or(0, i32::unsigned_abs).into();
        }
        session.commit_transaction().await?;
        Ok(n)
    }
}

/// Drains `n` jobs of one queue; answers jobs per second.
pub(crate) async fn drain(raw: &Raw, n: usize) -> Result<f64> {
    let (marks, writers) = (Arc::new(Semaphore::new(MARKS)), Arc::new(Semaphore::new(WRITERS)));
    let mut batches: JoinSet<Result<usize>> = JoinSet::new();
    let (mut place, mut done) = (None, 0);
    let started = Instant::now();
    while done < n {
        // Neither semaphore is ever closed.
        let Ok(marking) = marks.clone().acquire_owned().await else { break };
        let from_head = place.is_none();
        let found = raw.find(place, BATCH).await?;
        place = found.last;
        if found.is_empty() {
            // The end. What is left lies before the place: the head is looked at once nothing is
            // being marked any more, which would be found again.
            drop(marking);
            while let Some(settled) = batches.join_next().await {
                done += settled??;
            }
            if from_head {
                break;
            }
            continue;
        }
        let (raw, writers) = (raw.clone(), writers.clone());
        batches.spawn(async move {
            let token = raw.claim(&found.ids).await?;
            drop(marking);
            let _writing = writers.acquire_owned().await;
            let jobs = found.ids.len();
            raw.settle(found.ids, token).await?;
            Ok(jobs)
        });
        while let Some(settled) = batches.try_join_next() {
            done += settled??;
        }
    }
    while let Some(settled) = batches.join_next().await {
        done += settled??;
    }
    let rate = n as f64 / started.elapsed().as_secs_f64();
    let left = fill::left(&raw.jobs).await?;
    ensure(done == n && left == 0, || format!("{done} of {n} jobs were done, {left} are left"))?;
    Ok(rate)
}

fn token() -> Bson {
    let bytes = rand::random::<[u8; 16]>().to_vec();
    Bson::Binary(Binary { subtype: BinarySubtype::Uuid, bytes })
}
