//! A drain that lasts, of a queue that is topped up as it is drained: what claims leave behind in
//! the index must not slow the later ones.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mongoqueue::{Attempt, BoxError, Worker, WorkerOptions, from_fn};

use crate::error::Result;
use crate::fill::{Filling, fill};
use crate::ground::{GRACE, Ground, QUEUE, SLOTS};
use crate::options::Options;
use crate::report::{Line, Part, Plot};

/// Looks at how far it is; enough of them for a curve.
const LOOKS: u32 = 100;
/// Parts of the time of which the first and the last are compared: of five minutes a minute.
const PARTS: u32 = 5;
/// Jobs that are put at once in place of those that are done.
const TOP_UP: usize = 5_000;

pub(super) async fn measure(ground: &Ground, options: &Options) -> Result<Part> {
    let mut part = Part::new("long");
    let mq = ground.fresh().await?;
    fill(ground, options.waiting, Filling::of(options.payload)).await?;
    let done = Arc::new(AtomicU64::new(0));
    let count = done.clone();
    let handler = from_fn(move |_: Attempt| {
        count.fetch_add(1, Ordering::Relaxed);
        async { Ok::<(), BoxError>(()) }
    });
    let settings = WorkerOptions { slots: SLOTS, grace: GRACE, ..WorkerOptions::default() };
    let worker = Worker::new(&mq, settings).serve(mq.queue(QUEUE)?, handler);

    let worker = ground.start(worker);
    let looks = tokio::select! {
        looks = look(&done, options.long) => looks,
        broken = top_up(ground, &done, options) => return Err(broken),
    };
    worker.end().await?;

    let rates: Vec<(f64, f64)> = looks.windows(2).filter_map(rate).collect();
    let each = rates.len() / PARTS as usize;
    let mean = |rates: &[(f64, f64)]| rates.iter().map(|it| it.1).sum::<f64>() / rates.len() as f64;
    let first = mean(rates.get(..each).unwrap_or_default());
    let last = mean(rates.get(rates.len() - each..).unwrap_or_default());
    let all: Vec<f64> = rates.iter().map(|it| it.1).collect();
    part.figure(("rate", "jobs done, looked at again and again"), &all, "jobs/s");
    part.figure(("first", "in the first fifth of the time"), &[first], "jobs/s");
    part.figure(("last", "in the last fifth"), &[last], "jobs/s");
    part.figure(("last/first", "the last fifth / the first"), &[last / first], "×");
    part.note(format!(
        "{} jobs wait all the time, for {} s; the bare driver tops up beside it what is done",
        options.waiting,
        options.long.as_secs()
    ));
    part.plots.push(Plot {
        title: "Throughput of a drain".to_owned(),
        x: "seconds",
        y: "jobs/s",
        log: false,
        lines: vec![Line { name: "one native worker".to_owned(), points: rates }],
    });
    Ok(part)
}

/// When it was looked, in seconds, and how many jobs were done by then.
type Look = (f64, u64);

/// Looks from the first job on that is done.
async fn look(done: &AtomicU64, length: Duration) -> Vec<Look> {
    let mut clock = tokio::time::interval(length / LOOKS);
    while done.load(Ordering::Relaxed) == 0 {
        clock.tick().await;
    }
    let (started, mut looks) = (Instant::now(), Vec::new());
    clock.reset();
    for _ in 0..=LOOKS {
        looks.push((started.elapsed().as_secs_f64(), done.load(Ordering::Relaxed)));
        clock.tick().await;
    }
    looks
}

/// Jobs per second between two looks, at the time of the second.
fn rate(looks: &[Look]) -> Option<(f64, f64)> {
    let [(before, few), (after, many)] = looks else { return None };
    Some((*after, (many - few) as f64 / (after - before)))
}

/// Puts as many as are done, until it fails or is dropped.
async fn top_up(ground: &Ground, done: &AtomicU64, options: &Options) -> crate::Error {
    let at_once = TOP_UP.min(options.waiting.div_ceil(4));
    let mut clock = tokio::time::interval(Duration::from_millis(20));
    let mut put = 0;
    loop {
        clock.tick().await;
        if done.load(Ordering::Relaxed) < put + at_once as u64 {
            continue;
        }
        if let Err(error) = fill(ground, at_once, Filling::of(options.payload)).await {
            return error;
        }
        put += at_once as u64;
    }
}
