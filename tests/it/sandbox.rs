//! Components in their sandbox: how they die, what they may, what becomes of their jobs.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use mongoqueue::{
    Attempt, Handler, IntoPayload, Job, JobId, Outcome, State, Worker, WorkerEvent, WorkerOptions,
};
use mongoqueue_tests::{Events, Stage, built, soon};
use mongoqueue_wasmtime::{
    ComponentHandler, ComponentSource, Grants, Level, LogSink, Sandbox, SandboxOptions, Source,
};
use serde_json::Value;

mod deaths;

mod evidence;

mod handmade;

mod floods;

mod attempts;

mod grants;

mod programs;

mod cuts;

mod leak;

mod cache;

mod refusals;

mod trust;

mod payloads;

mod worlds;

mod budgets;

mod compile;

mod host;

mod powers;

/// How long jobs are kept whose end is looked at.
const HOUR: Duration = Duration::from_secs(3_600);

/// One engine for the process. What it compiles stays with what cargo built, for the next run.
pub(crate) fn sandbox() -> Result<&'static Sandbox> {
    static SANDBOX: OnceLock<Sandbox> = OnceLock::new();
    if let Some(sandbox) = SANDBOX.get() {
        return Ok(sandbox);
    }
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("components");
    let sandbox = Sandbox::new(SandboxOptions { cache: Some(cache), ..SandboxOptions::default() })?;
    Ok(SANDBOX.get_or_init(|| sandbox))
}

/// A guest of the guest crate.
pub(crate) fn source(guest: &str) -> Result<ComponentSource> {
    Ok(ComponentSource::file(built::guest(guest)?))
}

/// A guest that is granted nothing.
fn alone(guest: &str) -> Result<ComponentHandler> {
    Ok(ComponentHandler::load(sandbox()?, source(guest)?, Grants::default())?)
}

/// The guest that does all the harm. Of queues it has one: `next`, by the same name.
fn misbehave(stage: &Stage) -> Result<ComponentHandler> {
    let grants = Grants::default().queue("next", stage.mq.queue("next")?);
    Ok(ComponentHandler::load(sandbox()?, source("misbehave")?, grants)?)
}

/// Works on `q` until nothing is due there.
async fn work(stage: &Stage, handler: ComponentHandler) -> Result<Vec<WorkerEvent>> {
    let options = WorkerOptions { until_empty: true, slots: 4, ..WorkerOptions::default() };
    let worker = Worker::new(&stage.mq, options).serve(stage.queue()?, handler);
    let events = Events::of(&worker);
    soon("the worker ends", worker.run(std::future::pending())).await??;
    Ok(events.all())
}

/// A guest of the guest crate as `wasm-tools metadata add --version` leaves it: with a custom
/// section more.
pub(crate) fn versioned(guest: &str, version: &str) -> Result<Vec<u8>> {
    let body = [&[7], &b"version"[..], version.as_bytes()].concat();
    ensure!(body.len() < 128, "its length has one byte");
    let section = [&[0, u8::try_from(body.len())?], &body[..]].concat();
    Ok([std::fs::read(built::guest(guest)?)?, section].concat())
}

/// What an attempt with no queue behind it comes to.
async fn outcome(handler: &ComponentHandler, payload: &Value) -> Result<Outcome> {
    let job = Job::new("q", payload.clone().into_payload()?);
    soon("the attempt ends", handler.handle(Attempt::detached(job))).await
}

/// A handler that imports what no host of this kind has.
pub(crate) const WISHFUL: &str = r#"(component
  (import "acme:db/client@1.0.0" (instance $client))
  (export "mongoqueue:jobs/handler@0.1.0" (instance $client)))"#;

/// Starts this test binary again for an ignored test, with more environment.
pub(crate) fn start_again(test: &str, environment: &[(&str, &str)]) -> Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--exact", test, "--ignored", "--nocapture"]).envs(environment.iter().copied());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().context("starting the tests again")
}

/// Waits for it, and for it to have passed.
pub(crate) fn passed(process: Child) -> Result<()> {
    let output = process.wait_with_output()?;
    let [stdout, stderr] = [&output.stdout, &output.stderr].map(|it| String::from_utf8_lossy(it));
    let ran = stdout.contains("1 passed");
    ensure!(output.status.success() && ran, "{}\n{stdout}\n{stderr}", output.status);
    Ok(())
}

/// Without what differs from one machine to the next: the numbers of a size, a digest, a version
/// of WASI. Wrapped.
fn filtered(text: &str) -> String {
    let mut plain = String::new();
    for part in text.split_inclusive(|c: char| !c.is_ascii_alphanumeric() && c != '.') {
        let word = part.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        let rest = part.get(word.len()..).unwrap_or_default();
        let digits = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
        plain.push_str(match word {
            _ if word.starts_with("0.2.") => "0.2.x",
            _ if word.len() > 3 && (digits || word.starts_with("0x")) => "N",
            _ => word,
        });
        plain.push_str(rest);
    }
    wrapped(&plain)
}

/// In lines that fit into a source file.
fn wrapped(text: &str) -> String {
    const WIDTH: usize = 84;
    let mut lines = Vec::new();
    for line in text.lines() {
        let mut words = line.split(' ');
        let mut begun = words.next().unwrap_or_default().to_owned();
        for word in words {
            if begun.len() + 1 + word.len() > WIDTH {
                lines.push(std::mem::take(&mut begun));
            } else {
                begun.push(' ');
            }
            begun.push_str(word);
        }
        lines.push(begun);
    }
    lines.join("\n")
}

/// What an attempt came to, and where that left the job.
fn end_of(events: &[WorkerEvent], job: &JobId) -> Result<(Arc<Outcome>, Option<State>)> {
    let end = events.iter().find_map(|event| match event {
        WorkerEvent::Finished { id, outcome, state, .. } if id == job => {
            Some((outcome.clone(), *state))
        }
        _ => None,
    });
    end.with_context(|| format!("no attempt at {job} has ended"))
}

/// What guests said, line by line.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<Line>>>);

struct Line {
    guest: String,
    job: Option<JobId>,
    level: Level,
    source: Source,
    text: String,
}

impl Lines {
    fn sink(&self) -> LogSink {
        let lines = self.clone();
        Arc::new(move |line| {
            lines.all().push(Line {
                guest: line.guest.to_owned(),
                job: line.job.map(|job| job.id.clone()),
                level: line.level,
                source: line.source,
                text: line.text.to_owned(),
            });
        })
    }

    fn all(&self) -> MutexGuard<'_, Vec<Line>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The texts from there.
    fn of(&self, source: Source) -> Vec<String> {
        let all = self.all();
        all.iter().filter(|line| line.source == source).map(|line| line.text.clone()).collect()
    }
}
