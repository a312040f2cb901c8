//! `mongoqueue bench`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::RangedU64ValueParser;
use mongoqueue_bench::Options;

use super::duration::parse;
use super::values;

/// Measure how fast the queue is on this server, beside what the bare driver does there.
///
/// Everything happens in a database of its own, which is dropped at the end, also after Ctrl-C. It
/// keeps the server busy for some minutes: where the database that is named holds a queue, nothing
/// is measured without --force.
#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// Measure these parts alone, with commas between; a wrong name lists them.
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    pub(crate) only: Vec<String>,

    /// How many jobs a drain has. Default: 40,000.
    #[arg(long, value_name = "N", value_parser = count(10_000_000))]
    pub(crate) jobs: Option<usize>,

    /// How often each rate is measured, after a warm-up. Default: 5.
    #[arg(long, value_name = "N", value_parser = count(100))]
    pub(crate) runs: Option<usize>,

    /// How large the payload of a job is, about: 200, 16KiB, 1MiB. Default: 200.
    #[arg(long, value_name = "SIZE", value_parser = values::size)]
    pub(crate) payload: Option<usize>,

    /// The most jobs that wait in the part backlog, and that stay waiting in the part long.
    /// Default: 100,000.
    #[arg(long, value_name = "N", value_parser = count(100_000_000))]
    pub(crate) waiting: Option<usize>,

    /// How long the part long drains. Default: 45s.
    #[arg(long, value_name = "DURATION", value_parser = parse)]
    pub(crate) long: Option<Duration>,

    /// Measure less of everything, in a minute or so: to see that it works.
    #[arg(long)]
    pub(crate) quick: bool,

    /// Judge the project's targets; ends with 1 when one is missed.
    #[arg(long)]
    pub(crate) check: bool,

    /// Write a page with tables and plots here.
    #[arg(long, value_name = "FILE.html")]
    pub(crate) html: Option<PathBuf>,

    /// Write the tables as Markdown here. A document that has the lines <!-- bench --> and
    /// <!-- /bench --> keeps all but what is between them.
    #[arg(long, value_name = "FILE.md")]
    pub(crate) markdown: Option<PathBuf>,

    /// Measure although the database holds a queue, which the bench slows down.
    #[arg(long)]
    pub(crate) force: bool,

    /// The process is one of a bench's workers.
    #[arg(long, value_name = "ROLE", hide = true)]
    pub(crate) worker_process: Option<String>,
}

fn count(most: u64) -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..=most)
}

impl BenchArgs {
    /// What to measure.
    pub(crate) fn options(&self) -> Options {
        let usual = if self.quick { Options::quick() } else { Options::default() };
        Options {
            only: self.only.clone(),
            jobs: self.jobs.unwrap_or(usual.jobs),
            runs: self.runs.unwrap_or(usual.runs),
            payload: self.payload.unwrap_or(usual.payload),
            waiting: self.waiting.unwrap_or(usual.waiting),
            long: self.long.unwrap_or(usual.long),
            ..usual
        }
    }
}
