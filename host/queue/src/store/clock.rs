//! The server's clock, read now and then and carried on by the monotonic clock between.
//!
//! An insert can't say `$$NOW`, so the due time of a new job is estimated here. The estimate is
//! never ahead of the server (the reading is older than the moment it arrives), so a job put now
//! is due now, whatever this machine's own clock says.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use bson::{DateTime, doc};

use super::Store;
use crate::error::{Error, Result};

/// How long a reading is carried on: quartz drifts some 50 ppm, 1.5 ms in this time.
const GOOD_FOR: Duration = Duration::from_secs(30);

#[derive(Default)]
pub(super) struct Clock {
    reading: Mutex<Option<Reading>>,
}

#[derive(Clone, Copy)]
struct Reading {
    server: i64,
    taken: Instant,
}

impl Reading {
    fn now(self) -> i64 {
        let elapsed = i64::try_from(self.taken.elapsed().as_millis()).unwrap_or(i64::MAX);
        self.server.saturating_add(elapsed)
    }
}

impl Store {
    /// The server's time, at most a round trip behind.
    pub(crate) async fn now(&self) -> Result<DateTime> {
        if let Some(reading) = self.reading()
            && reading.taken.elapsed() < GOOD_FOR
        {
            return Ok(DateTime::from_millis(reading.now()));
        }
        let hello = self.inner.database.run_command(doc! { "hello": 1 }).await;
        let hello = hello.map_err(|e| Error::from_driver("read the server's clock", e))?;
        let server = hello.get_datetime("localTime").map_err(|_| Error::UnsuitableServer {
            why: "its answer to `hello` has no localTime".to_owned(),
        })?;
        let mut reading = Reading { server: server.timestamp_millis(), taken: Instant::now() };
        let mut last = self.inner.clock.reading.lock().unwrap_or_else(|e| e.into_inner());
        // Jobs put one after the other are due one after the other: a reading that took longer to
        // arrive doesn't turn the estimate back. A server whose clock was set back does.
        if let Some(last) = *last
            && (0..1_000).contains(&(last.now() - reading.server))
        {
            reading.server = last.now();
        }
        *last = Some(reading);
        Ok(DateTime::from_millis(reading.server))
    }

    /// The same without asking the server, if it was ever asked.
    pub(crate) fn now_if_known(&self) -> Option<DateTime> {
        self.reading().map(|reading| DateTime::from_millis(reading.now()))
    }

    fn reading(&self) -> Option<Reading> {
        *self.inner.clock.reading.lock().unwrap_or_else(|e| e.into_inner())
    }
}
