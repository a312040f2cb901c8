//! Mutual exclusion beside the queue: a named lock with a lease on the database's clock.

use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::check::duration_is_valid;
use crate::claim::chance;
use crate::error::{Error, Result};
use crate::job::Token;
use crate::store::Store;

/// A named lock: at most one holder at a time, whatever machine it is on.
pub struct Lock {
    store: Store,
    name: String,
    lease: Duration,
}

/// How long a lock outlives a holder that died.
const LEASE: Duration = Duration::from_secs(30);
/// How often a waiting acquirer looks.
const POLL: Duration = Duration::from_millis(250);

impl Lock {
    pub(crate) fn new(store: Store, name: &str) -> Self {
        Self { store, name: name.to_owned(), lease: LEASE }
    }

    /// How long the lock outlives a holder that dies without releasing it; it is renewed in the
    /// background while the holder lives. Default: 30 s.
    ///
    /// # Errors
    /// [`Error::Invalid`] below 100 ms (it could not be renewed in time), and above a hundred
    /// years.
    pub fn lease(mut self, lease: Duration) -> Result<Self> {
        duration_is_valid("lease", lease)?;
        if lease < Duration::from_millis(100) {
            return Err(Error::invalid("lease", "a lock needs at least 100 ms"));
        }
        self.lease = lease;
        Ok(self)
    }

    /// Acquires the lock if it is free now. `None` when somebody holds it.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn try_acquire(&self) -> Result<Option<LockGuard>> {
        let me = Token::mint();
        let asked = Instant::now();
        let fence = self.store.acquire_lock(&self.name, me, self.lease).await?;
        Ok(fence.map(|fence| LockGuard::new(self, (me, fence), asked)))
    }

    /// Acquires the lock, waiting for at most `wait`. `None` when somebody still holds it then.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn acquire(&self, wait: Duration) -> Result<Option<LockGuard>> {
        let started = Instant::now();
        loop {
            if let Some(guard) = self.try_acquire().await? {
                return Ok(Some(guard));
            }
            let left = wait.saturating_sub(started.elapsed());
            if left.is_zero() {
                return Ok(None);
            }
            tokio::time::sleep(chance(POLL).min(left)).await;
        }
    }

    /// Runs `work` under the lock, with its fencing number; `None` when it could not be acquired
    /// within `wait`. `work` never runs unlocked: when the lock is lost it is cut off.
    ///
    /// # Errors
    /// [`Error::LockLost`], and those of the database.
    pub async fn run<T>(
        &self,
        wait: Duration,
        work: impl AsyncFnOnce(u64) -> T,
    ) -> Result<Option<T>> {
        let Some(guard) = self.acquire(wait).await? else { return Ok(None) };
        let done = tokio::select! {
            biased;
            () = guard.lost() => return Err(guard.lock_lost()),
            done = work(guard.fence()) => done,
        };
        guard.release().await?;
        Ok(Some(done))
    }
}

/// A lock that is held: renewed in the background, released on drop.
#[must_use = "the lock is released when this is dropped"]
pub struct LockGuard {
    store: Store,
    name: String,
    me: Token,
    fence: u64,
    lost: CancellationToken,
    renewal: JoinHandle<()>,
    released: bool,
}

impl LockGuard {
    fn new(lock: &Lock, (me, fence): (Token, u64), asked: Instant) -> Self {
        let lost = CancellationToken::new();
        let renewal = renew(lock.store.clone(), lock.name.clone(), (me, lock.lease), asked);
        let cut = lost.clone();
        let renewal = tokio::spawn(async move {
            renewal.await;
            cut.cancel();
        });
        let (store, name) = (lock.store.clone(), lock.name.clone());
        Self { store, name, me, fence, lost, renewal, released: false }
    }

    /// Larger than that of every earlier holder: whoever writes under the lock sends it along, and
    /// the receiver refuses a smaller one than it has seen.
    pub fn fence(&self) -> u64 {
        self.fence
    }

    /// Done when the lock is lost, or could not be renewed in time.
    pub async fn lost(&self) {
        self.lost.cancelled().await;
    }

    /// True when the lock is lost, or could not be renewed in time.
    pub fn is_lost(&self) -> bool {
        self.lost.is_cancelled()
    }

    /// Releases the lock and waits until that is written.
    ///
    /// # Errors
    /// [`Error::LockLost`] when it was lost before; those of the database.
    pub async fn release(mut self) -> Result<()> {
        self.released = true;
        self.renewal.abort();
        if self.store.let_go_of_lock(&self.name, self.me).await? {
            Ok(())
        } else {
            Err(self.lock_lost())
        }
    }

    fn lock_lost(&self) -> Error {
        Error::LockLost { name: self.name.clone() }
    }
}

impl Drop for LockGuard {
    fn drop(&mut self) {
        self.renewal.abort();
        if self.released {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (store, name, me) = (self.store.clone(), self.name.clone(), self.me);
        runtime.spawn(async move {
            // Should it fail, the lease runs out.
            let _ = store.let_go_of_lock(&name, me).await;
        });
    }
}

/// Renews until the lock is lost: taken, or not renewed within its lease, which counts from before
/// the database was asked.
async fn renew(store: Store, name: String, (me, lease): (Token, Duration), asked: Instant) {
    let mut until = asked + lease;
    loop {
        let pause = (lease / 3).min(until.saturating_duration_since(Instant::now()));
        tokio::time::sleep(pause).await;
        let asked = Instant::now();
        let left = until.saturating_duration_since(asked);
        match tokio::time::timeout(left, store.keep_lock(&name, me, lease)).await {
            Ok(Ok(true)) => until = asked + lease,
            Ok(Ok(false)) | Err(_) => return,
            // The database is away: once more, until the lease is over.
            Ok(Err(_)) if Instant::now() < until => {}
            Ok(Err(_)) => return,
        }
    }
}
