//! Workers: with a handler in Rust, and with components.

use std::time::Duration;

use anyhow::{Context, Result};
use mongoqueue::{Attempt, Failure, MongoQueue, Outcome, Worker, WorkerOptions, from_fn};
use mongoqueue_wasmtime::{
    ComponentHandler, ComponentSource, Grants, Limits, Sandbox, SandboxOptions,
};

use super::recorded::{Recorded, Scene, listen};
use super::work::Work;
use super::{GUESTS, Guests, STEPS, WORK};

/// A worker that does the jobs of `work`.
pub(super) async fn native(scene: &Scene, mq: &MongoQueue) -> Result<()> {
    let recorder = scene.recorder.clone();
    let handler = from_fn(move |attempt: Attempt| {
        let recorder = recorder.clone();
        async move {
            let work: Work = match attempt.job().payload.deserialize() {
                Ok(work) => work,
                Err(error) => return Outcome::Failed(Failure::from_error(&error).reject()),
            };
            if !work.work(&recorder, &attempt).await {
                return Outcome::Failed(Failure::new("the claim was lost"));
            }
            work.end(attempt.job().attempt(), attempt.job().claims).outcome().await
        }
    });
    let worker = Worker::new(mq, options(scene, 12));
    run(scene, worker.serve(mq.queue(WORK)?, recorded(scene, handler))).await
}

/// A worker that does the jobs of `steps` and `guests`, in a sandbox.
pub(super) async fn wasm(scene: &Scene, mq: &MongoQueue) -> Result<()> {
    let guests = scene.part.guests.clone().context("a worker with components without any")?;
    let (resumable, misbehave) = load(guests, mq).await?;
    let worker = Worker::new(mq, options(scene, 8))
        .serve(mq.queue(STEPS)?, recorded(scene, resumable))
        .serve(mq.queue(GUESTS)?, recorded(scene, misbehave));
    run(scene, worker).await
}

/// The components, compiled or found compiled.
pub(crate) async fn load(
    guests: Guests,
    mq: &MongoQueue,
) -> Result<(ComponentHandler, ComponentHandler)> {
    // The guest that does what it shouldn't could also put jobs.
    let grants = Grants::default().queue("next", mq.queue(GUESTS)?);
    let loading = move || {
        // Few and small: several such processes share a machine.
        let options = SandboxOptions {
            limits: Limits { memory: 16 << 20, ..Limits::default() },
            instances: 16,
            cache: Some(guests.cache),
            ..SandboxOptions::default()
        };
        let sandbox = Sandbox::new(options)?;
        let load =
            |file, grants| ComponentHandler::load(&sandbox, ComponentSource::file(file), grants);
        let resumable = load(guests.resumable, Grants::default())?;
        anyhow::Ok((resumable, load(guests.misbehave, grants)?))
    };
    tokio::task::spawn_blocking(loading).await?
}

fn options(scene: &Scene, slots: usize) -> WorkerOptions {
    WorkerOptions {
        slots,
        lease: scene.part.lease(),
        poll: Duration::from_millis(500),
        // Some finish in time, others are cut off and handed back.
        grace: Duration::from_millis(1_500),
        prefetch: 50,
        mend: Duration::from_secs(5),
        ..WorkerOptions::default()
    }
}

fn recorded<H>(scene: &Scene, inner: H) -> Recorded<H> {
    Recorded { inner, recorder: scene.recorder.clone(), lease: scene.part.lease() }
}

async fn run(scene: &Scene, worker: Worker) -> Result<()> {
    let listening = tokio::spawn(listen(scene.recorder.clone(), worker.events()));
    worker.run(scene.stop.cancelled()).await?;
    // The worker is gone, and with it the other end of the events: what it told last is read.
    listening.await?;
    Ok(())
}
