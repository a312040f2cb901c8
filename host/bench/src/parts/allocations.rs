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
/// The same of large ones, and the size of their payload.
const LARGE_JOBS: usize = 60;
const LARGE: usize = (1 << 20) - 1_024;
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
        let small = (options.count(JOBS), options.payload);
        let of_small = counted(ground, options, small, who.clone()).await?;
        part.figure((name, format!("{words}: allocations for a job")), &of_small.count, "");
        let large = |bytes| (options.count(LARGE_JOBS), bytes);
        let half = counted(ground, options, large(LARGE / 2), who.clone()).await?;
        let whole = counted(ground, options, large(LARGE), who).await?;
        // What a run and a job cost whatever the size is in both.
        let both = whole.bytes.iter().zip(&half.bytes);
        let bytes: Vec<f64> =
            both.map(|(whole, half)| (whole - half) / (LARGE - LARGE / 2) as f64).collect();
        let what = format!("{words}: bytes allocated for each further byte of a payload of 1 MiB");
        part.figure((format!("{name}-bytes"), what), &bytes, "×");
        times.push(bytes);
    }
    let copies: Vec<f64> = match times.as_slice() {
        [driver, _, fresh] => {
            fresh.iter().zip(driver).map(|(ours, theirs)| ours - theirs).collect()
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

/// For each job.
#[derive(Default)]
struct Counted {
    count: Vec<f64>,
    bytes: Vec<f64>,
}

/// Nothing where nobody counts.
async fn counted(
    ground: &Ground,
    options: &Options,
    (n, bytes): (usize, usize),
    who: Who,
) -> Result<Counted> {
    let mut counted = Counted::default();
    let Some(counter) = options.counter else { return Ok(counted) };
    ground.fresh().await?;
    let (uri, database) = (ground.uri.clone(), ground.name().to_owned());
    let connected = move || Drain::connect(&uri, &database, (who, counter));
    let mut drain = tokio::task::spawn_blocking(connected).await??;
    for jobs in [WARM_UP, n] {
        fill(ground, jobs, Filling::of(bytes)).await?;
        let (again, allocated) = tokio::task::spawn_blocking(move || {
            let allocated = drain.run(jobs);
            (drain, allocated)
        })
        .await?;
        drain = again;
        let allocated = allocated?;
        counted.count = vec![allocated.count as f64 / jobs as f64];
        counted.bytes = vec![allocated.bytes as f64 / jobs as f64];
    }
    // A runtime may not end within another one.
    tokio::task::spawn_blocking(move || drop(drain)).await?;
    Ok(counted)
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
