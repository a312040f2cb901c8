//! `cargo bench`: how fast the queue is, as ratios to what is measured beside it in the same run.
//!
//! `cargo bench -- --check` judges the ratios and ends with exit code 1 when one falls short;
//! `--jobs N` changes the 20,000 jobs of a drain, `--processes N` the eight of the drain by several
//! processes, `--only NAME,…` measures some [`PARTS`] alone. Everything runs against `MONGODB_URI`,
//! or a private `mongod`, in databases of its own that are dropped at the end.

mod backlog;
mod bare;
mod by_hand;
mod drain;
mod idle;
mod latency;
mod report;
mod server;

use anyhow::{Context, Result, bail};

use report::Report;
use server::Server;

/// What was asked for on the command line.
struct Args {
    check: bool,
    jobs: usize,
    processes: usize,
    only: Vec<String>,
}

/// What is measured, by name.
const PARTS: [&str; 8] =
    ["by-hand", "native", "processes", "sandbox", "bare", "latency", "idle", "backlog"];

impl Args {
    fn wants(&self, part: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == part)
    }
}

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Runtime::new()?;
    if let [word, rest @ ..] = args.as_slice()
        && word == drain::WORKER
    {
        return runtime.block_on(drain::worker_process(rest));
    }
    runtime.block_on(run(parse(&args)?))
}

fn parse(args: &[String]) -> Result<Args> {
    let mut parsed = Args { check: false, jobs: 20_000, processes: 8, only: Vec::new() };
    let mut words = args.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            // Cargo's own.
            "--bench" => {}
            "--check" => parsed.check = true,
            "--jobs" => {
                let n = words.next().context("--jobs wants a number")?;
                parsed.jobs = n.parse().with_context(|| format!("--jobs {n}"))?;
            }
            "--processes" => {
                let n = words.next().context("--processes wants a number")?;
                parsed.processes = n.parse().with_context(|| format!("--processes {n}"))?;
            }
            "--only" => {
                let names = words.next().context("--only wants names with commas between")?;
                parsed.only = names.split(',').map(str::to_owned).collect();
            }
            other => bail!("{other:?} is none of --check, --jobs N, --processes N, --only NAME,…"),
        }
    }
    match parsed.only.iter().find(|name| !PARTS.contains(&name.as_str())) {
        Some(name) => bail!("--only {name:?}: there are {}", PARTS.join(", ")),
        None => Ok(parsed),
    }
}

async fn run(args: Args) -> Result<()> {
    let server = Server::start().await?;
    let mut report = Report::default();
    report.say(&format!("{}, {} jobs a drain", server.describe().await?, args.jobs));
    drain::measure(&server, &args, &mut report).await?;
    if args.wants("latency") {
        latency::measure(&server, &mut report).await?;
    }
    if args.wants("idle") {
        idle::measure(&server, &mut report).await?;
    }
    if args.wants("backlog") {
        backlog::measure(&server, &mut report).await?;
    }
    server.stop().await?;
    let missed = report.missed();
    if args.check && !missed.is_empty() {
        bail!("fell short: {}", missed.join(", "));
    }
    Ok(())
}
