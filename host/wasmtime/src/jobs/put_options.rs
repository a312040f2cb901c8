//! `queue.put-options`: what a guest sets before it puts.

use std::time::Duration;

use bson::DateTime;
use mongoqueue::{Backoff, PutOptions};
use wasmtime::component::Resource;

use super::JobsCtxView;
use super::error::GuestError;
use super::translate::duration;
use crate::bindings::{queue, types};

/// The library's limits, which hold at the put; said here, the guest learns which call was wrong,
/// and nothing grows until then.
const HEADERS: usize = 64;
const HEADERS_BYTES: usize = 16 << 10;
const KEY_BYTES: usize = 200;
/// Its first millisecond.
const YEAR_9999: i64 = 253_370_764_800_000;

/// The options of a put, while the guest sets them.
#[derive(Default)]
pub struct GuestPutOptions {
    options: PutOptions,
    header_bytes: usize,
}

impl GuestPutOptions {
    pub(super) fn options(&self) -> PutOptions {
        self.options.clone()
    }

    fn add_header(&mut self, name: String, value: String) -> Result<(), types::Error> {
        if name.is_empty() {
            return Err(invalid("a header needs a name"));
        }
        let bytes = self.header_bytes.saturating_add(name.len() + value.len());
        if bytes > HEADERS_BYTES || self.options.headers.len() >= HEADERS {
            let why = format!("more than {HEADERS} headers or {HEADERS_BYTES} bytes of them");
            return Err(types::Error::LimitExceeded(why));
        }
        self.header_bytes = bytes;
        self.options.headers.push((name, value));
        Ok(())
    }
}

fn invalid(why: &str) -> types::Error {
    types::Error::InvalidArgument(why.to_owned())
}

/// As far ahead as anything may lie; a guest that asks for more has made a mistake.
fn bounded(millis: u64) -> Result<Duration, types::Error> {
    let duration = duration(millis);
    if duration < Duration::from_millis(millis) {
        let days = mongoqueue::LONGEST.as_secs() / 86_400;
        return Err(invalid(&format!("{millis} ms is longer than {days} days")));
    }
    Ok(duration)
}

fn due(millis: u64) -> Result<DateTime, types::Error> {
    let at = i64::try_from(millis).ok().filter(|at| *at < YEAR_9999);
    at.map(DateTime::from_millis).ok_or_else(|| invalid("due lies after the year 9998"))
}

impl JobsCtxView<'_> {
    fn set(
        &mut self,
        this: &Resource<GuestPutOptions>,
        change: impl FnOnce(&mut GuestPutOptions) -> Result<(), types::Error>,
    ) -> Result<(), GuestError> {
        let options = self.table.get_mut(this).map_err(GuestError::trap)?;
        Ok(change(options)?)
    }
}

impl queue::HostPutOptions for JobsCtxView<'_> {
    async fn new(&mut self) -> wasmtime::Result<Resource<GuestPutOptions>> {
        Ok(self.table.push(GuestPutOptions::default())?)
    }

    async fn priority(
        &mut self,
        this: Resource<GuestPutOptions>,
        priority: i32,
    ) -> Result<(), GuestError> {
        self.set(&this, |it| {
            it.options.priority = priority;
            Ok(())
        })
    }

    async fn delay(
        &mut self,
        this: Resource<GuestPutOptions>,
        delay: u64,
    ) -> Result<(), GuestError> {
        self.set(&this, |it| {
            it.options.delay = bounded(delay)?;
            Ok(())
        })
    }

    async fn due(&mut self, this: Resource<GuestPutOptions>, at: u64) -> Result<(), GuestError> {
        self.set(&this, |it| {
            it.options.due = Some(due(at)?);
            Ok(())
        })
    }

    async fn unique_key(
        &mut self,
        this: Resource<GuestPutOptions>,
        key: String,
    ) -> Result<(), GuestError> {
        self.set(&this, |it| {
            if key.is_empty() || key.len() > KEY_BYTES {
                return Err(invalid(&format!("a unique key has 1 to {KEY_BYTES} bytes")));
            }
            it.options.unique_key = Some(key);
            Ok(())
        })
    }

    async fn max_attempts(
        &mut self,
        this: Resource<GuestPutOptions>,
        attempts: u32,
    ) -> Result<(), GuestError> {
        self.set(&this, |it| {
            if attempts == 0 {
                return Err(invalid("a job needs at least one attempt"));
            }
            it.options.max_attempts = Some(attempts);
            Ok(())
        })
    }

    async fn timeout(
        &mut self,
        this: Resource<GuestPutOptions>,
        timeout: u64,
    ) -> Result<(), GuestError> {
        self.set(&this, |it| {
            if timeout == 0 {
                return Err(invalid("no attempt is done in no time"));
            }
            it.options.timeout = Some(bounded(timeout)?);
            Ok(())
        })
    }

    async fn backoff(
        &mut self,
        this: Resource<GuestPutOptions>,
        first: u64,
        max: u64,
    ) -> Result<(), GuestError> {
        self.set(&this, |it| {
            if first > max {
                return Err(invalid("the first wait is longer than the longest"));
            }
            it.options.backoff = Some(Backoff::exponential(bounded(first)?, bounded(max)?));
            Ok(())
        })
    }

    async fn header(
        &mut self,
        this: Resource<GuestPutOptions>,
        name: String,
        value: String,
    ) -> Result<(), GuestError> {
        self.set(&this, |it| it.add_header(name, value))
    }

    async fn drop(&mut self, this: Resource<GuestPutOptions>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_bounded_together() {
        let mut options = GuestPutOptions::default();
        assert!(options.add_header(String::new(), "x".into()).is_err());
        assert!(options.add_header("a".into(), "x".repeat(HEADERS_BYTES - 1)).is_ok());
        let more = options.add_header("b".into(), String::new());
        assert!(matches!(more, Err(types::Error::LimitExceeded(_))));
        assert_eq!(options.options().headers.len(), 1);
    }

    #[test]
    fn due_times_are_bounded() {
        assert_eq!(due(1).ok(), Some(DateTime::from_millis(1)));
        for late in [YEAR_9999 as u64, i64::MAX as u64, u64::MAX] {
            assert!(matches!(due(late), Err(types::Error::InvalidArgument(_))), "{late}");
        }
    }

    #[test]
    fn lengths_of_time_are_bounded() {
        assert_eq!(bounded(250).ok(), Some(Duration::from_millis(250)));
        assert!(matches!(bounded(u64::MAX), Err(types::Error::InvalidArgument(_))));
    }
}
