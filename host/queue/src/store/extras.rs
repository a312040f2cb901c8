//! Indexes that only some jobs need: for unique keys, and for the end of retention.
//!
//! An index costs every claim and every settlement of its collection, whatever is in it
//! (docs/performance.md). So these two are made when the first job comes that needs one.

use std::sync::atomic::{AtomicBool, Ordering};

use bson::{Bson, Document, doc};

use super::Store;
use crate::error::{Error, Result};

/// An index that is made when it is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extra {
    /// At most one live job of a queue has a unique key: settling takes the key away.
    UniqueKey,
    /// Retained jobs go when their time has come.
    Expire,
}

/// Which of them are known to be there.
#[derive(Debug, Default)]
pub(super) struct Made {
    unique_key: AtomicBool,
    expire: AtomicBool,
}

impl Made {
    fn of(&self, extra: Extra) -> &AtomicBool {
        match extra {
            Extra::UniqueKey => &self.unique_key,
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
            Self::Expire => doc! {
                "name": "expire", "key": { "expire_at": 1 }, "expireAfterSeconds": 0,
                "partialFilterExpression": exists("expire_at"),
            },
        }
    }
}

const DOING: &str = "make an index";

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
        let command = doc! { "createIndexes": self.inner.jobs.name(), "indexes": [extra.index()] };
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
}
