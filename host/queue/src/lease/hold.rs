//! The lease of a batch, as this process holds it.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::breaks::{self, Break};
use crate::claim::Batch;
use crate::error::Result;
use crate::job::{JobId, Token};
use crate::store::{Renewed, Store};

/// Few, and most often none: nothing is kept for a job of which there is nothing to say.
type Jobs = watch::Sender<HashSet<JobId>>;

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
    /// Who holds it shuts down.
    stop: CancellationToken,
    /// Of its jobs, those that somebody asked to be cancelled.
    to_stop: Jobs,
    /// And those that the database said are no longer under it.
    gone: Jobs,
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
            stop: CancellationToken::new(),
            to_stop: Jobs::default(),
            gone: Jobs::default(),
            unsettled: AtomicUsize::new(1),
        }
    }

    pub(crate) fn of_batch(store: &Store, queue: &Arc<str>, batch: &Batch) -> Self {
        let hold = Self::new(store.clone(), queue.clone(), batch.token, batch.lease);
        *lock(&hold.until) = far(batch.since, batch.lease);
        hold.unsettled.store(batch.jobs.len(), Ordering::Release);
        hold
    }

    /// `stop` is told when who holds it shuts down.
    pub(crate) fn until_stopped(mut self, stop: &CancellationToken) -> Self {
        self.stop = stop.clone();
        self
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
                add(&self.to_stop, cancelled);
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

    /// Done when who holds it shuts down.
    pub(crate) fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// True when somebody asked for the job to be cancelled.
    pub(crate) fn is_told_to_stop(&self, id: &JobId) -> bool {
        self.to_stop.borrow().contains(id)
    }

    /// Done when that becomes true.
    pub(crate) async fn told_to_stop(&self, id: &JobId) {
        holds(&self.to_stop, id).await;
    }

    /// The database said that the job is no longer under this lease, which stays for the others.
    pub(crate) fn take_away(&self, id: &JobId) {
        add(&self.gone, [id.clone()]);
    }

    /// True when it said so.
    pub(crate) fn is_taken_away(&self, id: &JobId) -> bool {
        self.gone.borrow().contains(id)
    }

    /// Done when that becomes true.
    pub(crate) async fn taken_away(&self, id: &JobId) {
        holds(&self.gone, id).await;
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

fn add(jobs: &Jobs, more: impl IntoIterator<Item = JobId>) {
    jobs.send_if_modified(|jobs| {
        let before = jobs.len();
        jobs.extend(more);
        jobs.len() > before
    });
}

async fn holds(jobs: &Jobs, id: &JobId) {
    // Its sender outlives it.
    let _ = jobs.subscribe().wait_for(|jobs| jobs.contains(id)).await;
}

/// A monotonic clock can't count to every time that a caller may name.
fn far(from: Instant, by: Duration) -> Instant {
    from.checked_add(by).unwrap_or(from + Duration::from_secs(1_000_000_000))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}
