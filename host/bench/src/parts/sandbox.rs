//! Sandboxes beside native handlers, and beside the same guest on wasmtime as it comes.

use std::sync::Arc;
use std::time::Instant;

use mongoqueue::{Attempt, Handler, Job, Outcome, Payload, from_fn};
use mongoqueue_wasmtime::{ComponentHandler, ComponentSource, Grants};

use crate::crew::{no_op, sandbox};
use crate::error::{Result, ensure};
use crate::fill::payload;
use crate::ground::{Ground, QUEUE, SLOTS};
use crate::guest::{self, Deed};
use crate::options::{Options, Samples};
use crate::report::Part;
use crate::{bare, drained};

/// Attempts with no queue behind them.
const ATTEMPTS: usize = 5_000;

pub(super) async fn measure(ground: &Ground, options: &Options) -> Result<Part> {
    let mut part = Part::new("sandbox");
    let component = match &options.guest {
        Some(component) => component.clone(),
        None => guest::component(Deed::Nothing, 0)?,
    };
    let source = ComponentSource::bytes("guest", component.clone());
    let fresh = ComponentHandler::load(&sandbox(SLOTS, None)?, source, Grants::default())?;
    let native: Arc<dyn Handler> = Arc::new(from_fn(no_op));
    let handlers = [native, Arc::new(fresh), Arc::new(bare::handler(&component)?)];
    let mut rates: [Samples; 3] = Default::default();
    let mut times: [Samples; 3] = Default::default();
    for round in options.rounds() {
        for (handler, (rates, times)) in handlers.iter().zip(rates.iter_mut().zip(&mut times)) {
            let rate = drained::by_worker(ground, round.jobs, options.payload, handler.clone());
            rates.add(&round, rate.await?);
            times.add(&round, attempt(handler, options).await?);
        }
    }
    let [native, fresh, free] = rates.map(|rates| rates.0);
    part.figure(("native", "one native worker"), &native, "jobs/s");
    part.figure(("fresh", "one worker, a fresh sandbox for each job"), &fresh, "jobs/s");
    part.figure(("bare", "the same guest on wasmtime without any cap"), &free, "jobs/s");
    part.ratio(("fresh/native", "fresh sandboxes / native"), (&fresh, &native));
    part.ratio(("fresh/bare", "fresh sandboxes / wasmtime without any cap"), (&fresh, &free));
    let [_, attempt, bare] = times.map(|times| times.0);
    part.figure(("attempt", "an attempt: store to outcome"), &attempt, "µs");
    part.figure(("bare-attempt", "wasmtime's own: create, instantiate, call, drop"), &bare, "µs");
    part.ratio(("attempt/bare", "an attempt / wasmtime's own"), (&attempt, &bare));
    Ok(part)
}

/// The time of one attempt, in microseconds: one after the other, with no queue behind them.
async fn attempt(handler: &Arc<dyn Handler>, options: &Options) -> Result<f64> {
    let job = Job::new(QUEUE, Payload::json(&payload(0, options.payload))?);
    let attempts = options.count(ATTEMPTS);
    let started = Instant::now();
    for _ in 0..attempts {
        let ended = handler.handle(Attempt::detached(job.clone())).await;
        let well = matches!(ended, Outcome::Completed(_));
        ensure(well, || format!("an attempt came to {ended:?}"))?;
    }
    Ok(started.elapsed().as_secs_f64() * 1e6 / attempts as f64)
}
