//! What is allocated for a job: driver, loop and handler in one thread, whose allocations are
//! counted. Beside it, what the bare driver allocates for the same statements.

use std::sync::Arc;

use mongodb::Client;
use mongoqueue::{Handler, MongoQueue, Worker, from_fn};
use mongoqueue_wasmtime::{ComponentHandler, ComponentSource, Grants};
use tokio::runtime::{Builder, Runtime};

use crate::crew::{no_op, sandbox};
use crate::error::{Error, Result, ensure};
use crate::fill::{Filling, fill};
use crate::ground::{Ground, QUEUE, SLOTS, connect_options, until_empty};
use crate::guest::{self, Deed};
use crate::options::{Allocated, Counter, Options};
use crate::raw::{self, Raw};
use crate::report::Part;

/// Jobs that are counted: batches enough for what happens once to be lost among them.
const JOBS: usize = 5_000;
/// Large ones, and the size of their payload. As many as one answer of the server has room for: so
/// the statements are the same whatever the size, and what each of them allocates is in both.
const LARGE_JOBS: usize = 14;
const LARGE: usize = (1 << 20) - 1_024;
/// Drains of these. The least counts: what the driver does by its own clock is in some of them.
const LARGE_DRAINS: usize = 20;
/// Before them: connections are opened, statements and buffers are made once.
const WARM_UP: usize = 20;

/// Who drains.
#[derive(Clone)]
enum Who {
    Driver,
    Worker(Arc<dyn Handler>),
}

pub(super) async fn measure(ground: &Ground, options: &Options) -> Result<Part> {
    let mut part = Part::new("allocations");
    // It returns nothing: an output would be a copy on the way back.
    let source = ComponentSource::bytes("guest", guest::component(Deed::Nothing, 0)?);
    let fresh = ComponentHandler::load(&sandbox(SLOTS, None)?, source, Grants::default())?;
    let all = [
        ("raw", "bare driver", Who::Driver),
        ("native", "native worker", Who::Worker(Arc::new(from_fn(no_op)))),
        ("fresh", "worker with fresh sandboxes", Who::Worker(Arc::new(fresh))),
    ];
    let mut times = Vec::new();
    for (name, words, who) in all {
        let small = Drains { times: 1, jobs: options.count(JOBS), payload: options.payload };
        let of_small = counted(ground, options, small, who.clone()).await?;
        let count: Vec<f64> = of_small.iter().map(|it| it.count).collect();
        part.figure((name, format!("{words}: allocations for a job")), &count, "");
        let large = |payload| Drains { times: LARGE_DRAINS, jobs: LARGE_JOBS, payload };
        let half = counted(ground, options, large(LARGE / 2), who.clone()).await?;
        let whole = counted(ground, options, large(LARGE), who).await?;
        let further = (LARGE - LARGE / 2) as f64;
        let both = whole.iter().zip(&half);
        let bytes: Vec<f64> =
            both.map(|(whole, half)| (whole.bytes - half.bytes) / further).collect();
        let what = format!("{words}: bytes allocated for each further byte of a payload of 1 MiB");
        part.figure((format!("{name}-bytes"), what), &bytes, "×");
        times.push(bytes);
    }
    let copies: Vec<f64> = match times.as_slice() {
        [driver, _, fresh] => {
            // To a thousandth: a byte more is a longer number somewhere, not a part of a copy.
            let copies = |(ours, theirs)| f64::round(1_000.0 * (ours - theirs)) / 1_000.0;
            fresh.iter().zip(driver).map(copies).collect()
        }
        _ => Vec::new(),
    };
    let what = "copies of a payload between driver and guest: the difference of these";
    part.figure(("copies", what), &copies, "×");
    part.note("what grows counts by what it grows; a guest's own memory is not allocated");
    if options.counter.is_none() {
        part.note("this program does not count allocations; `cargo bench` does");
    }
    Ok(part)
}

/// Drains of so many jobs each.
#[derive(Clone, Copy)]
struct Drains {
    times: usize,
    jobs: usize,
    payload: usize,
}

/// For each job, in the drain that had the least bytes.
struct Counted {
    count: f64,
    bytes: f64,
}

/// Nothing where nobody counts.
async fn counted(
    ground: &Ground,
    options: &Options,
    drains: Drains,
    who: Who,
) -> Result<Option<Counted>> {
    let Some(counter) = options.counter else { return Ok(None) };
    ground.fresh().await?;
    let (uri, database) = (ground.uri.clone(), ground.name().to_owned());
    let connected = move || Drain::connect(&uri, &database, (who, counter));
    let mut drain = tokio::task::spawn_blocking(connected).await??;
    let mut least: Option<Allocated> = None;
    for time in 0..=drains.times {
        let jobs = if time == 0 { WARM_UP } else { drains.jobs };
        fill(ground, jobs, Filling::of(drains.payload)).await?;
        let (again, allocated) = tokio::task::spawn_blocking(move || {
            let allocated = drain.run(jobs);
            (drain, allocated)
        })
        .await?;
        drain = again;
        let allocated = allocated?;
        if time > 0 && least.is_none_or(|least| allocated.bytes < least.bytes) {
            least = Some(allocated);
        }
    }
    // A runtime may not end within another one.
    tokio::task::spawn_blocking(move || drop(drain)).await?;
    let jobs = drains.jobs as f64;
    Ok(least.map(|it| Counted { count: it.count as f64 / jobs, bytes: it.bytes as f64 / jobs }))
}

/// All of it happens in the thread that calls: the runtime has no other.
struct Drain {
    runtime: Runtime,
    mq: MongoQueue,
    raw: Raw,
    who: Who,
    counter: Counter,
}

impl Drain {
    fn connect(uri: &str, database: &str, (who, counter): (Who, Counter)) -> Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (mq, raw) = runtime.block_on(async {
            let mq = MongoQueue::connect(uri, connect_options(database)).await?;
            Result::Ok((mq, Raw::of(Client::with_uri_str(uri).await?, database)))
        })?;
        Ok(Self { runtime, mq, raw, who, counter })
    }

    /// Drains `n` jobs.
    fn run(&self, n: usize) -> Result<Allocated> {
        let mut ended = Err(Error::Wrong("the counter called nothing".to_owned()));
        let allocated = (self.counter)(&mut || ended = self.runtime.block_on(self.drain(n)));
        ended.map(|()| allocated)
    }

    async fn drain(&self, n: usize) -> Result<()> {
        let Who::Worker(handler) = &self.who else {
            return raw::drain(&self.raw, n).await.map(drop);
        };
        let worker = Worker::new(&self.mq, until_empty(SLOTS));
        let worker = worker.serve(self.mq.queue(QUEUE)?, handler.clone());
        let summary = worker.run(std::future::pending()).await?;
        ensure(summary.completed == n as u64, || format!("{summary:?} of {n} jobs"))
    }
}
