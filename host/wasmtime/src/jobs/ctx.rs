//! What a guest's calls act on: its attempt, its queues, its log, and what it has spent.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use mongoqueue::Attempt;

use super::Grants;
use super::error::GuestError;
use super::rates::Rates;
use crate::bindings::types;
use crate::log::{JobLog, LogSink};
use crate::replay::Rehearsal;
use crate::sandbox::Limits;

/// The context of one guest. Cheap to clone; the default one grants nothing.
#[derive(Clone)]
pub struct JobsCtx(Arc<Inner>);

struct Inner {
    grants: Grants,
    attempt: Option<Attempt>,
    /// Nothing may happen to queues: an attempt is replayed.
    rehearsal: Option<Rehearsal>,
    log: JobLog,
    limits: Limits,
    rates: Rates,
    puts: AtomicU32,
    put_bytes: AtomicUsize,
    leases: Arc<AtomicUsize>,
}

/// Makes a [`JobsCtx`].
#[derive(Default)]
pub struct JobsCtxBuilder {
    guest: Option<Arc<str>>,
    grants: Grants,
    attempt: Option<Attempt>,
    rehearsal: Option<Rehearsal>,
    sink: Option<LogSink>,
    limits: Limits,
}

impl JobsCtxBuilder {
    /// What the guest is called in its log. Default: "guest".
    pub fn guest(mut self, name: impl Into<Arc<str>>) -> Self {
        self.guest = Some(name.into());
        self
    }

    /// The queues it may use. Default: none.
    pub fn grants(mut self, grants: Grants) -> Self {
        self.grants = grants;
        self
    }

    /// The attempt that `context` speaks of. Default: none, and `context` answers errors.
    pub fn attempt(mut self, attempt: Attempt) -> Self {
        self.attempt = Some(attempt);
        self
    }

    /// Nothing happens to queues; what the guest does to them is kept there.
    pub(crate) fn rehearsal(mut self, rehearsal: Option<Rehearsal>) -> Self {
        self.rehearsal = rehearsal;
        self
    }

    /// Where its log goes. Default: nowhere.
    pub fn log(mut self, sink: LogSink) -> Self {
        self.sink = Some(sink);
        self
    }

    /// What it may use of puts, payloads, log, leases. Default: [`Limits::default`].
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The context.
    pub fn build(self) -> JobsCtx {
        let guest = self.guest.unwrap_or_else(|| "guest".into());
        let log = JobLog::new(guest, self.attempt.clone(), self.sink, &self.limits);
        JobsCtx(Arc::new(Inner {
            grants: self.grants,
            attempt: self.attempt,
            rehearsal: self.rehearsal,
            log,
            rates: Rates::new(&self.limits),
            limits: self.limits,
            puts: AtomicU32::new(0),
            put_bytes: AtomicUsize::new(0),
            leases: Arc::default(),
        }))
    }
}

impl Default for JobsCtx {
    fn default() -> Self {
        Self::builder().build()
    }
}

impl JobsCtx {
    /// Starts a context.
    pub fn builder() -> JobsCtxBuilder {
        JobsCtxBuilder::default()
    }

    pub(crate) fn grants(&self) -> &Grants {
        &self.0.grants
    }

    pub(crate) fn log(&self) -> &JobLog {
        &self.0.log
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.0.limits
    }

    pub(super) fn rates(&self) -> &Rates {
        &self.0.rates
    }

    /// The attempt, or what a guest without one is told.
    pub(super) fn attempt(&self) -> Result<&Attempt, GuestError> {
        let none = || types::Error::Other("no job is being handled by this guest".into());
        Ok(self.0.attempt.as_ref().ok_or_else(none)?)
    }

    pub(crate) fn current_attempt(&self) -> Option<&Attempt> {
        self.0.attempt.as_ref()
    }

    pub(crate) fn rehearsal(&self) -> Option<&Rehearsal> {
        self.0.rehearsal.as_ref()
    }

    /// Books `jobs` puts of `bytes` in all, or says which limit they would pass.
    pub(super) fn book_puts(&self, jobs: usize, bytes: usize) -> Result<(), GuestError> {
        let Limits { puts, put_bytes, .. } = self.0.limits;
        let jobs = u32::try_from(jobs).unwrap_or(u32::MAX);
        if book(&self.0.puts, jobs, puts).is_err() {
            let why = format!("more than {puts} jobs put in one attempt");
            return Err(types::Error::LimitExceeded(why).into());
        }
        let add = |spent: usize| spent.checked_add(bytes).filter(|sum| *sum <= put_bytes);
        if self.0.put_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).is_err() {
            let why = format!("more than {put_bytes} bytes put in one attempt");
            return Err(types::Error::LimitExceeded(why).into());
        }
        Ok(())
    }

    /// Counts a lease as held; [`HeldLease`](super::HeldLease) counts it out when it is dropped.
    pub(super) fn book_lease(&self) -> Result<LeaseSlot, GuestError> {
        let leases = self.0.limits.leases;
        let add = |held: usize| held.checked_add(1).filter(|sum| *sum <= leases);
        match self.0.leases.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add) {
            Ok(_) => Ok(LeaseSlot(self.0.leases.clone())),
            Err(_) => {
                let why = format!("more than {leases} leases held at the same time");
                Err(types::Error::LimitExceeded(why).into())
            }
        }
    }
}

fn book(spent: &AtomicU32, more: u32, limit: u32) -> Result<u32, u32> {
    let add = |spent: u32| spent.checked_add(more).filter(|sum| *sum <= limit);
    spent.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add)
}

/// One of the leases that a guest may hold.
pub(super) struct LeaseSlot(Arc<AtomicUsize>);

impl Drop for LeaseSlot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(result: Result<(), GuestError>) -> Option<types::Error> {
        result.err().and_then(|error| error.downcast().ok())
    }

    #[test]
    fn puts_are_counted_over_the_attempt() {
        let limits = Limits { puts: 3, put_bytes: 100, ..Limits::default() };
        let ctx = JobsCtx::builder().limits(limits).build();
        assert!(told(ctx.book_puts(2, 60)).is_none());
        assert!(matches!(told(ctx.book_puts(2, 1)), Some(types::Error::LimitExceeded(_))));
        assert!(matches!(told(ctx.book_puts(1, 41)), Some(types::Error::LimitExceeded(_))));
        // The job was booked, its bytes were not: a refused put counts, as it made work.
        assert!(told(ctx.book_puts(usize::MAX, usize::MAX)).is_some());
    }

    #[test]
    fn leases_are_counted_while_held() {
        let limits = Limits { leases: 1, ..Limits::default() };
        let ctx = JobsCtx::builder().limits(limits).build();
        let first = ctx.book_lease().ok();
        assert!(first.is_some() && ctx.book_lease().is_err());
        drop(first);
        assert!(ctx.book_lease().is_ok());
    }

    #[test]
    fn without_an_attempt_context_says_so() {
        assert!(matches!(
            JobsCtx::default().attempt().err().and_then(|error| error.downcast().ok()),
            Some(types::Error::Other(_))
        ));
    }
}
