//! The claim of a single job: it should cost the same, whatever else waits.

use std::time::Instant;

use mongoqueue::{MongoQueue, NextOptions};

use crate::error::{Result, ensure};
use crate::fill::{Filling, fill, queue_name};
use crate::ground::{Ground, QUEUE};
use crate::options::Options;
use crate::report::{Line, Part, Plot};
use crate::stats::percentile;
use crate::status::number;

/// Claims whose median is quoted.
const CLAIMS: usize = 300;
/// Jobs of the claim whose plan is asked for.
const PLAN: usize = 100;
/// A year, in milliseconds.
const LATER: i64 = 365 * 24 * 3_600_000;
const PRIORITIES: usize = 1_000;
const QUEUES: usize = 10_000;

pub(super) async fn measure(ground: &Ground, options: &Options) -> Result<Part> {
    let mut part = Part::new("backlog");
    let due = Filling::of(options.payload);
    let mq = ground.fresh().await?;
    let (mut waiting, mut points) = (0, Vec::new());
    for n in sizes(options.waiting) {
        fill(ground, n - waiting, due).await?;
        waiting = n;
        let times = claims(&mq, options, 1).await?;
        part.figure((n.to_string(), format!("{n} waiting")), &times, "ms");
        points.push((n as f64, percentile(&times, 0.5)));
    }
    let few = points.first().map_or(f64::NAN, |it| it.1);
    let most = points.iter().map(|it| it.1).fold(f64::NAN, f64::max);
    part.figure(("most/1000", "the slowest of these / 1,000 waiting"), &[most / few], "×");

    let above = Filling { later: LATER, priority: 1, ..due };
    fill(ground, options.waiting, above).await?;
    let words = format!("and {} due later, of higher priority", options.waiting);
    let times = claims(&mq, options, 1).await?;
    compare(&mut part, ("future", words), &times, few);
    let plan = mq.queue(QUEUE)?.explain_next(PLAN).await?;
    let keys = number(&plan, &["executionStats", "totalKeysExamined"]);
    part.figure(("keys", format!("index keys for a claim of {PLAN} jobs")), &[keys], "keys");

    let mq = ground.fresh().await?;
    fill(ground, options.waiting, Filling { priorities: PRIORITIES, ..due }).await?;
    let times = claims(&mq, options, 1).await?;
    compare(&mut part, ("priorities", format!("of {PRIORITIES} priorities")), &times, few);

    let mq = ground.fresh().await?;
    fill(ground, options.waiting, Filling { queues: QUEUES, ..due }).await?;
    let times = claims(&mq, options, QUEUES.min(options.waiting)).await?;
    compare(&mut part, ("queues", format!("in {QUEUES} queues")), &times, few);

    part.plots.push(Plot {
        title: "Claim of a job, by how many wait".to_owned(),
        x: "jobs waiting",
        y: "ms",
        log: false,
        lines: vec![Line { name: "median".to_owned(), points }],
    });
    Ok(part)
}

fn compare(part: &mut Part, (name, words): (&str, String), times: &[f64], few: f64) {
    part.figure((name, words.clone()), times, "ms");
    let ratio = percentile(times, 0.5) / few;
    part.figure((format!("{name}/1000"), format!("{words} / 1,000 waiting")), &[ratio], "×");
}

/// A thousand, ten thousand, … up to the most.
fn sizes(most: usize) -> Vec<usize> {
    let mut sizes: Vec<usize> =
        std::iter::successors(Some(1_000), |n| Some(n * 10)).take_while(|n| *n < most).collect();
    sizes.push(most);
    sizes
}

/// How long claims of one job take, in milliseconds. What is claimed is done, which isn't timed.
async fn claims(mq: &MongoQueue, options: &Options, queues: usize) -> Result<Vec<f64>> {
    let claims = options.count(CLAIMS);
    let mut times = Vec::with_capacity(claims);
    // The first ones open connections and find the plan.
    let warm_up = claims / 10;
    for n in 0..claims + warm_up {
        let queue = mq.queue(&queue_name(n * 31 % queues))?;
        let started = Instant::now();
        let job = queue.next(&NextOptions::default()).await?;
        let elapsed = started.elapsed().as_secs_f64() * 1e3;
        ensure(job.is_some(), || "a full queue had no job".to_owned())?;
        if let Some(job) = job {
            job.complete(None).await?;
        }
        if n >= warm_up {
            times.push(elapsed);
        }
    }
    Ok(times)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_tens_up_to_the_most() {
        assert_eq!(sizes(100_000), [1_000, 10_000, 100_000]);
        assert_eq!(sizes(5_000_000), [1_000, 10_000, 100_000, 1_000_000, 5_000_000]);
        assert_eq!(sizes(200), [200]);
    }
}
