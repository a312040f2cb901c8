//! One attempt at one job, as its handler sees it.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::Hold;
use crate::error::{Error, Result};
use crate::job::{Job, Progress, Token};
use crate::payload::Payload;
use crate::transition::{self, Held, Transition};

/// What a handler holds of the attempt that it makes: it can report, save and look at the clock,
/// but not settle. Cheap to clone.
#[derive(Clone)]
pub struct Attempt {
    inner: Arc<Inner>,
}

struct Inner {
    job: Job,
    token: Token,
    /// `None` for an attempt with no queue behind it.
    hold: Option<Arc<Hold>>,
    deadline: Option<Instant>,
    noted: Mutex<Noted>,
}

#[derive(Default)]
struct Noted {
    progress: Option<Progress>,
    saved: Option<Payload>,
}

impl Attempt {
    /// An attempt with no queue behind it, for a handler's own tests and to replay a job: what it
    /// reports and saves stays here.
    pub fn detached(job: Job) -> Self {
        Self::new(job, Token::mint(), None)
    }

    /// An attempt under a lease.
    pub(crate) fn held(job: Job, hold: Arc<Hold>) -> Self {
        let token = hold.token;
        Self::new(job, token, Some(hold))
    }

    fn new(job: Job, token: Token, hold: Option<Arc<Hold>>) -> Self {
        let noted = Noted { progress: job.progress.clone(), saved: job.saved.clone() };
        let inner = Inner {
            token,
            deadline: Instant::now().checked_add(job.timeout),
            noted: Mutex::new(noted),
            hold,
            job,
        };
        Self { inner: Arc::new(inner) }
    }

    /// The job, as it was when it was claimed.
    pub fn job(&self) -> &Job {
        &self.inner.job
    }

    /// The token of the claim.
    pub fn token(&self) -> Token {
        self.inner.token
    }

    /// The time left before the attempt's deadline; zero when it has passed.
    pub fn remaining(&self) -> Duration {
        self.inner
            .deadline
            .map_or(Duration::MAX, |deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// True when somebody asked for the job to be cancelled, or the worker is shutting down:
    /// return soon.
    pub fn is_cancelled(&self) -> bool {
        let Some(hold) = &self.inner.hold else { return false };
        let job = &self.inner.job;
        job.cancel_at.is_some() || hold.stop().is_cancelled() || hold.is_told_to_stop(&job.id)
    }

    /// Done when [`is_cancelled`](Self::is_cancelled) becomes true.
    pub async fn cancelled(&self) {
        if self.is_cancelled() {
            return;
        }
        let Some(hold) = &self.inner.hold else { return std::future::pending().await };
        tokio::select! {
            () = hold.stop().cancelled() => {}
            () = hold.told_to_stop(&self.inner.job.id) => {}
        }
    }

    /// True when the lease is lost: nothing that this attempt does counts any more.
    pub fn is_lost(&self) -> bool {
        let hold = self.inner.hold.as_ref();
        hold.is_some_and(|hold| hold.lost().is_cancelled() || hold.is_taken_away(&self.job().id))
    }

    /// Done when [`is_lost`](Self::is_lost) becomes true.
    pub async fn lost(&self) {
        let Some(hold) = &self.inner.hold else { return std::future::pending().await };
        tokio::select! {
            () = hold.lost().cancelled() => {}
            () = hold.taken_away(&self.inner.job.id) => {}
        }
    }

    /// Says how far the work is, and extends the lease.
    ///
    /// # Errors
    /// [`Error::LeaseLost`], and those of the database.
    pub async fn progress(&self, progress: &Progress) -> Result<()> {
        let write = |held: &Held<'_>| transition::progress(held, progress);
        self.note("report progress", write).await?;
        self.noted().progress = Some(progress.clone());
        self.heartbeat().await
    }

    /// What was last reported, in this attempt or an earlier one.
    pub fn last_progress(&self) -> Option<Progress> {
        self.noted().progress.clone()
    }

    /// Saves state for a later attempt, in place of what was saved before.
    ///
    /// # Errors
    /// [`Error::LeaseLost`]; [`Error::TooLarge`] above the connection's payload limit; those of the
    /// database.
    pub async fn save(&self, state: &Payload) -> Result<()> {
        if let Some(hold) = &self.inner.hold {
            state.check("saved state", hold.store.payload_limit())?;
        }
        self.note("save state", |held| transition::save(held, state)).await?;
        self.noted().saved = Some(state.clone());
        Ok(())
    }

    /// What was saved last, in this attempt or an earlier one.
    pub fn saved(&self) -> Option<Payload> {
        self.noted().saved.clone()
    }

    /// Extends the lease by its length from now.
    ///
    /// # Errors
    /// [`Error::LeaseLost`], and those of the database.
    pub async fn heartbeat(&self) -> Result<()> {
        self.check_held()?;
        match &self.inner.hold {
            Some(hold) if !hold.renew().await? => Err(self.lease_lost()),
            _ => Ok(()),
        }
    }

    pub(crate) fn lease_lost(&self) -> Error {
        Error::LeaseLost { id: self.inner.job.id.clone() }
    }

    async fn note(
        &self,
        doing: &'static str,
        write: impl FnOnce(&Held<'_>) -> Transition,
    ) -> Result<()> {
        self.check_held()?;
        let Some(hold) = &self.inner.hold else { return Ok(()) };
        let job = &self.inner.job;
        let held = Held { queue: &job.queue, token: self.inner.token, id: &job.id };
        if hold.store.note(doing, &write(&held)).await? {
            return Ok(());
        }
        hold.take_away(&job.id);
        Err(self.lease_lost())
    }

    /// Asks nobody: an error as soon as this process knows that the lease is lost.
    ///
    /// # Errors
    /// [`Error::LeaseLost`].
    pub fn check_held(&self) -> Result<()> {
        if self.is_lost() { Err(self.lease_lost()) } else { Ok(()) }
    }

    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.inner.noted.lock().unwrap_or_else(|e| e.into_inner())
    }
}
