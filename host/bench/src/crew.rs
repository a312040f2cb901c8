//! Worker processes: this program again, each told what to be on its command line and when to begin
//! on its standard input. They end by themselves when nothing is due, or when that is closed.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use mongoqueue::{Attempt, BoxError, MongoQueue, Worker, WorkerOptions, from_fn};
use mongoqueue_wasmtime::{ComponentHandler, ComponentSource, Grants, Sandbox, SandboxOptions};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Result, ensure};
use crate::fill::queue_name;
use crate::ground::{GRACE, Ground, connect_options};

/// What a worker process is to be.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Role {
    pub(crate) database: String,
    /// So many workers, each with a connection of its own.
    pub(crate) workers: usize,
    pub(crate) slots: usize,
    /// The queue of the native handler; those of components follow it.
    pub(crate) queue: usize,
    /// Files of components that do the jobs of a queue each. None: a native handler does nothing.
    pub(crate) components: Vec<PathBuf>,
    pub(crate) until_empty: bool,
    /// Where compiled components are kept.
    pub(crate) cache: Option<PathBuf>,
}

impl Role {
    /// Native workers on the one queue that end when it is empty.
    pub(crate) fn drain(ground: &Ground, workers: usize) -> Self {
        Self {
            database: ground.name().to_owned(),
            workers,
            slots: 16,
            queue: 0,
            components: Vec::new(),
            until_empty: true,
            cache: None,
        }
    }

    /// A worker that waits for jobs.
    pub(crate) fn wait(ground: &Ground) -> Self {
        Self { until_empty: false, ..Self::drain(ground, 1) }
    }
}

/// Worker processes. Those that are dropped are killed.
pub(crate) struct Crew(Vec<Child>);

/// What a process says when it is ready, and is told to begin.
const WORD: [u8; 1] = *b"\n";

impl Crew {
    /// Starts so many, and waits until each is connected.
    pub(crate) async fn start(ground: &Ground, processes: usize, role: &Role) -> Result<Self> {
        let role = serde_json::to_string(role).map_err(|e| Error::Wrong(e.to_string()))?;
        let mut children = Vec::new();
        for _ in 0..processes {
            let mut command = Command::from((ground.again)()?);
            // Not on the command line, which everybody on the machine can read.
            command.arg(&role).env("MONGODB_URI", &ground.uri).kill_on_drop(true);
            children.push(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?);
        }
        for child in &mut children {
            if let Some(ready) = &mut child.stdout {
                ready.read_exact(&mut [0; 1]).await?;
            }
        }
        Ok(Self(children))
    }

    /// Lets all go at once.
    pub(crate) async fn go(&mut self) -> Result<()> {
        for child in &mut self.0 {
            if let Some(input) = &mut child.stdin {
                input.write_all(&WORD).await?;
                input.flush().await?;
            }
        }
        Ok(())
    }

    /// All run, or have ended well.
    pub(crate) fn check(&mut self) -> Result<()> {
        for child in &mut self.0 {
            let ended = child.try_wait()?;
            let well = ended.is_none_or(|status| status.success());
            ensure(well, || format!("a worker process ended with {ended:?}"))?;
        }
        Ok(())
    }

    /// Waits until all have ended by themselves; answers how long that took.
    pub(crate) async fn ended(self) -> Result<Duration> {
        let started = Instant::now();
        for mut child in self.0 {
            // Kept open: its end would be a reason to end.
            let input = child.stdin.take();
            let status = child.wait().await?;
            drop(input);
            ensure(status.success(), || format!("a worker process ended with {status}"))?;
        }
        Ok(started.elapsed())
    }

    /// Has all end.
    pub(crate) async fn stop(mut self) -> Result<()> {
        self.0.iter_mut().for_each(|child| drop(child.stdin.take()));
        self.ended().await.map(drop)
    }

    /// The id of the first process.
    pub(crate) fn id(&self) -> Option<u32> {
        self.0.first().and_then(Child::id)
    }
}

/// What this program is when it was started again by a bench: `role` is its last argument, `uri`
/// was in `MONGODB_URI`. Says on standard output that it is ready, and begins when something comes
/// in on standard input.
///
/// # Errors
/// A role that is none, and all that a worker can fail of.
pub async fn worker_process(uri: &str, role: &str) -> Result<()> {
    let role: Role = serde_json::from_str(role)
        .map_err(|error| Error::Wrong(format!("no role of a worker process: {error}")))?;
    let mut workers = Vec::new();
    for _ in 0..role.workers {
        let mq = MongoQueue::connect(uri, connect_options(&role.database)).await?;
        workers.push(worker(&mq, &role)?);
    }
    let (begin, stop) = standard_input();
    tokio::io::stdout().write_all(&WORD).await?;
    tokio::io::stdout().flush().await?;
    tokio::select! {
        () = begin.cancelled() => {}
        () = stop.cancelled() => return Ok(()),
    }
    let mut running = JoinSet::new();
    for worker in workers {
        running.spawn(worker.run(stop.clone().cancelled_owned()));
    }
    while let Some(ended) = running.join_next().await {
        ended??;
    }
    Ok(())
}

/// Cancelled when something comes in, and when it is closed. Read by a thread of its own, which no
/// runtime waits for when it ends: a worker that is done ends while its input is still open.
fn standard_input() -> (CancellationToken, CancellationToken) {
    let (begin, stop) = (CancellationToken::new(), CancellationToken::new());
    let told = (begin.clone(), stop.clone());
    std::thread::spawn(move || {
        let mut input = std::io::stdin().lock();
        while input.read(&mut [0; 1]).is_ok_and(|n| n > 0) {
            told.0.cancel();
        }
        told.1.cancel();
    });
    (begin, stop)
}

fn worker(mq: &MongoQueue, role: &Role) -> Result<Worker> {
    let options = WorkerOptions {
        slots: role.slots,
        until_empty: role.until_empty,
        grace: GRACE,
        ..WorkerOptions::default()
    };
    let worker = Worker::new(mq, options);
    if role.components.is_empty() {
        return Ok(worker.serve(mq.queue(&queue_name(role.queue))?, from_fn(no_op)));
    }
    let sandbox = sandbox(role.slots, role.cache.as_deref())?;
    role.components.iter().zip(role.queue..).try_fold(worker, |worker, (file, number)| {
        let source = ComponentSource::file(file);
        let handler = ComponentHandler::load(&sandbox, source, Grants::default())?;
        Ok(worker.serve(mq.queue(&queue_name(number))?, handler))
    })
}

/// A native handler that does nothing.
pub(crate) async fn no_op(_: Attempt) -> std::result::Result<(), BoxError> {
    Ok(())
}

/// The sandbox as the command line sets it up.
pub(crate) fn sandbox(instances: usize, cache: Option<&Path>) -> Result<Sandbox> {
    let instances = u32::try_from(instances).unwrap_or(u32::MAX);
    let cache = cache.map(Path::to_owned);
    Ok(Sandbox::new(SandboxOptions { instances, cache, ..SandboxOptions::default() })?)
}
