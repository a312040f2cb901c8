//! `consumer`: claiming jobs, for a guest that runs its own loop.

use std::time::Duration;

use mongoqueue::{Disposition, Failure, Lease, NextOptions};
use wasmtime::component::Resource;

use super::ctx::LeaseSlot;
use super::error::{GuestError, tell};
use super::translate::{self, duration, payload_from_guest, progress_from_guest};
use super::{BoundQueue, JobsCtxView};
use crate::bindings::{consumer, types};

/// A lease that is forgotten keeps its job from everybody until it ends.
const LONGEST_LEASE: Duration = Duration::from_secs(24 * 3600);

/// A claimed job that a guest holds. Dropped, by the guest or with a trapped guest's store, it
/// goes back to its queue: that is what a dropped [`Lease`] does.
pub struct HeldLease {
    lease: Lease,
    queue: String,
    _slot: LeaseSlot,
}

fn lease_length(millis: u64) -> Result<Duration, GuestError> {
    let length = Duration::from_millis(millis);
    if length.is_zero() || length > LONGEST_LEASE {
        let hours = LONGEST_LEASE.as_secs() / 3600;
        let why = format!("a lease lasts from 1 ms to {hours} hours");
        return Err(types::Error::InvalidArgument(why).into());
    }
    Ok(length)
}

/// The failure that a guest reports, or the delay after which it wants its job back.
pub(crate) fn failure_from_guest(failure: types::Failure) -> Result<Failure, Duration> {
    let types::Failure { message, code, disposition } = failure;
    let disposition = match disposition {
        types::Disposition::Retry => Disposition::Retry,
        types::Disposition::RetryAfter(delay) => Disposition::RetryAfter(duration(delay)),
        types::Disposition::Reject => Disposition::Reject,
        types::Disposition::Release(delay) => return Err(duration(delay)),
    };
    let mut failure = Failure::new(message);
    (failure.code, failure.disposition) = (code, disposition);
    Ok(failure)
}

impl JobsCtxView<'_> {
    fn held(&self, this: &Resource<HeldLease>) -> Result<&HeldLease, GuestError> {
        self.table.get(this).map_err(GuestError::trap)
    }

    fn take(&mut self, this: Resource<HeldLease>) -> Result<Lease, GuestError> {
        Ok(self.table.delete(this).map_err(GuestError::trap)?.lease)
    }
}

impl consumer::Host for JobsCtxView<'_> {
    async fn next(
        &mut self,
        queue: Resource<BoundQueue>,
        lease: u64,
        wait: u64,
    ) -> Result<Option<Resource<HeldLease>>, GuestError> {
        let bound = self.bound(&queue)?;
        let (queue, name) = (bound.to_consume()?.clone(), bound.name().to_owned());
        let slot = self.ctx.book_lease()?;
        let length = lease_length(lease)?;
        self.ctx.pace_ask().await?;
        let options = NextOptions {
            wait: Duration::from_millis(wait).min(self.ctx.limits().wait),
            lease: Some(length),
            ..NextOptions::default()
        };
        if self.ctx.rehearsal().is_some() {
            // Nothing may be claimed: as if no job came.
            tokio::time::sleep(options.wait).await;
            return Ok(None);
        }
        let Some(lease) = queue.next(&options).await.map_err(tell)? else { return Ok(None) };
        let held = HeldLease { lease, queue: name, _slot: slot };
        self.table.push(held).map(Some).map_err(GuestError::trap)
    }
}

impl consumer::HostLease for JobsCtxView<'_> {
    async fn job(&mut self, this: Resource<HeldLease>) -> wasmtime::Result<types::Job> {
        let held = self.table.get(&this)?;
        Ok(translate::job(held.lease.job(), &held.queue))
    }

    async fn report(
        &mut self,
        this: Resource<HeldLease>,
        progress: types::Progress,
    ) -> Result<(), GuestError> {
        let progress = progress_from_guest(progress);
        self.held(&this)?;
        self.ctx.pace_ask().await?;
        self.held(&this)?.lease.progress(&progress).await.map_err(tell)
    }

    async fn extend(&mut self, this: Resource<HeldLease>, by: u64) -> Result<(), GuestError> {
        let by = lease_length(by)?;
        self.held(&this)?;
        self.ctx.pace_ask().await?;
        self.held(&this)?.lease.extend(by).await.map_err(tell)
    }

    async fn complete(
        &mut self,
        this: Resource<HeldLease>,
        output: Option<types::Payload>,
    ) -> Result<(), GuestError> {
        let limit = self.ctx.limits().output_bytes;
        let lease = self.take(this)?;
        // With an output that can't be kept the job is not done: dropped here, it goes back.
        let output = output.map(|output| payload_from_guest(output, limit)).transpose()?;
        lease.complete(output).await.map_err(tell)
    }

    async fn fail(
        &mut self,
        this: Resource<HeldLease>,
        failure: types::Failure,
    ) -> Result<(), GuestError> {
        let lease = self.take(this)?;
        match failure_from_guest(failure) {
            Ok(failure) => lease.error(failure).await.map(drop).map_err(tell),
            Err(delay) => lease.release(delay).await.map_err(tell),
        }
    }

    async fn release(&mut self, this: Resource<HeldLease>, delay: u64) -> Result<(), GuestError> {
        self.take(this)?.release(duration(delay)).await.map_err(tell)
    }

    async fn drop(&mut self, this: Resource<HeldLease>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_has_a_length() {
        assert!(lease_length(0).is_err() && lease_length(u64::MAX).is_err());
        assert_eq!(lease_length(30_000).ok(), Some(Duration::from_secs(30)));
    }

    #[test]
    fn dispositions_are_kept() {
        let failure = |disposition| {
            let (message, code) = ("no".to_owned(), Some("c".to_owned()));
            failure_from_guest(types::Failure { message, code, disposition })
        };
        let kept = failure(types::Disposition::RetryAfter(u64::MAX));
        let longest = Disposition::RetryAfter(mongoqueue::LONGEST);
        assert_eq!(kept, Ok(Failure { disposition: longest, ..Failure::new("no").code("c") }));
        assert_eq!(failure(types::Disposition::Reject), Ok(Failure::new("no").code("c").reject()));
        assert_eq!(failure(types::Disposition::Release(5)), Err(Duration::from_millis(5)));
    }
}
