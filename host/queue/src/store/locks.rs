//! Locks: a document each, held until a time by the server's clock.

use std::time::Duration;

use bson::Document;
use mongodb::Collection;
use mongodb::options::ReturnDocument;

use super::{Store, Target};
use crate::error::{Error, Result};
use crate::job::Token;
use crate::transition::{self, Change, Transition};

const DOING: &str = "acquire a lock";

impl Store {
    /// Acquires the lock if nobody holds it; answers its fencing number.
    pub(crate) async fn acquire_lock(
        &self,
        name: &str,
        me: Token,
        length: Duration,
    ) -> Result<Option<u64>> {
        let acquire = transition::acquire(name, me, length);
        let lock = self.acquire(&self.inner.locks, me, &acquire).await;
        let lock = lock.map_err(|e| Error::from_write(DOING, e))?;
        Ok(lock.map(|lock| lock.get_i64("fence").unwrap_or(0).max(0).unsigned_abs()))
    }

    /// Keeps the lock; false when it is no longer held.
    pub(crate) async fn keep_lock(&self, name: &str, me: Token, length: Duration) -> Result<bool> {
        let keep = transition::keep(name, me, length);
        Ok(self.write("keep a lock", Target::Locks, &keep).await? == 1)
    }

    /// Lets go of the lock; false when it was no longer held.
    pub(crate) async fn let_go_of_lock(&self, name: &str, me: Token) -> Result<bool> {
        let let_go = transition::let_go(name, me);
        Ok(self.write("release a lock", Target::Locks, &let_go).await? == 1)
    }

    /// Acquires what a document stands for; answers the document, or `None` where somebody else
    /// has it.
    pub(super) async fn acquire(
        &self,
        collection: &Collection<Document>,
        me: Token,
        transition: &Transition,
    ) -> Result<Option<Document>, mongodb::error::Error> {
        let document = self.changed(collection, transition).await?;
        Ok(document.filter(|it| it.get("holder") == Some(&me.to_bson())))
    }

    /// One document after a change that makes it where it isn't there; `None` for who met another
    /// that made it.
    pub(super) async fn changed(
        &self,
        collection: &Collection<Document>,
        transition: &Transition,
    ) -> Result<Option<Document>, mongodb::error::Error> {
        let Change::Upsert(update) = &transition.change else { return Ok(None) };
        let changed = collection
            .find_one_and_update(transition.filter.clone(), update.clone())
            .upsert(true)
            .return_document(ReturnDocument::After)
            .await;
        match changed {
            Err(e) if is_duplicate_key(&e) => Ok(None),
            changed => changed,
        }
    }
}

/// Both ways in which the server says that a unique index has the key already.
pub(super) fn is_duplicate_key(error: &mongodb::error::Error) -> bool {
    use mongodb::error::{ErrorKind, WriteFailure};
    match error.kind.as_ref() {
        ErrorKind::Command(e) => e.code == 11_000,
        ErrorKind::Write(WriteFailure::WriteError(e)) => e.code == 11_000,
        _ => false,
    }
}
