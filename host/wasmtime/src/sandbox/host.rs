//! What all guests together may take of this machine, and who gets it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::machine;

/// The most that all guests together take of the host. What one may take is in
/// [`Limits`](crate::Limits).
///
/// ```
/// use mongoqueue_wasmtime::HostLimits;
///
/// let host = HostLimits { memory: Some(4 << 30), ..HostLimits::default() };
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostLimits {
    /// Bytes of memory of all guests that run at the same time, each counted by the most that it
    /// may have. A guest for which there is no room waits; an attempt that waited for half of its
    /// time is handed back uncounted. Default: `None`, three quarters of what the machine or the
    /// control group has, whatever is less; 3 GiB where that can't be found out.
    pub memory: Option<u64>,
    /// How long a component may be compiled, where a child process does it
    /// ([`Compiler::Program`](crate::Compiler::Program)). Default: 2 minutes.
    pub compile_time: Duration,
    /// Bytes of address space of the child process that compiles a component. One compiles at a
    /// time. Default: 2 GiB.
    pub compile_memory: u64,
    /// Components that are loaded at the same time. Default: 1,000.
    pub components: usize,
    /// Bytes that compiled components take in the cache's folder; those that were not used for the
    /// longest time go first, the newest stays however large it is. Default: 2 GiB.
    pub cache_bytes: u64,
}

impl Default for HostLimits {
    fn default() -> Self {
        Self {
            memory: None,
            compile_time: Duration::from_secs(120),
            compile_memory: 2 << 30,
            components: 1_000,
            cache_bytes: 2 << 30,
        }
    }
}

impl HostLimits {
    /// Bytes of memory for all guests together.
    pub(crate) fn whole(&self) -> u64 {
        const UNKNOWN: u64 = 4 << 30;
        self.memory.unwrap_or_else(|| machine::memory().unwrap_or(UNKNOWN) / 4 * 3)
    }
}

/// What memory is booked in: a page of WebAssembly.
const PAGE: u64 = 64 << 10;

/// The memory for all guests, of which each books its share before it starts.
pub(super) struct Room {
    whole: u64,
    pages: u32,
    free: Arc<Semaphore>,
}

impl Room {
    pub(super) fn new(whole: u64) -> Self {
        let pages = pages(whole / PAGE);
        Self { whole, pages, free: Arc::new(Semaphore::new(pages as usize)) }
    }

    /// In bytes.
    pub(super) fn whole(&self) -> u64 {
        self.whole
    }

    /// Waits until there are `bytes`, first come, first served. Never closed.
    pub(super) async fn book(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        // One that could never get what it asks for has been refused when it was loaded.
        let pages = pages((bytes as u64).div_ceil(PAGE)).min(self.pages);
        self.free.clone().acquire_many_owned(pages).await.ok()
    }
}

fn pages(pages: u64) -> u32 {
    u32::try_from(pages.min(Semaphore::MAX_PERMITS as u64)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_books_its_share_and_gives_it_back() {
        let room = Room::new(10 * PAGE + 1);
        let six = room.book((5 * PAGE + 1) as usize).await;
        assert_eq!(room.free.available_permits(), 4);
        let mut five = Box::pin(room.book((5 * PAGE) as usize));
        let mut now = || {
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            five.as_mut().poll(&mut context).is_ready()
        };
        assert!(!now());
        drop(six);
        assert!(now());
        // Neither nothing nor everything waits for ever.
        assert!(room.book(0).await.is_some());
        assert!(Room::new(PAGE).book(usize::MAX).await.is_some());
    }

    #[test]
    fn three_quarters_are_for_guests_unless_somebody_says_so() {
        let limits = HostLimits::default();
        let whole = machine::memory().unwrap_or(4 << 30) / 4 * 3;
        assert_eq!(limits.whole(), whole);
        assert_eq!(HostLimits { memory: Some(5), ..limits }.whole(), 5);
    }
}
