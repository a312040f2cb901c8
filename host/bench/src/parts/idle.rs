//! An idle worker: what it sends to the server, what it computes, and whether a hundred of them are
//! in the way of a busy one.

use std::time::{Duration, Instant};

use mongoqueue::from_fn;

use crate::crew::{Crew, Role, no_op};
use crate::error::Result;
use crate::fill::{Filling, fill};
use crate::ground::{Ground, QUEUE};
use crate::options::{Options, Samples};
use crate::process;
use crate::report::Part;

/// Some turns of the poll.
const WATCHED: Duration = Duration::from_secs(15);
/// Until a worker has opened its stream and found its queue empty.
const SETTLED: Duration = Duration::from_secs(3);
/// Idle workers beside a busy one.
const IDLE: usize = 100;

pub(super) async fn measure(ground: &Ground, options: &Options) -> Result<Part> {
    let mut part = Part::new("idle");
    ground.fresh().await?;
    let watched = options.time(WATCHED);
    let mut crew = Crew::start(ground, 1, &Role::wait(ground)).await?;
    crew.go().await?;
    tokio::time::sleep(options.time(SETTLED)).await;
    let (before, started) = (computed(&crew), Instant::now());
    let with = commands(ground, watched).await;
    let share = 100.0 * (computed(&crew) - before) / started.elapsed().as_secs_f64();
    crew.stop().await?;
    // What the parts before left behind counts against the worker, not for it.
    tokio::time::sleep(options.time(SETTLED)).await;
    let without = commands(ground, watched).await;
    part.figure(("commands", "sent to the server by one"), &[with - without], "/s");
    part.figure(("cpu", "computed by one"), &[share], "% of a core");

    let n = options.count(IDLE);
    let (mut alone, mut beside) = (Samples::default(), Samples::default());
    for round in options.few_rounds() {
        alone.add(&round, drain(ground, round.jobs, options.payload, 0).await?);
        beside.add(&round, drain(ground, round.jobs, options.payload, n).await?);
    }
    part.figure(("busy-alone", "a busy worker alone"), &alone.0, "jobs/s");
    let words = format!("a busy worker beside {n} idle ones, a connection each");
    part.figure(("busy-beside-idle", words), &beside.0, "jobs/s");
    let words = format!("beside {n} idle ones / alone");
    part.ratio(("busy-beside-idle/alone", words), (&beside.0, &alone.0));
    Ok(part)
}

/// Commands a second that the server is sent.
async fn commands(ground: &Ground, length: Duration) -> f64 {
    let (before, started) = (ground.status().await.commands(), Instant::now());
    tokio::time::sleep(length).await;
    let after = ground.status().await.commands();
    (after - before) / started.elapsed().as_secs_f64()
}

/// Seconds that the process computed so far.
fn computed(crew: &Crew) -> f64 {
    let computed = crew.id().and_then(process::computed);
    computed.map_or(f64::NAN, |time| time.as_secs_f64())
}

/// The rate of a drain while so many workers of another queue of the collection are idle.
async fn drain(ground: &Ground, jobs: usize, bytes: usize, idle: usize) -> Result<f64> {
    let mq = ground.fresh().await?;
    let mut others = None;
    if idle > 0 {
        let role = Role { workers: idle, queue: 1, ..Role::wait(ground) };
        let mut crew = Crew::start(ground, 1, &role).await?;
        crew.go().await?;
        others = Some(crew);
    }
    fill(ground, jobs, Filling::of(bytes)).await?;
    let rate = ground.drain(&mq.queue(QUEUE)?, jobs, from_fn(no_op)).await?;
    if let Some(crew) = others {
        crew.stop().await?;
    }
    Ok(rate)
}
