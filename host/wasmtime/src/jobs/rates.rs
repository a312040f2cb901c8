//! How often a guest may do what costs the database something.

use std::time::{Duration, Instant};

use mongoqueue::{LONGEST, Progress, Queue};

use super::JobsCtx;
use super::error::{GuestError, tell};
use super::notes::Notes;
use super::pace::Pace;
use crate::bindings::types;
use crate::sandbox::Limits;

/// The rates of one guest.
pub(super) struct Rates {
    pub(super) notes: Notes,
    saves: Pace,
    puts: Pace,
    asks: Pace,
}

impl Rates {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            notes: Notes::per_second(limits.notes_per_second),
            saves: Pace::per_second(limits.saves_per_second),
            puts: Pace::per_second(limits.puts_per_second),
            asks: Pace::per_second(limits.asks_per_second),
        }
    }
}

impl JobsCtx {
    pub(super) async fn report(&self, progress: Progress) -> Result<(), GuestError> {
        let attempt = self.attempt()?;
        let Some(wait) = self.rates().notes.report(attempt, progress).await.map_err(tell)? else {
            return Ok(());
        };
        // At a rate of 0 it waits for the end of the attempt.
        if wait < LONGEST {
            let ctx = self.clone();
            tokio::spawn(async move {
                tokio::time::sleep(wait).await;
                ctx.write_notes().await;
            });
        }
        Ok(())
    }

    pub(super) async fn heartbeat(&self) -> Result<(), GuestError> {
        self.rates().notes.heartbeat(self.attempt()?).await.map_err(tell)
    }

    /// Writes the report that still waits, if one does: before the attempt is settled.
    pub(crate) async fn write_notes(&self) {
        if let Some(attempt) = self.current_attempt() {
            // A lost lease is seen by the settlement, too, and a report is no reason to fail.
            let _ = self.rates().notes.write(attempt).await;
        }
    }

    /// A state is safe when `save` has answered, so one that comes too soon waits.
    pub(super) async fn pace_save(&self) -> Result<(), GuestError> {
        self.pace(&self.rates().saves, 1, self.limits().saves_per_second, "saves").await
    }

    /// Waits until so many jobs may be put, and refuses them where too many wait already: jobs that
    /// put jobs must not fill the database.
    pub(super) async fn admit(&self, queue: &Queue, jobs: usize) -> Result<(), GuestError> {
        let Limits { puts_per_second, waiting, .. } = *self.limits();
        let n = u32::try_from(jobs).unwrap_or(u32::MAX);
        self.pace(&self.rates().puts, n, puts_per_second, "jobs put").await?;
        if queue.room_for(jobs as u64, waiting).await.map_err(tell)? {
            return Ok(());
        }
        let why = format!("{waiting} jobs are waiting on this queue, which is the most");
        Err(types::Error::LimitExceeded(why).into())
    }

    /// For everything else that is a question to the database.
    pub(super) async fn pace_ask(&self) -> Result<(), GuestError> {
        self.pace(&self.rates().asks, 1, self.limits().asks_per_second, "looks at queues").await
    }

    /// Lets the guest wait; where its time would be over by then it is told at once.
    async fn pace(&self, pace: &Pace, n: u32, rate: u32, what: &str) -> Result<(), GuestError> {
        let now = Instant::now();
        let left = self.current_attempt().map_or(LONGEST, |attempt| attempt.remaining());
        let Some(wait) = pace.book_within(n, now, left.min(LONGEST)) else {
            let why = format!("more than {rate} {what} in a second, and no time to wait");
            return Err(types::Error::LimitExceeded(why).into());
        };
        if wait > Duration::ZERO {
            tokio::time::sleep(wait).await;
        }
        Ok(())
    }
}
