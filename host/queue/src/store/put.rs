//! Putting: one insert command for up to a thousand jobs, and an answer for each.

use std::collections::HashMap;
use std::future::{Future, IntoFuture};
use std::time::{Duration, Instant};

use bson::{DateTime, RawDocumentBuf, doc};
use mongodb::error::{ErrorKind, WriteFailure};
use mongodb::options::ReadConcern;

use super::extras::Extra;
use super::{PATIENCE, Store};
use crate::error::{Error, Result};
use crate::job::JobId;

/// What became of a put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The job's id.
    pub id: JobId,
    /// False when a job with this id of the caller's own was there already: this put, or the same
    /// one before, has been done.
    pub created: bool,
}

/// A job ready to be written.
pub(crate) struct Draft {
    pub(crate) id: JobId,
    pub(crate) unique_key: Option<String>,
    /// It stays for a while when it is completed.
    pub(crate) retained: bool,
    /// `None` when it may be claimed now.
    pub(crate) due: Option<DateTime>,
    pub(crate) document: RawDocumentBuf,
}

/// MongoDB's code for a key that a unique index has already.
const DUPLICATE_KEY: i32 = 11_000;

const DOING: &str = "put jobs";

/// How often it is asked whether a majority has a job: that takes some milliseconds.
const LOOK: Duration = Duration::from_millis(10);

impl Store {
    /// One job.
    pub(crate) async fn insert(&self, queue: &str, draft: Draft) -> Result<Receipt> {
        self.index_for(std::slice::from_ref(&draft)).await?;
        let insert = self.inner.jobs.insert_one(&draft.document).into_future();
        let Err(error) = self.heard(queue, &[draft.due], insert).await else {
            return Ok(Receipt { id: draft.id, created: true });
        };
        match error.kind.as_ref() {
            ErrorKind::Write(WriteFailure::WriteError(e)) => {
                let refusal = Refusal { code: e.code, message: e.message.clone() };
                self.explain(queue, &draft, refusal).await
            }
            _ => Err(Error::from_write(DOING, error)),
        }
    }

    /// Several; the outer error is that of the command, the inner ones are those of single jobs.
    pub(crate) async fn insert_many(
        &self,
        queue: &str,
        drafts: Vec<Draft>,
    ) -> Result<Vec<Result<Receipt>>> {
        self.index_for(&drafts).await?;
        let documents = drafts.iter().map(|draft| &draft.document);
        let due: Vec<Option<DateTime>> = drafts.iter().map(|draft| draft.due).collect();
        let mut refusals = HashMap::new();
        let insert = self.inner.jobs.insert_many(documents).ordered(false).into_future();
        if let Err(error) = self.heard(queue, &due, insert).await {
            match error.kind.as_ref() {
                ErrorKind::InsertMany(many) if many.write_concern_error.is_none() => {
                    for e in many.write_errors.iter().flatten() {
                        let refusal = Refusal { code: e.code, message: e.message.clone() };
                        refusals.insert(e.index, refusal);
                    }
                }
                _ => return Err(Error::from_write(DOING, error)),
            }
        }
        let mut answers = Vec::with_capacity(drafts.len());
        for (index, draft) in drafts.into_iter().enumerate() {
            answers.push(match refusals.remove(&index) {
                None => Ok(Receipt { id: draft.id, created: true }),
                Some(refusal) => self.explain(queue, &draft, refusal).await,
            });
        }
        Ok(answers)
    }

    /// Rings as soon as an insert is sent: idle workers look while its majority is waited for, and
    /// mostly find it. Rings again when it is done, for those that looked too early.
    async fn heard<T>(
        &self,
        queue: &str,
        due: &[Option<DateTime>],
        insert: impl Future<Output = T>,
    ) -> T {
        let (inserted, ()) = tokio::join!(biased; insert, self.ring(queue, due));
        if due.contains(&None) {
            self.ring_beside(queue, &[None]);
        }
        inserted
    }

    /// The indexes that these jobs need are there.
    async fn index_for(&self, drafts: &[Draft]) -> Result<()> {
        if drafts.iter().any(|draft| draft.unique_key.is_some()) {
            self.ensure(Extra::UniqueKey).await?;
        }
        if drafts.iter().any(|draft| draft.retained) {
            self.ensure(Extra::Expire).await?;
        }
        Ok(())
    }

    /// Why the server refused this one: the id is taken (then the put has been done before), the
    /// unique key is taken, or the document is none of ours.
    async fn explain(&self, queue: &str, draft: &Draft, refusal: Refusal) -> Result<Receipt> {
        if refusal.code != DUPLICATE_KEY {
            return Err(Error::invalid("job", refusal.message));
        }
        if let Some(key) = &draft.unique_key
            && let Some(id) = self.holder_of_key(queue, key).await?
            && id != draft.id
        {
            return Err(Error::Duplicate { queue: queue.to_owned(), key: key.clone(), id });
        }
        match self.queue_of(&draft.id).await? {
            Some(other) if other != queue => Err(Error::invalid(
                "job id",
                format!("{} is taken by a job of queue {other:?} in this collection", draft.id),
            )),
            Some(_) => Ok(Receipt { id: draft.id.clone(), created: false }),
            // It was done and removed, or a failover has undone the put that made it.
            None => Err(unknown(mongodb::error::Error::custom("the job was there, and is gone"))),
        }
    }

    async fn holder_of_key(&self, queue: &str, key: &str) -> Result<Option<JobId>> {
        let filter = doc! { "queue": queue, "unique_key": key };
        let job = self.inner.jobs.find_one(filter).projection(doc! { "_id": 1 }).await;
        match job.map_err(unknown)? {
            Some(job) => Ok(crate::job::read_id(&job)),
            None => Ok(None),
        }
    }

    /// The queue of a job that is there, once a majority has it: what the primary alone has, a
    /// failover takes away, and then it was not put.
    async fn queue_of(&self, id: &JobId) -> Result<Option<String>> {
        let begun = Instant::now();
        loop {
            if let Some(queue) = self.queue_read(id, ReadConcern::majority()).await? {
                return Ok(Some(queue));
            }
            if self.queue_read(id, ReadConcern::local()).await?.is_none() {
                return Ok(None);
            }
            if begun.elapsed() > PATIENCE {
                return Err(unknown(mongodb::error::Error::custom("no majority has the job")));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn queue_read(&self, id: &JobId, concern: ReadConcern) -> Result<Option<String>> {
        let find = self.inner.jobs.find_one(doc! { "_id": id.to_bson() });
        let job = find.projection(doc! { "queue": 1 }).read_concern(concern).await;
        Ok(job.map_err(unknown)?.map(|job| job.get_str("queue").unwrap_or_default().to_owned()))
    }
}

/// Whoever can't look at what is in the way of a put doesn't know whether that is the put itself.
fn unknown(source: mongodb::error::Error) -> Error {
    Error::MayHaveHappened { doing: DOING, source }
}

struct Refusal {
    code: i32,
    message: String,
}
