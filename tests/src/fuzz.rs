//! Random input: real input, broken at random.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Breaks inputs, always in the same way for the same seed.
#[derive(Debug)]
pub struct Mutator(u64);

impl Mutator {
    /// Begins anywhere, or at `MONGOQUEUE_FUZZ_SEED`.
    ///
    /// # Errors
    /// When that is no number.
    pub fn new() -> Result<Self> {
        let seed = match std::env::var("MONGOQUEUE_FUZZ_SEED") {
            Ok(seed) => seed.parse().context("MONGOQUEUE_FUZZ_SEED is no number")?,
            Err(_) => rand::random(),
        };
        Ok(Self(seed))
    }

    /// Where it is: beginning there it does the same again.
    pub fn seed(&self) -> u64 {
        self.0
    }

    /// xorshift*: a number for each call, good enough to break things with.
    pub fn next(&mut self, below: usize) -> usize {
        let mut x = self.0.max(1);
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        self.0 = x;
        (x.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % below.max(1)
    }

    fn pick<'a>(&mut self, from: &'a [Vec<u8>]) -> &'a [u8] {
        let n = self.next(from.len());
        from.get(n).map(Vec::as_slice).unwrap_or_default()
    }

    /// One of the inputs, changed in up to four places.
    pub fn broken(&mut self, seeds: &[Vec<u8>], words: &[&[u8]]) -> Vec<u8> {
        let mut bytes = self.pick(seeds).to_vec();
        for _ in 0..=self.next(4) {
            let (from, len) = (self.next(bytes.len() + 1), self.next(16));
            let to = (from + len).min(bytes.len());
            match self.next(6) {
                0 => bytes.truncate(from),
                1 => drop(bytes.drain(from..to)),
                2 => {
                    let copy = bytes.get(from..to).unwrap_or_default().to_vec();
                    bytes.splice(from..from, copy);
                }
                3 => {
                    let n = self.next(words.len());
                    let word = words.get(n).copied().unwrap_or_default();
                    bytes.splice(from..from, word.iter().copied());
                }
                4 => {
                    let other = self.pick(seeds);
                    let other = other.get(self.next(other.len())..).unwrap_or_default().to_vec();
                    bytes.truncate(from);
                    bytes.extend(other);
                }
                _ => {
                    let value = self.next(256) as u8;
                    if let Some(byte) = bytes.get_mut(from) {
                        *byte = value;
                    }
                }
            }
        }
        bytes
    }
}

/// Goes on until `MONGOQUEUE_FUZZ_SECONDS` are over (a second unless it is set), but `least` times.
///
/// # Errors
/// When that is no number.
pub fn loops(least: u64) -> Result<impl Iterator<Item = u64>> {
    let seconds = std::env::var("MONGOQUEUE_FUZZ_SECONDS").unwrap_or_else(|_| "1".to_owned());
    let seconds = seconds.parse().context("MONGOQUEUE_FUZZ_SECONDS is no number")?;
    let end = Instant::now() + Duration::try_from_secs_f64(seconds)?;
    Ok((0..).take_while(move |tried| *tried < least || Instant::now() < end))
}

/// Tries one broken input after the other until the time is over, at least a few.
///
/// # Errors
/// The first of `each`, or that it panicked, with the input and the seed that brings it back.
pub fn fuzz(
    seeds: &[Vec<u8>],
    words: &[&[u8]],
    mut each: impl FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let mut mutator = Mutator::new()?;
    for _ in loops(20)? {
        let seed = mutator.seed();
        let input = mutator.broken(seeds, words);
        let done = catch_unwind(AssertUnwindSafe(|| each(&input)));
        let shown = || {
            let start = input.get(..300).unwrap_or(&input);
            format!("MONGOQUEUE_FUZZ_SEED={seed}: {:?}", String::from_utf8_lossy(start))
        };
        match done {
            Ok(done) => done.with_context(shown)?,
            Err(_) => bail!("it panicked: {}", shown()),
        }
    }
    Ok(())
}
