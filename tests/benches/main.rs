//! `cargo bench`: how fast the queue is, as ratios to what is measured beside it in the same run.
//!
//! `cargo bench -- --check` judges the ratios and ends with exit code 1 when one falls short;
//! `--jobs N` changes the 20,000 jobs of a drain. Everything runs against `MONGODB_URI`, or a
//! private `mongod`, in databases of its own that are dropped at the end.

mod backlog;
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
    let mut parsed = Args { check: false, jobs: 20_000 };
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
            other => bail!("{other:?} is none of --check, --jobs N"),
        }
    }
    Ok(parsed)
}

async fn run(args: Args) -> Result<()> {
    let server = Server::start().await?;
    let mut report = Report::default();
    report.say(&format!("{}, {} jobs a drain", server.describe().await?, args.jobs));
    drain::measure(&server, args.jobs, &mut report).await?;
    latency::measure(&server, &mut report).await?;
    idle::measure(&server, &mut report).await?;
    backlog::measure(&server, &mut report).await?;
    server.stop().await?;
    let missed = report.missed();
    if args.check && !missed.is_empty() {
        bail!("fell short: {}", missed.join(", "));
    }
    Ok(())
}
