//! The processes of a run: this same program, started again with a [`Part`] to play.
//!
//! - [`Part`]: what such a process is told;
//! - [`work`]: the jobs of the queue [`WORK`], as payloads and as what is done with them;
//! - [`recorded`]: what is common to all consumers: what they write down;
//! - [`producer`], [`worker`], [`puller`]: the roles.

use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use mongoqueue::{ConnectOptions, MongoQueue};
use serde::{Deserialize, Serialize};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::history::{Event, Recorder};

pub(crate) mod producer;
mod puller;
mod recorded;
pub(crate) mod work;
mod worker;

pub(crate) use worker::load;

/// Served by handlers in Rust and by pullers.
pub(crate) const WORK: &str = "work";
/// Served by a guest that goes on where it was killed.
pub(crate) const STEPS: &str = "steps";
/// Served by a guest that does what its payload says, also what it shouldn't.
pub(crate) const GUESTS: &str = "guests";
/// Filled and emptied when everything is calm.
pub(crate) const CALM: &str = "calm";

/// What a process of the run does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Role {
    /// Puts jobs on every queue, and cancels some.
    Producer,
    /// A worker with a handler in Rust.
    Worker,
    /// A worker with components.
    WasmWorker,
    /// Consumers that claim one job after the other.
    Puller,
    /// One consumer that claims one job after the other, until there is none.
    CalmPuller,
}

impl Role {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Producer => "producer",
            Self::Worker => "worker",
            Self::WasmWorker => "wasm-worker",
            Self::Puller | Self::CalmPuller => "puller",
        }
    }

    fn queues(self) -> &'static [&'static str] {
        match self {
            Self::Producer => &[WORK, STEPS, GUESTS],
            Self::Worker | Self::Puller => &[WORK],
            Self::WasmWorker => &[STEPS, GUESTS],
            Self::CalmPuller => &[CALM],
        }
    }
}

/// What one process is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Part {
    pub(crate) role: Role,
    /// Its consumer's name, and that of its connections: the same in each of its lives.
    pub(crate) name: String,
    /// How often it was started before.
    pub(crate) life: u32,
    pub(crate) uri: String,
    /// Where its history goes.
    pub(crate) folder: PathBuf,
    pub(crate) seed: u64,
    /// The safeguard that it does without.
    pub(crate) broken: Option<String>,
    pub(crate) lease_ms: u64,
    /// A producer puts so many jobs.
    pub(crate) jobs: u64,
    /// So many a second.
    pub(crate) rate: f64,
    /// For a worker with components.
    pub(crate) guests: Option<Guests>,
}

/// The components, and where they are kept compiled.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Guests {
    pub(crate) resumable: PathBuf,
    pub(crate) misbehave: PathBuf,
    pub(crate) cache: PathBuf,
}

impl Part {
    /// The name of its history's file: each life has its own.
    pub(crate) fn process(&self) -> String {
        match self.life {
            0 => self.name.clone(),
            life => format!("{}.{life}", self.name),
        }
    }

    pub(crate) fn lease(&self) -> Duration {
        Duration::from_millis(self.lease_ms)
    }
}

/// Database of a run: each has servers of its own.
pub(crate) const DATABASE: &str = "checked";

/// Plays a part until it is over, SIGTERM comes, or the process that started this one is gone.
pub(crate) fn play(part: &str) -> ExitCode {
    match begin(part) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // For the checker's log: whoever plays a part has nobody to talk to.
            let part = serde_json::from_str::<Part>(part);
            if let Ok(part) = part
                && let Ok(recorder) = Recorder::open(&part.folder, &part.process())
            {
                let _ = recorder.record(Event::Note { text: format!("{error:#}"), job: None });
            }
            ExitCode::from(3)
        }
    }
}

fn begin(part: &str) -> Result<()> {
    let part: Part = serde_json::from_str(part).context("reading the part to play")?;
    std::thread::spawn(end_with_the_parent);
    sabotage(part.broken.as_deref())?;
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).enable_all().build();
    runtime.context("starting the runtime")?.block_on(act(part))
}

/// The pipe on stdin is closed when the process that holds its other end is gone, in whatever way.
fn end_with_the_parent() {
    let mut nothing = [0; 16];
    while std::io::stdin().read(&mut nothing).is_ok_and(|n| n > 0) {}
    std::process::exit(4);
}

async fn act(part: Part) -> Result<()> {
    let recorder = Recorder::open(&part.folder, &part.process()).context("opening the history")?;
    let queues = part.role.queues().iter().map(|&queue| queue.to_owned()).collect();
    let consumer = match part.role {
        Role::Producer => String::new(),
        _ => part.name.clone(),
    };
    let role = part.role.name().to_owned();
    recorder.record(Event::Began { role, queues, consumer })?;
    let mut terminated = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let stop = CancellationToken::new();
    let told = stop.clone();
    tokio::spawn(async move {
        terminated.recv().await;
        told.cancel();
    });
    if let Some(mq) = stop.run_until_cancelled(connect(&part, &recorder)).await {
        let scene = recorded::Scene { part, recorder: recorder.clone(), stop };
        match scene.part.role {
            Role::Producer => producer::play(&scene, &mq).await?,
            Role::Worker => worker::native(&scene, &mq).await?,
            Role::WasmWorker => worker::wasm(&scene, &mq).await?,
            Role::Puller => puller::play(&scene, &mq, PULLERS).await?,
            Role::CalmPuller => puller::play(&scene, &mq, 1).await?,
        }
    }
    recorder.record(Event::Ended { clean: true })?;
    Ok(())
}

/// Consumers in one process that pull: under the same name, so that a fence by name is none.
const PULLERS: usize = 3;

/// A process may be started while the database is away.
async fn connect(part: &Part, recorder: &Recorder) -> MongoQueue {
    loop {
        let options = ConnectOptions {
            database: Some(DATABASE.to_owned()),
            consumer: Some(part.name.clone()),
            ..ConnectOptions::default()
        };
        match MongoQueue::connect(&part.uri, options).await {
            Ok(mq) => return mq,
            Err(error) => {
                let text = format!("connecting: {error}");
                let _ = recorder.record(Event::Note { text, job: None });
            }
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

#[cfg(feature = "breaks")]
fn sabotage(broken: Option<&str>) -> Result<()> {
    if let Some(name) = broken {
        let broken = name.parse().map_err(anyhow::Error::msg)?;
        mongoqueue::breaks::set(broken);
    }
    Ok(())
}

#[cfg(not(feature = "breaks"))]
fn sabotage(broken: Option<&str>) -> Result<()> {
    anyhow::ensure!(broken.is_none(), "this program was built without the feature `breaks`");
    Ok(())
}

/// Waits, unless it is told to stop: then at once.
async fn rest(stop: &CancellationToken, time: Duration) -> bool {
    stop.run_until_cancelled(tokio::time::sleep(time)).await.is_some()
}
