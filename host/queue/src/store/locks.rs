//! Locks: a document each, held until a time by the server's clock.

use std::time::Duration;

use super::{Store, Target};
use crate::error::{Error, Result};
use crate::job::Token;
use crate::transition;

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
}
