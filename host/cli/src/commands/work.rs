//! `mongoqueue work`: a worker whose handlers are components.

use mongoqueue::{Worker, WorkerEvent};
use mongoqueue_wasmtime::{Sandbox, SandboxOptions};
use tokio::sync::{broadcast, mpsc};
use tokio_util::sync::CancellationToken;

use crate::args::{Global, WorkArgs};
use crate::component::{self, log};
use crate::policy::Policy;
use crate::show::Show;
use crate::trouble::{Granting, Result, refused};
use crate::{connect, signals};

pub(crate) mod config;
pub(super) mod events;

pub(super) async fn run(global: &Global, show: Show, args: WorkArgs) -> Result<()> {
    let policy = config::of(&args)?;
    let mq = connect::open(global, show).await?;
    let (sink, lines) = log::channel();
    let options = config::worker_options(&policy);
    let until_empty = options.until_empty;
    let slots = u32::try_from(options.slots).unwrap_or(u32::MAX);
    let sandbox = sandbox(&policy, slots)?;
    let mut worker = Worker::new(&mq, options);
    for (name, served) in &policy.queues {
        let limits = config::limits(served, global.payload_limit)?;
        let grants = component::grants(&mq, &served.queues, &served.consume)?;
        let grants = served
            .add_powers(grants)
            .map_err(|e| config::wrong_there(args.config.as_deref(), e))?;
        let granting = match served.by_options {
            true => Granting::Options { queue: Some(name) },
            false => Granting::File { queue: name },
        };
        let source = served.source().map_err(|e| config::wrong_there(args.config.as_deref(), e))?;
        let waiting = component::compiling(show, &served.component);
        let handler = component::handler(&sandbox, source, grants, limits).await;
        waiting.finish_and_clear();
        let handler = handler.map_err(|error| refused(&error, granting))?;
        let handler = handler.with_log(log::sink(sink.clone(), name));
        worker = worker.serve(mq.queue(name)?, handler);
    }
    drop(sink);
    report(show, worker, lines, until_empty).await
}

/// A sandbox for all components of a policy. `instances`: those that run at the same time.
pub(super) fn sandbox(policy: &Policy, instances: u32) -> Result<Sandbox> {
    let options = SandboxOptions {
        limits: config::most(policy),
        host: policy.host.limits(),
        instances,
        cache: component::cache(),
        compiler: component::compiler(),
    };
    Ok(Sandbox::new(options)?)
}

/// Runs the worker and prints what it tells, until it ends by itself or by a signal. Whoever reads
/// our output going away counts as one.
pub(super) async fn report(
    show: Show,
    worker: Worker,
    mut lines: mpsc::Receiver<log::Line>,
    until_empty: bool,
) -> Result<()> {
    let mut events = worker.events();
    let unheard = CancellationToken::new();
    let stop = unheard.clone();
    let signals = signals::stop(show)?;
    let working = worker.run(async move {
        tokio::select! {
            () = signals => {}
            () = stop.cancelled() => {}
        }
    });
    tokio::pin!(working);
    let mut said = Ok(());
    let summary = loop {
        let printed = tokio::select! {
            event = events.recv(), if !events.is_closed() => print_event(show, event, until_empty),
            Some(line) = lines.recv() => log::print(show, &line),
            summary = &mut working => break summary?,
        };
        if let Err(trouble) = printed {
            // Once is enough: what follows has no reader either.
            if !unheard.is_cancelled() {
                said = Err(trouble);
                unheard.cancel();
            }
        }
    };
    while let Ok(event) = events.try_recv() {
        print_event(show, Ok(event), until_empty)?;
    }
    while let Ok(line) = lines.try_recv() {
        log::print(show, &line)?;
    }
    said?;
    events::print_summary(show, &summary)
}

fn print_event(
    show: Show,
    event: Result<WorkerEvent, broadcast::error::RecvError>,
    until_empty: bool,
) -> Result<()> {
    match event {
        // The usual end, which the sums tell of. A signal is told of by itself.
        Ok(WorkerEvent::Stopping { .. }) if until_empty && !show.json => Ok(()),
        Ok(event) => events::print(show, &event),
        Err(broadcast::error::RecvError::Lagged(missed)) => events::print_missed(show, missed),
        Err(broadcast::error::RecvError::Closed) => Ok(()),
    }
}
