//! Latency under offered load: an open loop. Jobs arrive when they were scheduled to, whatever
//! became of the earlier ones, and each is timed from its scheduled arrival, so that a queue that
//! falls behind can't hide it by slowing down who puts.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bson::raw::RawBson;
use mongoqueue::{
    Attempt, BoxError, Handler, NewJob, Payload, Queue, Worker, WorkerOptions, from_fn,
};
use tokio::task::JoinSet;

use crate::crew::no_op;
use crate::drained;
use crate::error::Result;
use crate::fill::payload;
use crate::ground::{GRACE, Ground, QUEUE, SLOTS};
use crate::options::Options;
use crate::report::{Line, Part, Plot};
use crate::stats::{arrivals, percentile};

/// Of the rate of a drain. Who puts works on the same machine and takes some of it.
const SHARES: [f64; 6] = [0.05, 0.1, 0.25, 0.5, 0.75, 0.9];
/// The share that has a target.
const HALF: f64 = 0.5;
/// The share that is offered for longer.
const QUARTER: f64 = 0.25;
/// For each share.
const LENGTH: Duration = Duration::from_secs(6);
/// Who puts gathers the arrivals of that long, and sends them beside the earlier ones.
const GATHER: Duration = Duration::from_millis(5);
/// Longer than that a queue that fell behind is not waited for.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) async fn measure(ground: &Ground, options: &Options) -> Result<Part> {
    let mut part = Part::new("load");
    let full = drain_rate(ground, options).await?;
    part.figure(("drain", "the rate of a drain, the median of three"), &[full], "jobs/s");
    let mut curves = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99)]
        .map(|(name, share)| (share, Line { name: name.to_owned(), points: Vec::new() }));
    let mut backlogs = Vec::new();
    for share in SHARES {
        let offered = Offered::at(full * share, options.time(LENGTH));
        let load = offered.run(ground, options.payload).await?;
        let percent = (share * 100.0).round();
        let words = format!("{percent} % of it, {:.0} jobs/s", full * share);
        for (p, line) in &mut curves {
            line.points.push((full * share, percentile(&load.waits, *p)));
        }
        let name = format!("p50-{percent}");
        part.figure((name, format!("{words}: half within")), &[percentile(&load.waits, 0.5)], "ms");
        let late = percentile(&load.waits, 0.99);
        let name = if share == HALF { "p99-at-half".to_owned() } else { format!("p99-{percent}") };
        part.figure((name, format!("{words}: 99 of 100 within")), &[late], "ms");
        backlogs.push(Line { name: format!("{percent} %"), points: load.backlog });
    }
    steady(ground, options, full, &mut part).await?;
    part.note(format!(
        "an open loop: Poisson arrivals for {} s each, timed from the scheduled arrival; who puts \
         gathers them for {} ms",
        options.time(LENGTH).as_secs_f64(),
        GATHER.as_millis()
    ));
    let title = "Latency against offered load".to_owned();
    let lines = curves.into_iter().map(|(_, line)| line).collect();
    part.plots.push(Plot { title, x: "jobs/s offered", y: "ms", log: true, lines });
    let title = "Backlog over time, by offered load".to_owned();
    part.plots.push(Plot { title, x: "seconds", y: "jobs waiting", log: false, lines: backlogs });
    Ok(part)
}

/// For longer: what was done lately stays in the way of searches that aren't spared it.
async fn steady(ground: &Ground, options: &Options, full: f64, part: &mut Part) -> Result<()> {
    let offered = Offered::at(full * QUARTER, options.long);
    let load = offered.run(ground, options.payload).await?;
    let mut fifths = load.waits.chunks(load.waits.len().div_ceil(5).max(1));
    let words = format!("{:.0} % of it for {:.0} s", QUARTER * 100.0, options.long.as_secs_f64());
    let mut of = |name: &str, waits: Option<&[f64]>| {
        let half = waits.map_or(f64::INFINITY, |waits| percentile(waits, 0.5));
        let what = format!("{words}, {name} fifth: half within");
        part.figure((format!("steady-{name}"), what), &[half], "ms");
        half
    };
    let (first, last) = (of("first", fifths.next()), of("last", fifths.next_back()));
    let what = format!("{words}: the last fifth / the first");
    part.figure(("steady-last/first", what), &[last / first], "×");
    Ok(())
}

async fn drain_rate(ground: &Ground, options: &Options) -> Result<f64> {
    let mut rates = Vec::new();
    for _ in 0..3 {
        let rate =
            drained::by_worker(ground, options.jobs, options.payload, from_fn(no_op)).await?;
        rates.push(rate);
    }
    Ok(percentile(&rates, 0.5))
}

/// What came of it.
struct Load {
    /// From the scheduled arrival to the start, in milliseconds.
    waits: Vec<f64>,
    /// Seconds, and how many had arrived and not been begun.
    backlog: Vec<(f64, f64)>,
}

/// When jobs arrive, and when their handlers began.
struct Offered {
    /// The moment that both are counted from.
    from: Instant,
    times: Vec<Duration>,
    /// In microseconds; 0 for one that has not begun.
    begun: Vec<AtomicU64>,
    count: AtomicUsize,
}

/// The worker has its change stream by then, and the server its plans.
const AHEAD: Duration = Duration::from_secs(1);

impl Offered {
    fn at(rate: f64, length: Duration) -> Arc<Self> {
        let times = arrivals(rate, length, rand::random);
        let begun = times.iter().map(|_| AtomicU64::new(0)).collect();
        Arc::new(Self { from: Instant::now() + AHEAD, times, begun, count: AtomicUsize::new(0) })
    }

    async fn run(self: &Arc<Self>, ground: &Ground, bytes: usize) -> Result<Load> {
        let mq = ground.fresh().await?;
        let queue = mq.queue(QUEUE)?;
        let options = WorkerOptions { slots: SLOTS, grace: GRACE, ..WorkerOptions::default() };
        let worker = Worker::new(&mq, options).serve(queue.clone(), self.clone().handler());
        let worker = ground.start(worker);
        // Of a number that isn't counted.
        queue.put(payload(self.times.len(), bytes)).await?;
        let backlog = self.offer(&queue, bytes).await?;
        worker.end().await?;
        let wait = |(time, begun): (&Duration, &AtomicU64)| match begun.load(Ordering::Relaxed) {
            0 => f64::INFINITY,
            micros => micros as f64 / 1e3 - time.as_secs_f64() * 1e3,
        };
        Ok(Load { waits: self.times.iter().zip(&self.begun).map(wait).collect(), backlog })
    }

    fn handler(self: Arc<Self>) -> impl Handler {
        from_fn(move |attempt: Attempt| {
            let n = number(&attempt.job().payload);
            if let Some(begun) = n.and_then(|n| self.begun.get(n)) {
                let micros = self.from.elapsed().as_micros();
                begun.store(u64::try_from(micros).unwrap_or(u64::MAX).max(1), Ordering::Relaxed);
                self.count.fetch_add(1, Ordering::Relaxed);
            }
            async { Ok::<(), BoxError>(()) }
        })
    }

    /// Puts what arrives; answers how many had arrived and not been begun, over time.
    async fn offer(&self, queue: &Queue, bytes: usize) -> Result<Vec<(f64, f64)>> {
        let mut puts: JoinSet<Result<()>> = JoinSet::new();
        let (mut arrived, mut backlog) = (0, Vec::new());
        let mut clock = tokio::time::interval_at(self.from.into(), GATHER);
        let length = self.times.last().copied().unwrap_or_default();
        loop {
            clock.tick().await;
            let now = self.from.elapsed();
            let due = self.times.partition_point(|time| *time <= now);
            if due > arrived {
                puts.spawn(put(queue.clone(), arrived..due, bytes));
                arrived = due;
            }
            let waiting = due - self.count.load(Ordering::Relaxed).min(due);
            backlog.push((now.as_secs_f64(), waiting as f64));
            while let Some(put) = puts.try_join_next() {
                put??;
            }
            if waiting == 0 && due == self.times.len() || now > length + PATIENCE {
                break;
            }
        }
        while let Some(put) = puts.join_next().await {
            put??;
        }
        Ok(thinned(backlog))
    }
}

async fn put(queue: Queue, numbers: Range<usize>, bytes: usize) -> Result<()> {
    let jobs = numbers.map(|n| Payload::json(&payload(n, bytes)).map(NewJob::new));
    let jobs: mongoqueue::Result<Vec<NewJob>> = jobs.collect();
    for receipt in queue.put_many(jobs?).await? {
        receipt?;
    }
    Ok(())
}

/// The number of the job that carries it.
fn number(payload: &Payload) -> Option<usize> {
    let Payload::Bson(RawBson::Document(document)) = payload else { return None };
    usize::try_from(document.get_i64("n").ok()?).ok()
}

/// Points of a curve that can be told apart.
const POINTS: usize = 200;

fn thinned(points: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    let step = points.len().div_ceil(POINTS).max(1);
    let end = points.last().copied();
    points.into_iter().step_by(step).chain(end).collect()
}
