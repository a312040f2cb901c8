//! What is measured, and how much of it.

use std::time::Duration;

use crate::Error;

/// What a thread allocated for a while.
#[derive(Clone, Copy, Debug, Default)]
pub struct Allocated {
    /// How often; what grows, once more each time.
    pub count: u64,
    /// So many bytes, also where they were given back; what grows, by what it grows each time.
    pub bytes: u64,
}

/// Calls, and counts what the calling thread allocates until that returns: only the program, whose
/// allocator it is, can do that.
pub type Counter = fn(&mut dyn FnMut()) -> Allocated;

/// How to measure.
#[derive(Clone, Debug)]
pub struct Options {
    /// The parts by name; none stands for all. Default: none.
    pub only: Vec<String>,
    /// Jobs of a drain. Default: 40,000.
    pub jobs: usize,
    /// How often each rate is measured; a warm-up comes before. Default: 5.
    pub runs: usize,
    /// Everything that takes its time takes a fifth of it or less: to see that all works. Default:
    /// false.
    pub quick: bool,
    /// Bytes of a job's payload, about. Default: 200.
    pub payload: usize,
    /// The most jobs that wait in the part `backlog`, and that stay waiting in `long`. Default:
    /// 100,000.
    pub waiting: usize,
    /// How long the long drain takes. Default: 45 s, which is longer than a lease: what those leave
    /// behind is seen then.
    pub long: Duration,
    /// The component that is measured in the sandbox. Default: `None`, a tiny one that does
    /// nothing.
    pub guest: Option<Vec<u8>>,
    /// What counts allocations. Default: `None`, they are not measured.
    pub counter: Option<Counter>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            only: Vec::new(),
            jobs: 40_000,
            runs: 5,
            quick: false,
            payload: 200,
            waiting: 100_000,
            long: Duration::from_secs(45),
            guest: None,
            counter: None,
        }
    }
}

impl Options {
    /// Less of everything that was not asked for by itself: for a look whether all works.
    pub fn quick() -> Self {
        Self {
            jobs: 2_000,
            runs: 1,
            quick: true,
            waiting: 10_000,
            long: Duration::from_secs(4),
            ..Self::default()
        }
    }

    /// That there are such parts.
    ///
    /// # Errors
    /// [`Error::NoPart`].
    pub fn check(&self) -> Result<(), Error> {
        self.parts().map(drop)
    }

    /// The names of the parts that are to be measured.
    pub(crate) fn parts(&self) -> Result<Vec<&'static str>, Error> {
        let names = crate::names();
        if let Some(name) = self.only.iter().find(|name| !names.contains(&name.as_str())) {
            return Err(Error::NoPart { name: name.clone() });
        }
        let wanted = |name: &&str| self.only.is_empty() || self.only.iter().any(|it| it == name);
        Ok(names.into_iter().filter(wanted).collect())
    }

    /// So much, or what is left of it where all has to be quick.
    pub(crate) fn time(&self, full: Duration) -> Duration {
        if self.quick { full / 5 } else { full }
    }

    /// The same of a number.
    pub(crate) fn count(&self, full: usize) -> usize {
        if self.quick { (full / 10).max(1) } else { full }
    }

    /// A warm-up with fewer jobs, which doesn't count, and the runs.
    pub(crate) fn rounds(&self) -> impl Iterator<Item = Round> + use<> {
        self.at_most(self.runs)
    }

    /// The same for what takes longer: no more than three runs.
    pub(crate) fn few_rounds(&self) -> impl Iterator<Item = Round> + use<> {
        self.at_most(self.runs.min(3))
    }

    fn at_most(&self, runs: usize) -> impl Iterator<Item = Round> + use<> {
        let warm_up = Round { jobs: (self.jobs / 5).max(1), counts: false };
        let run = Round { jobs: self.jobs.max(1), counts: true };
        std::iter::once(warm_up).chain(std::iter::repeat_n(run, runs.max(1)))
    }
}

/// One time that everything is measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Round {
    pub(crate) jobs: usize,
    /// False for the warm-up.
    pub(crate) counts: bool,
}

/// Figures of the rounds that count.
#[derive(Default)]
pub(crate) struct Samples(pub(crate) Vec<f64>);

impl Samples {
    pub(crate) fn add(&mut self, round: &Round, value: f64) {
        if round.counts {
            self.0.push(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warm_up_comes_first_and_does_not_count() {
        let options = Options { jobs: 10, runs: 2, ..Options::default() };
        let mut samples = Samples::default();
        for (n, round) in options.rounds().enumerate() {
            samples.add(&round, n as f64);
            assert_eq!(round.jobs, if n == 0 { 2 } else { 10 });
        }
        assert_eq!(samples.0, [1.0, 2.0]);
    }

    #[test]
    fn only_parts_that_there_are() {
        let parts = |only: &[&str]| {
            let only = only.iter().map(|&name| name.to_owned()).collect();
            Options { only, ..Options::default() }.parts()
        };
        assert_eq!(parts(&[]).ok(), Some(crate::names()));
        // In the order of the bench, whatever was asked for first.
        assert_eq!(parts(&["drain", "put"]).ok(), Some(vec!["put", "drain"]));
        let refused = parts(&["drian"]).err().map(|error| error.to_string());
        assert!(refused.is_some_and(|words| words.contains("\"drian\": there are put, drain")));
    }
}
