//! Indexes that only some jobs need: for unique keys, for those that are over, for the end of
//! retention.
//!
//! An index costs every claim and every settlement of its collection, whatever is in it
//! (docs/performance.md). So these are made when the first job comes that needs one.

use std::sync::atomic::{AtomicBool, Ordering};

use bson::{Bson, Document, doc};

use super::Store;
use crate::error::{Error, Result};

/// An index that is made when it is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extra {
    /// At most one live job of a queue has a unique key: settling takes the key away.
    UniqueKey,
    /// List and count of jobs that are over, the retry of all dead ones. While it is missing there
    /// are none.
    Finished,
    /// Retained jobs go when their time has come.
    Expire,
}

/// Which of them are known to be there.
#[derive(Debug, Default)]
pub(super) struct Made {
    unique_key: AtomicBool,
    finished: AtomicBool,
    expire: AtomicBool,
}

impl Made {
    fn of(&self, extra: Extra) -> &AtomicBool {
        match extra {
            Extra::UniqueKey => &self.unique_key,
            Extra::Finished => &self.finished,
            Extra::Expire => &self.expire,
        }
    }
}

impl Extra {
    fn index(self) -> Document {
        let exists = |field: &str| doc! { field: { "$exists": true } };
        match self {
            Self::UniqueKey => doc! {
                "name": "unique_key", "key": { "queue": 1, "unique_key": 1 }, "unique": true,
                "partialFilterExpression": exists("unique_key"),
            },
            Self::Finished => doc! {
                "name": FINISHED_INDEX, "key": { "queue": 1, "state": 1, "finished_at": -1 },
                "partialFilterExpression": exists("finished_at"),
            },
            Self::Expire => doc! {
                "name": "expire", "key": { "expire_at": 1 }, "expireAfterSeconds": 0,
                "partialFilterExpression": exists("expire_at"),
            },
        }
    }
}

const FINISHED_INDEX: &str = "finished";

const DOING: &str = "make an index";
const LOOKING: &str = "look for jobs that are over";

impl Store {
    /// The index is there afterwards. Asks the database once.
    ///
    /// # Errors
    /// [`Error::NotAllowed`] with the command for whoever has the right; those of the database.
    pub(crate) async fn ensure(&self, extra: Extra) -> Result<()> {
        let made = self.inner.made.of(extra);
        if made.load(Ordering::Acquire) {
            return Ok(());
        }
        // A member that is down for a while keeps nobody waiting: the others are enough.
        let command = doc! {
            "createIndexes": self.inner.jobs.name(), "indexes": [extra.index()],
            "commitQuorum": "majority",
        };
        let answer = self.inner.database.run_command(command.clone()).await;
        answer.map_err(|error| match Error::from_driver(DOING, error) {
            Error::NotAllowed { doing, why } => {
                let database = self.inner.database.name();
                let command = Bson::from(command).into_relaxed_extjson();
                let why = format!(
                    "{why}. Somebody with the role readWrite on {database} can run in mongosh:\n\
                     use {database}\ndb.runCommand({command})"
                );
                Error::NotAllowed { doing, why }
            }
            error => error,
        })?;
        made.store(true, Ordering::Release);
        Ok(())
    }

    /// To be called before anything is written by which a job may be over and stay.
    pub(super) async fn before_finish(&self) -> Result<()> {
        match self.ensure(Extra::Finished).await {
            // To find it slowly is better than to lose its end.
            Err(Error::NotAllowed { .. }) => {
                self.note_unindexed().await?;
                self.inner.made.finished.store(true, Ordering::Release);
                Ok(())
            }
            made => made,
        }
    }

    /// The same, where it is only known which jobs may be over: they match `dying` then.
    pub(super) async fn before_deaths(&self, dying: Document) -> Result<()> {
        if self.inner.made.finished.load(Ordering::Acquire) {
            return Ok(());
        }
        let found = self.inner.jobs.find_one(dying).projection(doc! { "_id": 1 }).await;
        match found.map_err(|e| Error::from_driver(LOOKING, e))? {
            Some(_) => self.before_finish().await,
            None => Ok(()),
        }
    }

    /// Whether any job may be over: without its index the server would read all that wait to find
    /// that there is none.
    pub(super) async fn any_finished(&self) -> Result<bool> {
        Ok(self.has_finished_index().await? || self.is_unindexed().await?)
    }

    /// True as well in a process that has no right to make it, once it has noted that.
    async fn has_finished_index(&self) -> Result<bool> {
        let made = &self.inner.made.finished;
        if made.load(Ordering::Acquire) {
            return Ok(true);
        }
        let failed = |e| Error::from_driver(LOOKING, e);
        let names = self.inner.jobs.list_index_names().await.map_err(failed)?;
        let found = names.iter().any(|name| name == FINISHED_INDEX);
        if found {
            made.store(true, Ordering::Release);
        }
        Ok(found)
    }

    /// Makes the index where jobs are over and it is missing: nobody had the right, or the
    /// collection was restored without it.
    pub(super) async fn index_finished(&self) -> Result<()> {
        if self.has_finished_index().await? {
            return Ok(());
        }
        self.before_deaths(doc! { "finished_at": { "$exists": true } }).await
    }
}
