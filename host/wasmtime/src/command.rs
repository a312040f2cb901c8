//! A component with a loop of its own: a producer, or a worker that pulls its jobs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mongoqueue::Failure;
use wasmtime::Store;
use wasmtime_wasi::p2::bindings::CommandPre;

use crate::component::{self, ComponentSource, Kind, LoadError};
use crate::death::{Death, Scene};
use crate::jobs::{Grants, JobsCtx};
use crate::log::LogSink;
use crate::sandbox::{Guest, Input, Limits, Sandbox, Seat};

/// A component that exports `wasi:cli/run`, in the same sandbox and limits as a handler.
///
/// ```no_run
/// use std::time::Duration;
/// use mongoqueue_wasmtime::{Command, ComponentSource, Grants, Sandbox, SandboxOptions};
///
/// # async fn example(mq: mongoqueue::MongoQueue) -> Result<(), Box<dyn std::error::Error>> {
/// let sandbox = Sandbox::new(SandboxOptions::default())?;
/// let grants = Grants::default().queue("jobs", mq.queue("emails")?);
/// let producer = Command::load(&sandbox, ComponentSource::file("producer.wasm"), grants)?;
/// producer.run(Duration::from_secs(30)).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Command {
    sandbox: Sandbox,
    pre: CommandPre<Guest>,
    weight: u32,
    _seat: Seat,
    name: Arc<str>,
    grants: Grants,
    limits: Limits,
    input: Input,
    sink: Option<LogSink>,
}

impl Command {
    /// Reads a component, checks it against its grants, and compiles it or finds it compiled.
    ///
    /// # Errors
    /// As [`ComponentHandler::load`](crate::ComponentHandler::load).
    pub fn load(
        sandbox: &Sandbox,
        source: impl Into<ComponentSource>,
        grants: Grants,
    ) -> Result<Self, LoadError> {
        let loaded =
            component::load(sandbox, source.into(), &grants, sandbox.limits(), Kind::Program)?;
        let component::Loaded { name, weight, seat, pre, .. } = loaded;
        let pre = CommandPre::new(pre).map_err(|error| LoadError::Mismatch {
            name: name.clone(),
            why: format!("{error:#}"),
        })?;
        let sandbox = sandbox.clone();
        // A loop of its own may go on for as long as its run may.
        let limits = Limits { cpu: Duration::MAX, ..sandbox.limits().clone() };
        let input = Input { args: vec![name.clone()], ..Input::default() };
        let (name, _seat) = (name.into(), seat);
        Ok(Self { sandbox, pre, weight, _seat, name, grants, limits, input, sink: None })
    }

    /// The same program, whose output and log go to `sink`.
    pub fn with_log(mut self, sink: LogSink) -> Self {
        self.sink = Some(sink);
        self
    }

    /// The same program with arguments. Default: none but its name.
    pub fn with_args(mut self, args: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.input.args.truncate(1);
        self.input.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// The same program with something on its standard input. Default: nothing.
    pub fn with_stdin(mut self, stdin: impl Into<Vec<u8>>) -> Self {
        self.input.stdin = stdin.into().into();
        self
    }

    /// The same program with limits of its own, which are those of one run. Memory can't be more
    /// than the sandbox's. Default: those of the sandbox, but as much CPU time as the run has time.
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = self.sandbox.fit(limits);
        self
    }

    /// Runs it to its end in a fresh instance, at most for `time`. What it holds then is released.
    ///
    /// # Errors
    /// As the attempt of a handler would fail, with `exit` for a program that says so itself, and
    /// `host` where the program is not to blame.
    pub async fn run(&self, time: Duration) -> Result<(), Failure> {
        let start = Instant::now();
        let place = self.sandbox.place(self.weight, self.limits.memory, time).await;
        let Some(_place) = place else { return Err(no_room()) };
        let mut builder = JobsCtx::builder()
            .guest(self.name.clone())
            .grants(self.grants.clone())
            .limits(self.limits.clone());
        if let Some(sink) = &self.sink {
            builder = builder.log(sink.clone());
        }
        let jobs = builder.build();
        let log = jobs.log().clone();

        let left = time.saturating_sub(start.elapsed());
        let store = self.sandbox.store(jobs, left, &self.input);
        let mut store = store.map_err(|e| Failure::of_kind("host", format!("{e:#}")))?;
        let ended = Sandbox::in_time(left, self.call(&mut store)).await;
        log.finish();
        let scene = Scene {
            limits: &self.limits,
            refusal: store.data().refusal(),
            stderr: log.stderr_tail(),
            time,
            unborn: false,
        };
        let death = match ended {
            Some(Ok(Ok(()))) => return Ok(()),
            Some(Ok(Err(()))) => {
                let failure = Failure::of_kind("exit", "the program says that it failed");
                return Err(Failure { stderr: scene.stderr, ..failure });
            }
            Some(Err((error, unborn))) => Death::of(&error, Scene { unborn, ..scene }),
            None => Death::timed_out(scene),
        };
        Err(match death {
            Death::Guest(failure) => failure,
            Death::NoRoom | Death::LeaseLost => no_room(),
            Death::Host(why) => Failure::of_kind("host", why),
        })
    }

    async fn call(
        &self,
        store: &mut Store<Guest>,
    ) -> Result<Result<(), ()>, (wasmtime::Error, bool)> {
        let command = self.pre.instantiate_async(&mut *store).await;
        let command = command.map_err(|error| (error, true))?;
        command.wasi_cli_run().call_run(store).await.map_err(|error| (error, false))
    }
}

fn no_room() -> Failure {
    Failure::of_kind("host", "no place in the sandbox came free in time")
}
