//! Chance that comes from a seed, and stays the same on every machine and with every version of
//! every library: a run's seed repeats its schedule and its jobs.

/// A stream of numbers, by Steele, Lea and Flood's SplitMix64.
#[derive(Clone, Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    /// The stream of a seed, one of several that differ by their `part`.
    pub(crate) fn new(seed: u64, part: &str) -> Self {
        let mut state = Self(seed);
        // The name's bytes are stirred in one after the other.
        for byte in part.bytes() {
            state.0 = state.number() ^ u64::from(byte);
        }
        state
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 up to `n`, not `n` itself; 0 for 0.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        // The bias is far below what anybody could measure in a run.
        self.number().checked_rem(n).unwrap_or(0)
    }

    /// From `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// True so many times in a hundred.
    pub(crate) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of them; `None` of none.
    pub(crate) fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        of.get(usize::try_from(self.below(of.len() as u64)).unwrap_or(0))
    }

    /// Any order of them is as likely as any other.
    pub(crate) fn shuffle<T>(&mut self, of: &mut [T]) {
        for last in (1..of.len()).rev() {
            let other = usize::try_from(self.below(last as u64 + 1)).unwrap_or(0);
            of.swap(last, other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_says_the_same_and_parts_differ() {
        let mut chance = Chance::new(0, "");
        // The algorithm's published first numbers for the seed 0.
        assert_eq!(chance.number(), 0xe220_a839_7b1d_cdaf);
        assert_eq!(chance.number(), 0x6e78_9e6a_a1b9_65f4);
        let of = |seed, part| Chance::new(seed, part).number();
        assert_eq!(of(1, "a"), of(1, "a"));
        assert_ne!(of(1, "a"), of(1, "b"));
        assert_ne!(of(1, "a"), of(2, "a"));
    }

    #[test]
    fn ranges_are_kept_and_shuffles_lose_nothing() {
        let mut chance = Chance::new(7, "test");
        let mut seen = [0; 4];
        for _ in 0..1_000 {
            let n = chance.between(3, 6);
            seen[usize::try_from(n - 3).expect("a small number")] += 1;
        }
        assert!(seen.iter().all(|&n| n > 200), "{seen:?}");
        assert_eq!(chance.below(0), 0);
        assert_eq!(chance.pick::<u8>(&[]), None);
        let mut all: Vec<u32> = (0..50).collect();
        chance.shuffle(&mut all);
        assert_ne!(all, (0..50).collect::<Vec<_>>());
        all.sort_unstable();
        assert_eq!(all, (0..50).collect::<Vec<_>>());
    }
}
