//! The claim of a single job: it should cost the same, whatever else waits.

use std::time::Instant;

use mongoqueue::{MongoQueue, NextOptions};

use crate::error::{Result, ensure};
use crate::fill::{Filling, fill, fill_into, queue_name};
use crate::ground::{Ground, QUEUE};
use crate::options::Options;
use crate::report::{Line, Part, Plot};
use crate::stats::{Spread, percentile, ratios};
use crate::status::number;

/// What everything is compared to.
const FEW: usize = 1_000;
/// The collection of what is compared to them.
const OTHER: &str = "backlog";
/// Claims of each, in so many turns as there are runs.
const CLAIMS: usize = 300;
/// Claims that open connections and find the plan; they don't count.
const WARM_UP: usize = 30;
/// Jobs of the claim whose plan is asked for.
const PLAN: usize = 100;
/// A year, in milliseconds.
const LATER: i64 = 365 * 24 * 3_600_000;
const PRIORITIES: usize = 1_000;
const QUEUES: usize = 10_000;

/// Medians of the turns, in milliseconds: of what is measured, and of the few beside it.
struct Turns {
    these: Vec<f64>,
    few: Vec<f64>,
}

pub(super) async fn measure(ground: &Ground, options: &Options) -> Result<Part> {
    let mut part = Part::new("backlog");
    let due = Filling::of(options.payload);
    let most = options.waiting;
    let (mut slowest, mut points): (Vec<f64>, _) = (Vec::new(), Vec::new());
    let mut few = Vec::new();
    for n in sizes(most) {
        let turns = in_turns(ground, options, &[(n, due)]).await?;
        part.figure((n.to_string(), format!("{n} waiting")), &turns.these, "ms");
        points.push((n as f64, Spread::of(&turns.these).median));
        let ratios = ratios(&turns.these, &turns.few);
        if slowest.is_empty() || Spread::of(&ratios).median > Spread::of(&slowest).median {
            slowest = ratios;
        }
        few.extend(turns.few);
    }
    part.figure(("most/1000", "the slowest of these / 1,000 waiting"), &slowest, "×");

    let above = Filling { later: LATER, priority: 1, ..due };
    let words = format!("1,000 waiting, {most} of higher priority due later");
    let turns = in_turns(ground, options, &[(FEW, due), (most, above)]).await?;
    few.extend(compare(&mut part, ("future", words), turns));
    let plan = ground.connect_to(OTHER).await?.queue(QUEUE)?.explain_next(PLAN).await?;
    let keys = number(&plan, &["executionStats", "totalKeysExamined"]);
    part.figure(("keys", format!("index keys for a claim of {PLAN} jobs")), &[keys], "keys");

    let filling = Filling { priorities: PRIORITIES, ..due };
    let turns = in_turns(ground, options, &[(most, filling)]).await?;
    few.extend(compare(&mut part, ("priorities", format!("of {PRIORITIES} priorities")), turns));

    let filling = Filling { queues: QUEUES, ..due };
    let turns = in_turns(ground, options, &[(most, filling)]).await?;
    few.extend(compare(&mut part, ("queues", format!("in {QUEUES} queues")), turns));

    part.figure(("1000", "1,000 waiting, beside each of them"), &few, "ms");
    points.insert(0, (FEW as f64, Spread::of(&few).median));
    part.note("claims of both are in turns; each value is the median of a turn");
    part.plots.push(Plot {
        title: "Claim of a job, by how many wait".to_owned(),
        x: "jobs waiting",
        y: "ms",
        log: false,
        lines: vec![Line { name: "median".to_owned(), points }],
    });
    Ok(part)
}

/// Answers what it was compared to.
fn compare(part: &mut Part, (name, words): (&str, String), turns: Turns) -> Vec<f64> {
    part.figure((name, words.clone()), &turns.these, "ms");
    let both = (turns.these.as_slice(), turns.few.as_slice());
    part.ratio((format!("{name}/1000"), format!("{words} / 1,000 waiting")), both);
    turns.few
}

/// More than the few: ten thousand, … up to the most.
fn sizes(most: usize) -> Vec<usize> {
    let tens = std::iter::successors(Some(10 * FEW), |n| Some(n * 10));
    tens.take_while(|n| *n < most).chain([most]).collect()
}

/// Claims from a collection with those jobs and from one with the few, in turns: the machine that
/// changes its pace does it to both, and each has as many claimed keys behind it.
async fn in_turns(ground: &Ground, options: &Options, jobs: &[(usize, Filling)]) -> Result<Turns> {
    let few = ground.fresh().await?;
    fill(ground, FEW, Filling::of(options.payload)).await?;
    let these = ground.beside(OTHER).await?;
    let mut queues = 1;
    for (n, filling) in jobs {
        fill_into(&ground.jobs_of(OTHER), *n, *filling).await?;
        queues = queues.max(filling.queues.min(*n));
    }
    let mut turns = Turns { these: Vec::new(), few: Vec::new() };
    let runs = options.runs.max(1);
    let each = (options.count(CLAIMS) / runs).max(1);
    let mut first = claims(&these, WARM_UP, (0, queues)).await?.len();
    claims(&few, WARM_UP, (0, 1)).await?;
    for _ in 0..runs {
        turns.few.push(percentile(&claims(&few, each, (0, 1)).await?, 0.5));
        turns.these.push(percentile(&claims(&these, each, (first, queues)).await?, 0.5));
        first += each;
    }
    Ok(turns)
}

/// How long `n` claims of one job take, in milliseconds, each from another one of the queues. What
/// is claimed is done, which isn't timed.
async fn claims(mq: &MongoQueue, n: usize, (first, queues): (usize, usize)) -> Result<Vec<f64>> {
    let mut times = Vec::with_capacity(n);
    for n in first..first + n {
        let queue = mq.queue(&queue_name(n * 31 % queues))?;
        let started = Instant::now();
        let job = queue.next(&NextOptions::default()).await?;
        let elapsed = started.elapsed().as_secs_f64() * 1e3;
        ensure(job.is_some(), || "a full queue had no job".to_owned())?;
        if let Some(job) = job {
            job.complete(None).await?;
        }
        times.push(elapsed);
    }
    Ok(times)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_tens_up_to_the_most() {
        assert_eq!(sizes(100_000), [10_000, 100_000]);
        assert_eq!(sizes(5_000_000), [10_000, 100_000, 1_000_000, 5_000_000]);
        assert_eq!(sizes(1_000), [1_000]);
    }
}
