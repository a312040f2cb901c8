//! A program that only puts jobs, as a web handler or a cron tick would: every line of its
//! standard input is the JSON of one job for the queue bound to `jobs`, or to its first argument.
//! Prints the id of each job it put. Its world is `producer`, and no handler is asked of it.

use std::io::{Write, stdin, stdout};

use mongoqueue_guest::{Context, Payload, PutOptions, Queue, Result};

fn main() -> Result<()> {
    let name = std::env::args().nth(1).unwrap_or_else(|| "jobs".to_owned());
    let queue = Queue::open(&name).context(format_args!("opening {name}"))?;
    let lines = stdin().lines().collect::<Result<Vec<String>, _>>().context("reading the jobs")?;
    let jobs = lines
        .into_iter()
        .filter(|line| !line.trim().is_empty())
        .map(|line| Payload::new("application/json", line));
    let answers = queue.put_many(jobs, &PutOptions::new().header("from", "producer"))?;
    let mut out = stdout().lock();
    for answer in answers {
        writeln!(out, "{}", answer?)?;
    }
    let stats = queue.stats()?;
    writeln!(out, "{} ready, {} scheduled", stats.ready, stats.scheduled)?;
    Ok(())
}
