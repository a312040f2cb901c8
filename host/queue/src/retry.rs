//! Back-off between attempts: a pure function of attempt, policy and one random number.

use std::time::Duration;

/// How long a job waits after a failed attempt, before it may be claimed again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The wait after the first failure; it doubles with each further one.
    pub first: Duration,
    /// The longest wait.
    pub max: Duration,
}

impl Backoff {
    /// No wait: a failed job is ready again at once, behind those that are due already. The
    /// default, as `max_attempts` ends the repetition.
    pub const NONE: Self = Self { first: Duration::ZERO, max: Duration::ZERO };

    /// Exponential: `first`, twice that, four times that, up to `max`.
    pub const fn exponential(first: Duration, max: Duration) -> Self {
        Self { first, max }
    }

    /// The wait after the `failures`th failure (1 is the first): `first * 2^(failures - 1)`, at
    /// most `max`, less up to a tenth. `chance` in `0.0..1.0` says how much of the tenth, so that
    /// jobs that failed together don't come back together.
    pub fn wait(&self, failures: u32, chance: f64) -> Duration {
        // 2^63 ms is beyond any `max`; the exponent is bounded so that the power stays finite.
        let exponent = failures.saturating_sub(1).min(63);
        let wait = self.first.as_secs_f64() * 2f64.powi(exponent as i32);
        let wait = wait.min(self.max.as_secs_f64()) * (1.0 - 0.1 * chance.clamp(0.0, 1.0));
        Duration::try_from_secs_f64(wait).unwrap_or(self.max)
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::NONE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_the_maximum_less_the_jitter() {
        let policy = Backoff::exponential(Duration::from_secs(1), Duration::from_secs(5));
        let waits: Vec<f64> = (1..=5).map(|n| policy.wait(n, 0.0).as_secs_f64()).collect();
        assert_eq!(waits, [1.0, 2.0, 4.0, 5.0, 5.0]);
        assert_eq!(policy.wait(1, 1.0), Duration::from_millis(900));
    }

    #[test]
    fn none_is_no_wait_and_extremes_stay_in_bounds() {
        assert_eq!(Backoff::NONE.wait(7, 0.5), Duration::ZERO);
        let policy = Backoff::exponential(Duration::MAX, Duration::MAX);
        assert!(policy.wait(u32::MAX, 0.0) <= Duration::MAX);
        assert_eq!(
            Backoff::exponential(Duration::from_secs(9), Duration::ZERO).wait(3, 0.0),
            Duration::ZERO
        );
    }
}
