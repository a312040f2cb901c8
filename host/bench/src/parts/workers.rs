//! More workers on one queue beside one alone: who claims should not be in each other's way.

use std::time::{Duration, Instant};

use crate::crew::{Crew, Role};
use crate::error::{Result, ensure};
use crate::fill::{BOOKENDS, Filling, fill, left};
use crate::ground::Ground;
use crate::options::{Options, Samples};
use crate::report::Part;

/// So many workers, as processes with so many each: beyond eight processes a small machine measures
/// its memory rather than the queue.
const CREWS: [(usize, usize); 5] = [(1, 1), (2, 1), (8, 1), (8, 4), (8, 8)];

/// How often it is asked whether all jobs are gone.
const LOOK: Duration = Duration::from_millis(10);

pub(super) async fn measure(ground: &Ground, options: &Options) -> Result<Part> {
    let mut part = Part::new("workers");
    let mut rates: [Samples; 5] = Default::default();
    let mut conflicts: [Samples; 5] = Default::default();
    for round in options.few_rounds() {
        for (crew, (rates, conflicts)) in CREWS.iter().zip(rates.iter_mut().zip(&mut conflicts)) {
            ground.fresh().await?;
            // Twice the usual, so that the end of some before others counts less.
            let jobs = 2 * round.jobs;
            fill(ground, jobs, Filling::of(options.payload)).await?;
            let before = ground.status().await;
            rates.add(&round, drain(ground, jobs, *crew).await?);
            let after = ground.status().await;
            // Beside the jobs only leases go, and each claim has one.
            let claims = after.deleted() - before.deleted() - jobs as f64;
            conflicts.add(&round, 100.0 * (after.conflicts() - before.conflicts()) / claims);
        }
    }
    let alone = rates.first().map(|rates| rates.0.clone()).unwrap_or_default();
    for ((processes, each), (rates, conflicts)) in CREWS.iter().zip(rates.iter().zip(&conflicts)) {
        let n = processes * each;
        let how = match (n, each) {
            (1, _) => "one worker, a process".to_owned(),
            (_, 1) => format!("{n} workers, a process each"),
            _ => format!("{n} workers in {processes} processes, a connection each"),
        };
        part.figure((n.to_string(), how), &rates.0, "jobs/s");
        if n > 1 {
            part.ratio((format!("{n}/1"), format!("{n} workers / one")), (&rates.0, &alone));
            let words = (format!("{n}-conflicts"), format!("write conflicts of {n} workers"));
            part.figure(words, &conflicts.0, "% of claims");
        }
    }
    let all: Vec<f64> = conflicts.iter().skip(1).flat_map(|it| it.0.clone()).collect();
    part.figure(("conflicts", "write conflicts, whatever the number"), &all, "% of claims");
    part.note("a claim takes up to 500 jobs; conflicts are the server's own count");
    Ok(part)
}

/// From when they are let go until the last job is gone: neither their start nor their end counts.
async fn drain(ground: &Ground, n: usize, (processes, each): (usize, usize)) -> Result<f64> {
    let mut crew = Crew::start(ground, processes, &Role::drain(ground, each)).await?;
    let started = Instant::now();
    crew.go().await?;
    let jobs = ground.jobs();
    // The server answers that from its catalogue.
    while jobs.estimated_document_count().await? > BOOKENDS {
        crew.check()?;
        tokio::time::sleep(LOOK).await;
    }
    let elapsed = started.elapsed();
    crew.ended().await?;
    let left = left(&jobs).await?;
    ensure(left == 0, || format!("{left} of {n} jobs are left"))?;
    Ok(n as f64 / elapsed.as_secs_f64())
}
