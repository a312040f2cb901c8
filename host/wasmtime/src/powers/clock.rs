//! Clocks that go in steps.

use std::time::{Duration, Instant, SystemTime};

use wasmtime_wasi::{HostMonotonicClock, HostWallClock};

/// Both clocks, in steps of `precision` (one nanosecond at least).
pub(super) fn of(precision: Duration) -> (Wall, Monotonic) {
    let step = precision.max(Duration::from_nanos(1));
    (Wall { step }, Monotonic { step, start: Instant::now() })
}

pub(super) struct Wall {
    step: Duration,
}

pub(super) struct Monotonic {
    step: Duration,
    /// A guest's clock begins when it first needs one: what the machine's says is nobody's business.
    start: Instant,
}

impl HostWallClock for Wall {
    fn resolution(&self) -> Duration {
        self.step
    }

    fn now(&self) -> Duration {
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        // A clock before 1970 is one that was never set.
        floor(since_epoch.unwrap_or_default(), self.step)
    }
}

impl HostMonotonicClock for Monotonic {
    fn resolution(&self) -> u64 {
        nanos(self.step)
    }

    fn now(&self) -> u64 {
        nanos(floor(self.start.elapsed(), self.step))
    }
}

fn floor(time: Duration, step: Duration) -> Duration {
    let over = time.as_nanos() % step.as_nanos();
    // What is left over is less than a step, and a step fits.
    time.saturating_sub(Duration::from_nanos(u64::try_from(over).unwrap_or(u64::MAX)))
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_in_steps() {
        let ms = Duration::from_millis;
        assert_eq!(floor(Duration::from_nanos(1_999_999), ms(1)), ms(1));
        assert_eq!(floor(ms(2), ms(1)), ms(2));
        assert_eq!(floor(ms(59_999), Duration::from_secs(60)), Duration::ZERO);
        let (wall, monotonic) = of(ms(20));
        assert_eq!(wall.now().as_millis() % 20, 0);
        assert_eq!(monotonic.now() % 20_000_000, 0);
        assert_eq!((wall.resolution(), monotonic.resolution()), (ms(20), 20_000_000));
    }

    #[test]
    fn no_step_is_the_smallest_one() {
        let (wall, monotonic) = of(Duration::ZERO);
        assert_eq!((wall.resolution().as_nanos(), monotonic.resolution()), (1, 1));
        assert!(wall.now() > Duration::ZERO);
    }
}
