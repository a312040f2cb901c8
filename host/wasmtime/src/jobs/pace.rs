//! So many in a second: what comes too soon waits, or is told so.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// A rate, with one second's worth at once after a rest.
pub(super) struct Pace {
    each: Duration,
    /// Of the first booking: most guests make none, and need no look at the clock.
    begin: OnceLock<Instant>,
    /// When all that was booked would be over if it came evenly, counted from the beginning.
    booked: Mutex<Duration>,
}

/// What may come at once is what comes in this time.
const BURST: Duration = Duration::from_secs(1);

impl Pace {
    /// At a rate of 0 nothing ever comes.
    pub(super) fn per_second(rate: u32) -> Self {
        let each = BURST.checked_div(rate).unwrap_or(Duration::MAX);
        Self { each, begin: OnceLock::new(), booked: Mutex::default() }
    }

    /// Books `n` that come now; answers how long they have to wait.
    pub(super) fn book(&self, n: u32, now: Instant) -> Duration {
        self.book_within(n, now, Duration::MAX).unwrap_or(Duration::MAX)
    }

    /// Books `n` that come now and wait no longer than `most`; answers how long they have to. `None`:
    /// it would be longer, and nothing is booked.
    pub(super) fn book_within(&self, n: u32, now: Instant, most: Duration) -> Option<Duration> {
        let now = now.saturating_duration_since(*self.begin.get_or_init(|| now));
        let mut booked = self.booked.lock().unwrap_or_else(PoisonError::into_inner);
        let cost = self.each.checked_mul(n).unwrap_or(Duration::MAX);
        let after = (*booked).max(now).saturating_add(cost);
        let wait = after.saturating_sub(now.saturating_add(BURST));
        if wait > most {
            return None;
        }
        *booked = after;
        Some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_second_is_there_at_once_and_the_rest_comes_evenly() {
        let pace = Pace::per_second(10);
        let now = Instant::now();
        assert_eq!(pace.book(10, now), Duration::ZERO);
        assert_eq!(pace.book(1, now), 100 * MS);
        assert_eq!(pace.book(2, now), 300 * MS);
        // Half a second later: five of them have come.
        assert_eq!(pace.book(1, now + 500 * MS), Duration::ZERO);
        // A long rest gives no more than a second.
        assert_eq!(pace.book(11, now + 100_000 * MS), 100 * MS);
    }

    #[test]
    fn what_would_wait_too_long_is_not_booked() {
        let pace = Pace::per_second(10);
        let now = Instant::now();
        assert_eq!(pace.book_within(30, now, 1_000 * MS), None);
        assert_eq!(pace.book_within(10, now, Duration::ZERO), Some(Duration::ZERO));
        assert_eq!(pace.book_within(1, now, Duration::ZERO), None);
        assert_eq!(pace.book_within(1, now + 100 * MS, Duration::ZERO), Some(Duration::ZERO));
    }

    #[test]
    fn no_number_is_too_large() {
        assert_eq!(Pace::per_second(0).book_within(1, Instant::now(), 1_000 * MS), None);
        let (pace, now) = (Pace::per_second(u32::MAX), Instant::now());
        assert_eq!(pace.book(u32::MAX, now), Duration::ZERO);
        assert!(Pace::per_second(1).book(u32::MAX, now) > BURST);
    }
}
