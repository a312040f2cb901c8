//! Several runs in three numbers, many waits in percentiles, and when jobs should arrive. Pure.

use std::time::Duration;

use serde::Serialize;

/// Least, median and most of several runs. `NaN`, which JSON has as `null`, where there were none.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// The least.
    pub least: f64,
    /// The one in the middle; of an even number the upper one.
    pub median: f64,
    /// The most.
    pub most: f64,
}

impl Spread {
    /// Of these values, in any order.
    pub fn of(values: &[f64]) -> Self {
        let mut values = values.to_vec();
        values.sort_by(f64::total_cmp);
        let at = |i: usize| values.get(i).copied().unwrap_or(f64::NAN);
        Self {
            least: at(0),
            median: at(values.len() / 2),
            most: at(values.len().saturating_sub(1)),
        }
    }
}

/// The value that a share of the samples, `0.0..=1.0`, is not above (nearest rank). `NaN` of none.
pub fn percentile(samples: &[f64], share: f64) -> f64 {
    let mut samples = samples.to_vec();
    samples.sort_by(f64::total_cmp);
    let rank = (samples.len() as f64 * share).ceil() as usize;
    samples.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

/// What was measured in turns, one by the other.
pub fn ratios(these: &[f64], those: &[f64]) -> Vec<f64> {
    these.iter().zip(those).map(|(this, that)| this / that).collect()
}

/// When jobs arrive at `rate` a second for `length`: as strangers do, each independent of the last
/// (exponential gaps; `chance` in `0.0..1.0`). The times are of an open loop: they don't wait for
/// what became of earlier jobs.
pub fn arrivals(rate: f64, length: Duration, mut chance: impl FnMut() -> f64) -> Vec<Duration> {
    let (mut at, mut times) = (0.0, Vec::new());
    if rate <= 0.0 || !rate.is_finite() {
        return times;
    }
    loop {
        at += -(1.0 - chance()).ln() / rate;
        if at >= length.as_secs_f64() {
            return times;
        }
        times.push(Duration::from_secs_f64(at));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_numbers_in_any_order() {
        let spread = Spread::of(&[3.0, 1.0, 2.0]);
        assert_eq!(spread, Spread { least: 1.0, median: 2.0, most: 3.0 });
        assert_eq!(Spread::of(&[5.0]), Spread { least: 5.0, median: 5.0, most: 5.0 });
        assert_eq!(Spread::of(&[4.0, 1.0]).median, 4.0);
        assert!(Spread::of(&[]).median.is_nan());
    }

    #[test]
    fn the_nearest_rank() {
        let hundred: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert_eq!(percentile(&hundred, 0.5), 50.0);
        assert_eq!(percentile(&hundred, 0.99), 99.0);
        assert_eq!(percentile(&hundred, 1.0), 100.0);
        assert_eq!(percentile(&hundred, 0.0), 1.0);
        assert_eq!(percentile(&[7.0], 0.99), 7.0);
        assert!(percentile(&[], 0.5).is_nan());
    }

    #[test]
    fn each_of_the_one_by_its_own_of_the_other() {
        assert_eq!(ratios(&[2.0, 9.0], &[1.0, 3.0, 7.0]), [2.0, 3.0]);
    }

    #[test]
    fn arrivals_keep_the_rate_and_the_order() {
        // The middle of each of a thousand equal parts, in an order that has no pattern: the gaps
        // add up to what the distribution says.
        let mut step = 0_u32;
        let chance = || {
            step = (step + 389) % 1_000;
            (f64::from(step) + 0.5) / 1_000.0
        };
        let times = arrivals(500.0, Duration::from_secs(20), chance);
        assert!((9_900..=10_100).contains(&times.len()), "{}", times.len());
        assert!(times.is_sorted());
        assert!(times.last().is_some_and(|last| *last < Duration::from_secs(20)));
    }

    #[test]
    fn equal_chances_are_equal_gaps() {
        let even = || 1.0 - (-1.0_f64).exp();
        let times = arrivals(10.0, Duration::from_millis(450), even);
        let millis: Vec<u128> = times.iter().map(|time| time.as_micros()).collect();
        assert_eq!(millis.len(), 4);
        assert!(
            millis.windows(2).all(|pair| matches!(pair, [a, b] if (b - a).abs_diff(100_000) < 2))
        );
    }

    #[test]
    fn no_rate_no_arrivals() {
        for rate in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(arrivals(rate, Duration::from_secs(1), || 0.5).is_empty());
        }
    }
}
