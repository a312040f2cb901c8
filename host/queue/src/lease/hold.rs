//! The lease of a batch, as this process holds it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::breaks::{self, Break};
use crate::claim::Batch;
use crate::error::Result;
use crate::job::{JobId, Token};
use crate::store::{Renewed, Store};

/// One lease over one or more claimed jobs.
pub(crate) struct Hold {
    pub(crate) store: Store,
    pub(crate) queue: Arc<str>,
    pub(crate) token: Token,
    length: Duration,
    /// Until when the lease is good, by the monotonic clock, counted from before the database was
    /// asked: never later than the database's own view.
    until: Mutex<Instant>,
    lost: CancellationToken,
    stops: Mutex<HashMap<JobId, CancellationToken>>,
    /// Jobs whose end has not been written.
    unsettled: AtomicUsize,
}

impl Hold {
    /// The lease of a claim that was made elsewhere: until when it is good is known when it has been
    /// renewed.
    pub(crate) fn new(store: Store, queue: Arc<str>, token: Token, length: Duration) -> Self {
        Self {
            store,
            queue,
            token,
            length,
            until: Mutex::new(Instant::now()),
            lost: CancellationToken::new(),
            stops: Mutex::default(),
            unsettled: AtomicUsize::new(1),
        }
    }

    pub(crate) fn of_batch(store: &Store, queue: &Arc<str>, batch: &Batch) -> Self {
        let hold = Self::new(store.clone(), queue.clone(), batch.token, batch.lease);
        *lock(&hold.until) = far(batch.since, batch.lease);
        hold.unsettled.store(batch.jobs.len(), Ordering::Release);
        hold
    }

    /// Asks the database to let the lease last its length from now. False when it is gone: then
    /// everything under it is over.
    pub(crate) async fn renew(&self) -> Result<bool> {
        self.extend(self.length).await
    }

    pub(crate) async fn extend(&self, by: Duration) -> Result<bool> {
        let asked = Instant::now();
        match self.store.renew(&self.queue, self.token, by).await? {
            Renewed::Lost if breaks::on(Break::DeafHeartbeat) => {
                *lock(&self.until) = far(asked, by);
                Ok(true)
            }
            Renewed::Lost => {
                self.lost.cancel();
                Ok(false)
            }
            Renewed::Kept(cancelled) => {
                let mut until = lock(&self.until);
                *until = (*until).max(far(asked, by));
                drop(until);
                let stops = lock(&self.stops);
                for id in &cancelled {
                    if let Some(stop) = stops.get(id) {
                        stop.cancel();
                    }
                }
                Ok(true)
            }
        }
    }

    /// Until when the lease is good at least.
    pub(crate) fn until(&self) -> Instant {
        *lock(&self.until)
    }

    /// What a heartbeat does that came through.
    #[cfg(test)]
    pub(crate) fn renewed(&self) {
        *lock(&self.until) = far(Instant::now(), self.length);
    }

    pub(crate) fn length(&self) -> Duration {
        self.length
    }

    /// Done when the lease is lost.
    pub(crate) fn lost(&self) -> &CancellationToken {
        &self.lost
    }

    /// `stop` is told when somebody asks for the job to be cancelled.
    pub(crate) fn tell_to_stop(&self, id: &JobId, stop: CancellationToken) {
        lock(&self.stops).insert(id.clone(), stop);
    }

    /// The job's attempt is over.
    pub(crate) fn forget(&self, id: &JobId) {
        lock(&self.stops).remove(id);
    }

    /// Jobs whose end has not been written.
    pub(crate) fn unsettled(&self) -> usize {
        self.unsettled.load(Ordering::Acquire)
    }

    /// The ends of `n` jobs have been written, or are lost; answers how many are left.
    pub(crate) fn settled(&self, n: usize) -> usize {
        self.unsettled.fetch_sub(n, Ordering::AcqRel).saturating_sub(n)
    }
}

/// A monotonic clock can't count to every time that a caller may name.
fn far(from: Instant, by: Duration) -> Instant {
    from.checked_add(by).unwrap_or(from + Duration::from_secs(1_000_000_000))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}
