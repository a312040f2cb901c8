//! A claimed job in pull mode: finishing it consumes it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Attempt, Hold};
use crate::check::duration_is_valid;
use crate::error::{Error, Result};
use crate::job::{Job, Progress, State, Token};
use crate::outcome::{Disposition, Failure, Outcome};
use crate::payload::Payload;
use crate::store::{Settlement, Verdict};

/// A claimed job. `complete`, `error` and `release` consume it; dropped unfinished, it is handed
/// back, at the latest when the lease runs out.
#[must_use = "a claimed job that is dropped goes back to the queue"]
pub struct Lease {
    attempt: Attempt,
    hold: Arc<Hold>,
    /// Dropping it hands the job back: the claim was made here, and isn't finished.
    ours: bool,
}

impl Lease {
    pub(crate) fn new(hold: Arc<Hold>, job: Job) -> Self {
        let attempt = Attempt::held(job, hold.clone());
        Self { attempt, hold, ours: true }
    }

    /// A claim that was made elsewhere: dropping this leaves it as it is.
    pub(crate) fn found(hold: Arc<Hold>, job: Job) -> Self {
        let mut lease = Self::new(hold, job);
        lease.ours = false;
        lease
    }

    /// The job, as it was when it was claimed.
    pub fn job(&self) -> &Job {
        self.attempt.job()
    }

    /// What to work on.
    pub fn payload(&self) -> &Payload {
        &self.job().payload
    }

    /// The token of the claim: with the job's id it finds this lease from another process.
    pub fn token(&self) -> Token {
        self.attempt.token()
    }

    /// The attempt, for code that works on handlers' attempts.
    pub fn attempt(&self) -> &Attempt {
        &self.attempt
    }

    /// Says how far the work is, and extends the lease by its length from now.
    ///
    /// # Errors
    /// [`Error::LeaseLost`], and those of the database.
    pub async fn progress(&self, progress: &Progress) -> Result<()> {
        self.attempt.progress(progress).await
    }

    /// Extends the lease by its length from now.
    ///
    /// # Errors
    /// [`Error::LeaseLost`], and those of the database.
    pub async fn heartbeat(&self) -> Result<()> {
        self.attempt.heartbeat().await
    }

    /// Lets the lease last at least `by` from now.
    ///
    /// # Errors
    /// [`Error::LeaseLost`], and those of the database.
    pub async fn extend(&self, by: Duration) -> Result<()> {
        duration_is_valid("lease", by)?;
        if self.hold.extend(by).await? { Ok(()) } else { Err(self.attempt.lease_lost()) }
    }

    /// The work is done. The output is kept if the job is retained.
    ///
    /// # Errors
    /// [`Error::LeaseLost`]; [`Error::TooLarge`] above the connection's payload limit (the job is
    /// handed back then); those of the database.
    pub async fn complete(self, output: Option<Payload>) -> Result<()> {
        self.settle(Outcome::Completed(output)).await.map(|_| ())
    }

    /// The attempt failed. Answers where that leaves the job: ready, dead or cancelled.
    ///
    /// # Errors
    /// [`Error::LeaseLost`], and those of the database.
    pub async fn error(self, failure: impl Into<Failure>) -> Result<State> {
        self.settle(Outcome::Failed(failure.into())).await
    }

    /// Puts the job back, due after `delay`; no attempt is counted.
    ///
    /// # Errors
    /// [`Error::LeaseLost`], and those of the database.
    pub async fn release(self, delay: Duration) -> Result<()> {
        duration_is_valid("delay", delay)?;
        self.settle(Outcome::Released { delay }).await.map(|_| ())
    }

    /// Ends the attempt with any outcome; answers the state of the job after it.
    ///
    /// # Errors
    /// As the single verbs.
    pub async fn settle(mut self, outcome: Outcome) -> Result<State> {
        if let Outcome::Completed(Some(output)) = &outcome {
            output.check("output", self.hold.store.payload_limit())?;
        }
        let consumer = self.consumer();
        let settlement = self.settlement(verdict(self.job(), &outcome, &consumer, rand::random()));
        // Whatever the answer, it is not handed back: the write may have happened.
        self.ours = false;
        let mut unknown = None;
        loop {
            let answer = self.hold.store.settle_one(&settlement).await;
            match (answer, unknown.take()) {
                (Ok(state), _) => return Ok(state.unwrap_or(State::Completed)),
                (Err(error @ Error::MayHaveHappened { .. }), before)
                    if self.hold.until() > Instant::now() =>
                {
                    unknown = Some(before.unwrap_or(error));
                }
                // That the job is gone now says nothing about a commit that stayed without an
                // answer: a failover may have undone the claim itself.
                (Err(error), before) => return Err(before.unwrap_or(error)),
            }
        }
    }

    /// Leaves the job claimed, for another process that has its id and token.
    pub fn detach(mut self) {
        self.ours = false;
    }

    fn consumer(&self) -> Arc<str> {
        let claim = self.job().claim.as_ref();
        claim.map_or_else(|| Arc::from(""), |claim| claim.consumer.as_str().into())
    }

    fn settlement(&self, verdict: Verdict) -> Settlement {
        Settlement {
            queue: self.hold.queue.clone(),
            id: self.job().id.clone(),
            token: self.token(),
            verdict,
        }
    }

    pub(super) fn hold(&self) -> &Arc<Hold> {
        &self.hold
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // A panic is no decision to give the job back: let the lease run out and be counted.
        if !self.ours || std::thread::panicking() {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let settlement = self.settlement(Verdict::HandBack);
        let store = self.hold.store.clone();
        runtime.spawn(async move {
            // Should it fail, the lease runs out.
            let _: Result<_, Error> = store.settle_one(&settlement).await;
        });
    }
}

/// What an outcome means for the job: pure, `chance` in `0.0..1.0` spreads the retries.
///
/// An output that nobody will keep is not copied.
pub(crate) fn verdict(job: &Job, outcome: &Outcome, consumer: &Arc<str>, chance: f64) -> Verdict {
    match outcome {
        Outcome::Completed(output) => match job.retain {
            Some(retain) => Verdict::Keep { output: output.clone(), retain },
            None => Verdict::Remove,
        },
        Outcome::Failed(failure) => {
            let backoff = job.backoff.wait(job.attempt(), chance);
            let wait = match failure.disposition {
                Disposition::RetryAfter(delay) => delay.max(backoff),
                Disposition::Retry | Disposition::Reject => backoff,
            };
            let last = match failure.disposition {
                Disposition::Reject => true,
                Disposition::Retry | Disposition::RetryAfter(_) => {
                    job.attempt() >= job.max_attempts
                }
            };
            Verdict::Fail { consumer: consumer.clone(), failure: failure.clone(), wait, last }
        }
        Outcome::Released { delay } => Verdict::Release { delay: *delay },
        Outcome::HandedBack => Verdict::HandBack,
    }
}
