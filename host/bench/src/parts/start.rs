//! From nothing to a worker that looks for jobs, with a component that was compiled before.

use std::time::Instant;

use mongoqueue::{Worker, WorkerEvent, WorkerOptions};
use mongoqueue_wasmtime::{ComponentHandler, ComponentSource, Grants};

use crate::crew::sandbox;
use crate::error::{Error, Result, ensure};
use crate::ground::{GRACE, Ground, QUEUE, SLOTS};
use crate::guest::{Deed, component};
use crate::options::Options;
use crate::report::Part;

pub(super) async fn measure(ground: &Ground, options: &Options) -> Result<Part> {
    let mut part = Part::new("start");
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("guest.wasm");
    let guest = options.guest.clone().map_or_else(|| component(Deed::Nothing, 0), Ok)?;
    std::fs::write(&file, guest)?;
    let cache = folder.path().join("compiled");
    let mq = ground.fresh().await?;
    let (mut connects, mut compiled, mut cached) = (Vec::new(), Vec::new(), Vec::new());
    for run in 0..=options.runs.max(1) {
        let begun = Instant::now();
        ground.connect().await?;
        let connected = begun.elapsed().as_secs_f64() * 1e3;

        let begun = Instant::now();
        let sandbox = sandbox(SLOTS, Some(&cache))?;
        let source = ComponentSource::file(&file);
        let handler = ComponentHandler::load(&sandbox, source, Grants::default())?;
        let found = handler.is_cached();
        let settings = WorkerOptions { grace: GRACE, ..WorkerOptions::default() };
        let worker = Worker::new(&mq, settings).serve(mq.queue(QUEUE)?, handler);
        let mut events = worker.events();
        let worker = ground.start(worker);
        let event = events.recv().await.map_err(|error| Error::Wrong(error.to_string()))?;
        let ready = begun.elapsed().as_secs_f64() * 1e3;
        let first = matches!(event, WorkerEvent::Ready { .. });
        ensure(first, || format!("a worker's first event was {event:?}"))?;
        worker.end().await?;
        // The first one compiles it, and finds nothing.
        ensure(found == (run > 0), || format!("run {run}: compiled before: {found}"))?;
        if run == 0 {
            compiled.push(ready);
        } else {
            connects.push(connected);
            cached.push(ready);
        }
    }
    part.figure(("cached", "until it is ready, beside connecting"), &cached, "ms");
    part.figure(("compiled", "the first time, when it has to be compiled"), &compiled, "ms");
    part.figure(("connect", "connecting"), &connects, "ms");
    Ok(part)
}
