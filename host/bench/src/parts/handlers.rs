//! Handlers that take their time: the queue should keep every slot busy.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mongoqueue::{Attempt, BoxError, Handler, Job, Outcome, Payload, from_fn};
use tokio::task::JoinSet;

use crate::error::{Result, ensure};
use crate::fill::{Filling, fill};
use crate::ground::{Ground, QUEUE};
use crate::options::{Options, Samples};
use crate::report::Part;

/// What a handler's time is like. The slots are so many that the handlers, rather than the queue,
/// set the rate; and one in so many of the usual jobs makes a run of some seconds, so that
/// its start and its end count little.
struct Kind {
    name: &'static str,
    what: &'static str,
    slots: usize,
    share: usize,
    /// Of every tenth job, and of the others.
    times: [Duration; 2],
}

const SHORT: Duration = Duration::from_millis(1);
const LONG: Duration = Duration::from_millis(50);

const KINDS: [Kind; 3] = [
    Kind { name: "1ms", what: "of 1 ms, 8 slots", slots: 8, share: 2, times: [SHORT, SHORT] },
    Kind { name: "50ms", what: "of 50 ms, 64 slots", slots: 64, share: 8, times: [LONG, LONG] },
    Kind {
        name: "mixed",
        what: "of 1 ms, each tenth of 50 ms, 32 slots",
        slots: 32,
        share: 2,
        times: [LONG, SHORT],
    },
];

pub(super) async fn measure(ground: &Ground, options: &Options) -> Result<Part> {
    let mut part = Part::new("handlers");
    let mut rates: [(Samples, Samples); 3] = Default::default();
    for round in options.few_rounds() {
        for (kind, (queued, ideal)) in KINDS.iter().zip(&mut rates) {
            let jobs = (round.jobs / kind.share).max(kind.slots);
            ideal.add(&round, alone(kind, jobs).await?);
            let mq = ground.fresh().await?;
            fill(ground, jobs, Filling::of(options.payload)).await?;
            let (queue, size) = (mq.queue(QUEUE)?, (jobs, kind.slots));
            queued.add(&round, ground.drain_with(&queue, size, handler(kind)).await?);
        }
    }
    for (Kind { name, what, .. }, (queued, ideal)) in KINDS.iter().zip(&rates) {
        part.figure((*name, format!("handlers {what}")), &queued.0, "jobs/s");
        let alone = format!("{name}-ideal");
        part.figure((alone, "the same with no queue: slots / time"), &ideal.0, "jobs/s");
        let words = format!("handlers {what}: queue / no queue");
        part.ratio((format!("{name}/ideal"), words), (&queued.0, &ideal.0));
    }
    part.note("a timer's millisecond is rounded up, with and without a queue");
    Ok(part)
}

/// It waits; each tenth one may wait longer.
fn handler(kind: &Kind) -> impl Handler + use<> {
    let (times, begun) = (kind.times, Arc::new(AtomicU64::new(0)));
    from_fn(move |_: Attempt| {
        let tenth = begun.fetch_add(1, Ordering::Relaxed).is_multiple_of(10);
        let [long, short] = times;
        async move {
            tokio::time::sleep(if tenth { long } else { short }).await;
            Ok::<(), BoxError>(())
        }
    })
}

/// What the slots alone can do: each takes the next job as soon as its last one is done.
async fn alone(kind: &Kind, jobs: usize) -> Result<f64> {
    let job = Job::new(QUEUE, Payload::json(&0)?);
    let (handler, left) = (Arc::new(handler(kind)), Arc::new(AtomicU64::new(jobs as u64)));
    let mut slots: JoinSet<Result<()>> = JoinSet::new();
    let started = Instant::now();
    for _ in 0..kind.slots {
        let (handler, left, job) = (handler.clone(), left.clone(), job.clone());
        slots.spawn(async move {
            let next = |n: u64| n.checked_sub(1);
            while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok() {
                let ended = handler.handle(Attempt::detached(job.clone())).await;
                let well = matches!(ended, Outcome::Completed(_));
                ensure(well, || format!("an attempt came to {ended:?}"))?;
            }
            Ok(())
        });
    }
    while let Some(slot) = slots.join_next().await {
        slot??;
    }
    Ok(jobs as f64 / started.elapsed().as_secs_f64())
}
