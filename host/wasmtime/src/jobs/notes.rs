//! What a guest notes on its job, without a write to the database for each call.
//!
//! A report that comes too soon waits in memory, where a later one takes its place; it is written
//! when its time has come, and at the latest when the attempt ends. A heartbeat that comes too soon
//! is answered from what is known: the lease has been extended a moment ago.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mongoqueue::{Attempt, Progress, Result};

use super::pace::Pace;

pub(super) struct Notes {
    pace: Pace,
    /// The last report that was not written yet.
    waiting: Mutex<Option<Progress>>,
    /// Who has it writes, so that an older report never comes after a newer one.
    writing: tokio::sync::Mutex<()>,
}

impl Notes {
    pub(super) fn per_second(rate: u32) -> Self {
        let (waiting, writing) = (Mutex::default(), tokio::sync::Mutex::default());
        Self { pace: Pace::per_second(rate), waiting, writing }
    }

    /// Writes a report, or keeps it. `Some`: nobody is there yet who will write it, who is to do so
    /// after this time.
    pub(super) async fn report(
        &self,
        attempt: &Attempt,
        progress: Progress,
    ) -> Result<Option<Duration>> {
        if self.may_write() {
            let _turn = self.writing.lock().await;
            // What waited is older.
            self.waiting().take();
            attempt.progress(&progress).await?;
            return Ok(None);
        }
        attempt.check_held()?;
        if self.waiting().replace(progress).is_some() {
            return Ok(None);
        }
        Ok(Some(self.pace.book(1, Instant::now())))
    }

    /// Writes what waits, if something does.
    pub(super) async fn write(&self, attempt: &Attempt) -> Result<()> {
        // Asked before the turn is waited for: at the end of most attempts nothing is there.
        if self.waiting().is_none() {
            return Ok(());
        }
        let _turn = self.writing.lock().await;
        let Some(progress) = self.waiting().take() else { return Ok(()) };
        attempt.progress(&progress).await
    }

    pub(super) async fn heartbeat(&self, attempt: &Attempt) -> Result<()> {
        if self.may_write() { attempt.heartbeat().await } else { attempt.check_held() }
    }

    fn may_write(&self) -> bool {
        self.pace.book_within(1, Instant::now(), Duration::ZERO).is_some()
    }

    fn waiting(&self) -> MutexGuard<'_, Option<Progress>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
