//! Draining a full queue: one worker, eight worker processes, a fresh sandbox for each job.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use mongoqueue::{
    Attempt, BoxError, ConnectOptions, Handler, MongoQueue, NewJob, Payload, Queue, Worker,
    WorkerOptions, from_fn,
};
use mongoqueue_wasmtime::{ComponentHandler, ComponentSource, Grants, Sandbox, SandboxOptions};

use crate::report::{Report, spread};
use crate::server::Server;
use crate::{Args, bare, by_hand};

/// The first argument that makes this program a worker process.
pub(crate) const WORKER: &str = "worker-process";

/// The middle one is quoted.
const RUNS: usize = 5;

/// Measures and reports; the ratios of what was measured.
pub(crate) async fn measure(server: &Server, args: &Args, report: &mut Report) -> Result<()> {
    let jobs = args.jobs;
    report.say("drain, no-op jobs of about 200 bytes, jobs per second (least, median, most)");
    let mut by_hand = None;
    if args.wants("by-hand") {
        let (rate, concurrency) = by_hand::best(server, jobs).await?;
        let name = format!("by hand, job by job, {concurrency} in flight (its best)");
        report.figure(&name, rate, "/s");
        by_hand = Some(rate);
    }
    let native = sandboxes(server, args, report).await?;
    if args.wants("processes") {
        processes(server, args, report).await?;
    }
    report.ratio_of("one native worker / by hand", (native, by_hand), 12.0);
    Ok(())
}

/// Native handlers, sandboxes, and wasmtime as it comes, in turns, so that a machine that changes its
/// pace does it to all. Answers the native rate.
async fn sandboxes(server: &Server, args: &Args, report: &mut Report) -> Result<Option<f64>> {
    let native = args.wants("native").then(|| Arc::new(from_fn(no_op)) as Arc<dyn Handler>);
    let sandbox = if args.wants("sandbox") { Some(sandboxed()?) } else { None };
    let bare = if args.wants("bare") { Some(uncapped()?) } else { None };
    let mut rates = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..RUNS {
        for (rates, handler) in rates.iter_mut().zip([&native, &sandbox, &bare]) {
            if let Some(handler) = handler {
                let queue = filled(server, "drain", args.jobs).await?;
                rates.push(in_process(&queue, args.jobs, handler.clone()).await?);
            }
        }
    }
    let [plain, fresh, free] = rates;
    report.pairs("fresh sandboxes / native", (&fresh, &plain), 0.7);
    report.pairs("fresh sandboxes / wasmtime without any cap", (&fresh, &free), 0.95);
    let median = native.map(|_| rate(report, "one native worker", plain));
    if sandbox.is_some() {
        rate(report, "one worker, a fresh sandbox for each job", fresh);
    }
    if bare.is_some() {
        rate(report, "the same on wasmtime without any cap", free);
    }
    Ok(median)
}

/// One process and several, in turns too.
async fn processes(server: &Server, args: &Args, report: &mut Report) -> Result<()> {
    let (n, jobs) = (args.processes, args.jobs * 8);
    let (mut alone, mut together) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        for (rates, processes) in [(&mut alone, 1), (&mut together, n)] {
            let queue = filled(server, "processes", jobs).await?;
            rates.push(in_processes(server, &queue, jobs, processes).await?);
        }
    }
    report.pairs(&format!("{n} processes / one"), (&together, &alone), 1.0);
    rate(report, "one native worker process", alone);
    rate(report, &format!("{n} native worker processes"), together);
    Ok(())
}

/// Reports rates, and answers their median.
fn rate(report: &mut Report, name: &str, rates: Vec<f64>) -> f64 {
    let (least, median, most) = spread(rates);
    report.figure(&format!("{name} ({least:.0}, {median:.0}, {most:.0})"), median, "/s");
    median
}

async fn no_op(_: Attempt) -> Result<(), BoxError> {
    Ok(())
}

/// A queue of its own with so many jobs.
async fn filled(server: &Server, name: &str, jobs: usize) -> Result<Queue> {
    let queue = server.queues(name).await?.queue("bench")?;
    let pad = "x".repeat(150);
    let job = |n| Payload::json(&serde_json::json!({ "n": n, "pad": pad })).map(NewJob::new);
    let all: mongoqueue::Result<Vec<NewJob>> = (0..jobs).map(job).collect();
    for receipt in queue.put_many(all?).await? {
        receipt?;
    }
    Ok(queue)
}

async fn in_process(queue: &Queue, jobs: usize, handler: impl Handler) -> Result<f64> {
    let options = WorkerOptions { slots: 64, until_empty: true, ..Default::default() };
    let worker = Worker::new(&queue.connection(), options).serve(queue.clone(), handler);
    let started = Instant::now();
    let summary = worker.run(std::future::pending()).await?;
    anyhow::ensure!(summary.completed == jobs as u64, "{summary:?} of {jobs} jobs");
    Ok(jobs as f64 / started.elapsed().as_secs_f64())
}

/// Drains with so many processes: their start is not counted, their end is.
async fn in_processes(server: &Server, queue: &Queue, jobs: usize, n: usize) -> Result<f64> {
    let this = std::env::current_exe()?;
    let database = server.database("processes");
    let start = |_| {
        Command::new(&this)
            .args([WORKER, server.uri(), &database, queue.name()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
    };
    let mut workers: Vec<Child> = (0..n).map(start).collect::<Result<_, _>>()?;
    // Each says that it is connected, then all are let go at once.
    for worker in &mut workers {
        let ready = worker.stdout.as_mut().context("its stdout is a pipe")?;
        std::io::Read::read_exact(ready, &mut [0; 1])?;
    }
    let started = Instant::now();
    for worker in &mut workers {
        drop(worker.stdin.take());
    }
    for worker in workers {
        let ended = tokio::task::spawn_blocking(move || worker.wait_with_output()).await??;
        anyhow::ensure!(ended.status.success(), "a worker process ended with {}", ended.status);
    }
    let rate = jobs as f64 / started.elapsed().as_secs_f64();
    let left = queue.stats().await?;
    anyhow::ensure!(left.ready + left.running == 0, "jobs are left: {left:?}");
    Ok(rate)
}

/// The body of a worker process: connects, waits to be let go, drains.
#[expect(clippy::print_stdout, reason = "its parent waits for the word")]
pub(crate) async fn worker_process(args: &[String]) -> Result<()> {
    let [uri, database, queue] = args else { anyhow::bail!("wants a URI, a database, a queue") };
    let options = ConnectOptions { database: Some(database.clone()), ..Default::default() };
    let mq = MongoQueue::connect(uri, options).await?;
    let queue = mq.queue(queue)?;
    let options = WorkerOptions { slots: 16, until_empty: true, ..Default::default() };
    let worker = Worker::new(&mq, options).serve(queue, from_fn(no_op));
    print!("r");
    std::io::Write::flush(&mut std::io::stdout())?;
    std::io::Read::read_to_end(&mut std::io::stdin(), &mut Vec::new())?;
    worker.run(std::future::pending()).await?;
    Ok(())
}

/// The smallest example guest, in the sandbox as the command line sets it up.
fn sandboxed() -> Result<Arc<dyn Handler>> {
    let sandbox = Sandbox::new(SandboxOptions::default())?;
    let source = ComponentSource::file(mongoqueue_tests::built::guest("pure")?);
    Ok(Arc::new(ComponentHandler::load(&sandbox, source, Grants::default())?))
}

/// The same guest on wasmtime as it comes.
fn uncapped() -> Result<Arc<dyn Handler>> {
    let bare = bare::handler(&mongoqueue_tests::built::guest("pure")?);
    Ok(Arc::new(bare.map_err(|error| anyhow::anyhow!("{error:#}"))?))
}
