//! How fast the queue is on a server: what is measured, and how it is reported.
//!
//! Everything is measured beside its floor in the same run: the same statements sent by the bare
//! driver, the same guest on bare wasmtime. Ratios to those hold on any machine; a rate alone says
//! little.
//!
//! ```no_run
//! use mongoqueue_bench::{Ground, Options, run};
//!
//! # async fn example() -> mongoqueue_bench::Result<()> {
//! // How the program starts itself again as a worker process: see `worker_process`.
//! let again = || Ok(std::process::Command::new(std::env::current_exe()?));
//! let ground = Ground::open("mongodb://localhost", None, false, Box::new(again)).await?;
//! let measured = run(&ground, &Options::default(), "bench", &mut |_| {}).await;
//! ground.close().await?;
//! println!("{} targets missed", measured?.missed().count());
//! # Ok(())
//! # }
//! ```
//!
//! In reading order: [`Options`]; [`Ground`], the database of a bench; [`run`]; [`Report`].

use std::time::Instant;

mod error;
mod stats;
mod options;
mod status;
mod process;
mod ground;
mod fill;
mod drained;
mod guest;
mod crew;
mod raw;
mod by_hand;
mod bare;
mod targets;
mod report;
mod parts;

pub use crew::worker_process;
pub use error::{Error, Result};
pub use ground::{Again, Ground};
pub use options::{Allocated, Counter, Options};
pub use report::{Figure, Line, Machine, Part, Plot, Report, fill};
pub use stats::{Spread, arrivals, percentile, ratios};
pub use targets::{Bound, Judged};

/// What is measured, by name and in words, in this order.
pub const PARTS: [(&str, &str); 15] = [
    ("put", "putting jobs, one by one and many at once"),
    ("drain", "one native worker drains a full queue"),
    ("sandbox", "a fresh sandbox for each job"),
    ("workers", "several workers on one queue"),
    ("long", "a drain that lasts, of a queue that stays full"),
    ("backlog", "the claim of one job, by what else waits"),
    ("latency", "from a put to the start of its handler, idle queue"),
    ("load", "from a scheduled arrival to the start of its handler, under load"),
    ("handlers", "handlers that take their time"),
    ("idle", "what idle workers cost"),
    ("payload", "jobs of 1 MiB"),
    ("allocations", "what is allocated for a job"),
    ("memory", "memory of a worker process"),
    ("start", "the start of a worker whose component is compiled already"),
    ("growth", "what the server writes for a job"),
];

/// The names of the parts.
pub fn names() -> Vec<&'static str> {
    PARTS.iter().map(|(name, _)| *name).collect()
}

/// How far a bench is.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Step<'a> {
    /// A part begins.
    Begin {
        /// Its name.
        name: &'static str,
    },
    /// A part is done.
    Done(&'a Part),
}

/// Measures what is asked for. `command` is what the reader would repeat it by.
///
/// # Errors
/// [`Error::NoPart`] before anything is measured; the others end the whole bench.
pub async fn run(
    ground: &Ground,
    options: &Options,
    command: &str,
    tell: &mut (dyn FnMut(Step<'_>) + Send),
) -> Result<Report> {
    let started = Instant::now();
    let names = options.parts()?;
    let machine = Machine::look(ground).await?;
    let mut parts = Vec::with_capacity(names.len());
    for name in names {
        tell(Step::Begin { name });
        let part = parts::measure(name, ground, options).await?;
        tell(Step::Done(&part));
        parts.push(part);
    }
    let targets = targets::judge(&parts);
    let seconds = started.elapsed().as_secs_f64();
    Ok(Report { machine, command: command.to_owned(), seconds, parts, targets })
}
