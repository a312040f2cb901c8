//! `mongoqueue replay`: an attempt of a job made again, without touching the queue.

use std::sync::{Arc, Mutex, PoisonError};

use mongoqueue::{Attempt, MongoQueue, Outcome};
use mongoqueue_wasmtime::{
    ComponentHandler, HostLimits, Limits, LogLine, LogSink, ReplayOptions, Replayed, Sandbox,
    SandboxOptions,
};
use serde_json::json;

use super::work::config::{self, wrong};
use crate::args::{Global, ReplayArgs};
use crate::policy::{Policy, Served};
use crate::show::Show;
use crate::trouble::{Exit, Granting, Result, Trouble, refused};
use crate::{component, connect};

mod files;
mod people;
mod programs;
mod record;

use files::Files;
use record::Record;

/// All that there is to tell.
struct Told {
    record: Record,
    handler: ComponentHandler,
    replayed: Replayed,
    log: Vec<Said>,
    files: Files,
    traced: bool,
}

/// A line of the attempt's log.
struct Said {
    level: String,
    text: String,
}

pub(super) async fn run(global: &Global, show: Show, args: ReplayArgs) -> Result<()> {
    let mq = connect::open(global, show).await?;
    let mut job = mq.find(&args.id).await?;
    job.timeout = args.timeout.unwrap_or(job.timeout);
    let record = Record::of(&job, args.attempt);
    let (sink, lines) = collector();
    let handler = handler(&mq, (global, show), &args, &job.queue).await?.with_log(sink);
    record.warn(show, &handler);
    let options = ReplayOptions {
        trace: args.trace,
        coredump: args.coredump.is_some(),
        profile: args.profile.is_some(),
    };
    // Its time runs from here.
    let attempt = Attempt::detached(job.at_attempt(record.attempt));
    let replayed = handler.replay(&attempt, options).await;
    let mut replayed = replayed.map_err(Trouble::misuse)?;
    replayed.outcome = replayed.outcome.as_recorded(global.payload_limit);
    let log = std::mem::take(&mut *lines.lock().unwrap_or_else(PoisonError::into_inner));
    let files = Files::write(&args, &mut replayed);
    let told = Told { record, handler, replayed, log, files, traced: args.trace };
    if args.trace && !show.json {
        people::trace(&told.replayed);
    }
    show.answer(&programs::json(&told, attempt.job()), || {
        people::page(show, &told, attempt.job())
    })?;
    told.files.unwritten()?;
    ended(&told)
}

/// The component of the job's queue, in a sandbox of its own, with its grants and its limits.
async fn handler(
    mq: &MongoQueue,
    (global, show): (&Global, Show),
    args: &ReplayArgs,
    queue: &str,
) -> Result<ComponentHandler> {
    let pairs = |all: &[(String, String)]| all.iter().cloned().collect();
    let (served, (most, host), granting) = match &args.config {
        Some(file) => {
            let (mut policy, findings) = Policy::read(file).map_err(|it| wrong(&it))?;
            let whole = (config::most(&policy), policy.host.limits());
            let served = policy.queues.remove(queue).ok_or_else(|| {
                Trouble::misuse(format!(
                    "{}: nothing is said of the job's queue; add it as [queue.{queue}], or name \
                     the component by --component",
                    findings.path.display()
                ))
            })?;
            (served, whole, Granting::File { queue })
        }
        None => {
            let served = Served {
                component: args.component.clone().unwrap_or_default(),
                queues: pairs(&args.grants.queue),
                consume: pairs(&args.grants.consume),
                by_options: true,
                ..Served::default()
            };
            let whole = (Limits::default(), HostLimits::default());
            (served, whole, Granting::Options { queue: Some(queue) })
        }
    };
    let there = |finding| config::wrong_there(args.config.as_deref(), finding);
    let mut limits = config::limits(&served, global.payload_limit)?;
    if !args.http {
        limits.http_requests = 0;
    }
    let grants = component::grants(mq, &served.queues, &served.consume)?;
    let grants = served.add_powers(grants).map_err(there)?;
    let source = served.source().map_err(there)?;
    let options = SandboxOptions {
        limits: most,
        host,
        instances: 1,
        cache: component::cache(),
        compiler: component::compiler(),
    };
    let sandbox = Sandbox::for_replay(options)?;
    let waiting = component::compiling(show, &served.component);
    let handler = component::handler(&sandbox, source, grants, limits).await;
    waiting.finish_and_clear();
    handler.map_err(|error| refused(&error, granting))
}

/// Keeps the lines of the log, which the limits on it bound.
fn collector() -> (LogSink, Arc<Mutex<Vec<Said>>>) {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let kept = lines.clone();
    let sink = Arc::new(move |line: &LogLine<'_>| {
        let said = Said { level: line.level.to_string(), text: line.text.to_owned() };
        kept.lock().unwrap_or_else(PoisonError::into_inner).push(said);
    });
    (sink, lines)
}

fn ended(told: &Told) -> Result<()> {
    let words = match &told.replayed.outcome {
        Outcome::Completed(_) => return Ok(()),
        Outcome::Failed(failure) => format!("the attempt failed: {}", failure.kind),
        Outcome::Released { .. } => "the attempt put its job back".to_owned(),
        Outcome::HandedBack => "the attempt could not be made: no room in the sandbox".to_owned(),
    };
    let trouble = Trouble::new(Exit::No, "not-completed", words);
    Err(match &told.replayed.outcome {
        Outcome::Failed(failure) => trouble.with("death", json!({ "kind": failure.kind })),
        _ => trouble,
    })
}
