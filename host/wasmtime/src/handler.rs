//! A component as the handler of a queue: a fresh instance for every attempt.

use std::sync::Arc;
use std::time::Duration;

use mongoqueue::{Attempt, Failure, Handler, HandlerFuture, Outcome, Payload};
use wasmtime::Store;

use crate::bindings::exports::PureHandlerPre;
use crate::bindings::types;
use crate::component::{self, ComponentSource, Kind, LoadError};
use crate::death::{Death, Scene};
use crate::evidence::Identity;
use crate::jobs::{self, Grants, JobsCtx, failure_from_guest};
use crate::log::{JobLog, LogSink};
use crate::replay::Rehearsal;
use crate::sandbox::{Guest, Input, Limits, Sandbox, Seat};

mod replay;

/// How long a job rests when this host could not run it.
const HOST_FAULT_PAUSE: Duration = Duration::from_secs(5);

/// A component that handles jobs.
///
/// ```no_run
/// use mongoqueue_wasmtime::{ComponentHandler, ComponentSource, Grants, Sandbox, SandboxOptions};
///
/// # async fn example(mq: mongoqueue::MongoQueue) -> Result<(), Box<dyn std::error::Error>> {
/// let sandbox = Sandbox::new(SandboxOptions::default())?;
/// let grants = Grants::default().queue("next", mq.queue("reports")?);
/// let handler = ComponentHandler::load(&sandbox, ComponentSource::file("emails.wasm"), grants)?;
///
/// let worker = mongoqueue::Worker::new(&mq, Default::default());
/// worker.serve(mq.queue("emails")?, handler).run(std::future::pending()).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ComponentHandler(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    sandbox: Sandbox,
    pre: PureHandlerPre<Guest>,
    name: Arc<str>,
    identity: Identity,
    cached: bool,
    weight: u32,
    _seat: Seat,
    grants: Grants,
    limits: Limits,
    sink: Option<LogSink>,
}

impl ComponentHandler {
    /// Reads a component, checks it against its grants, and compiles it or finds it compiled.
    /// Compiling a large one takes seconds: call this where blocking is allowed.
    ///
    /// # Errors
    /// Every reason why a component is refused, with who can change that: [`LoadError::blame`].
    pub fn load(
        sandbox: &Sandbox,
        source: impl Into<ComponentSource>,
        grants: Grants,
    ) -> Result<Self, LoadError> {
        Self::load_with(sandbox, source, grants, sandbox.limits().clone())
    }

    /// The same with limits of its own, which the component has to fit. Memory, tables and
    /// instances can't be more than the sandbox's.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_with(
        sandbox: &Sandbox,
        source: impl Into<ComponentSource>,
        grants: Grants,
        limits: Limits,
    ) -> Result<Self, LoadError> {
        let loaded = component::load(sandbox, source.into(), &grants, &limits, Kind::Handler)?;
        let component::Loaded { name, digest, version, cached, weight, seat, pre } = loaded;
        let pre = PureHandlerPre::new(pre).map_err(|error| LoadError::Mismatch {
            name: name.clone(),
            why: format!("{error:#}"),
        })?;
        Ok(Self(Arc::new(Inner {
            sandbox: sandbox.clone(),
            pre,
            name: name.into(),
            identity: Identity { digest, version },
            cached,
            weight,
            _seat: seat,
            grants,
            limits: sandbox.fit(limits),
            sink: None,
        })))
    }

    /// The same handler, whose jobs' logs go to `sink`.
    pub fn with_log(mut self, sink: LogSink) -> Self {
        Arc::make_mut(&mut self.0).sink = Some(sink);
        self
    }

    /// The same handler with limits of its own. Memory, tables and instances can't be more than the
    /// sandbox's.
    pub fn with_limits(mut self, limits: Limits) -> Self {
        let inner = Arc::make_mut(&mut self.0);
        inner.limits = inner.sandbox.fit(limits);
        self
    }

    /// What it is called in logs and messages.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// SHA-256 of the component, in hexadecimal.
    pub fn digest(&self) -> &str {
        &self.0.identity.digest
    }

    /// The version that the component carries, in its author's words, if it does.
    pub fn version(&self) -> Option<&str> {
        self.0.identity.version.as_deref()
    }

    /// True when it was found compiled in the sandbox's cache.
    pub fn is_cached(&self) -> bool {
        self.0.cached
    }
}

impl Handler for ComponentHandler {
    fn handle(&self, attempt: Attempt) -> HandlerFuture<'_> {
        Box::pin(self.0.attempt(attempt))
    }
}

impl Inner {
    async fn attempt(&self, attempt: Attempt) -> Outcome {
        let limits = match self.limits_for(&attempt) {
            Ok(limits) => limits,
            Err(failure) => return Outcome::Failed(*failure),
        };
        // One that waited for half of its time is better off somewhere else.
        let wait = attempt.remaining() / 2;
        let place = self.sandbox.place(self.weight, limits.memory, wait).await;
        let Some(_place) = place else { return Outcome::HandedBack };
        let jobs = self.context(&attempt, limits, None);
        match self.sandbox.store(jobs.clone(), attempt.remaining(), &Input::default()) {
            Ok(mut store) => self.run(&mut store, &attempt, &jobs).await.0,
            Err(error) => self.bury(Death::Host(format!("{error:#}")), jobs.log()),
        }
    }

    /// What this attempt may use: less than others, where its job asks for less.
    fn limits_for(&self, attempt: &Attempt) -> Result<Limits, Box<Failure>> {
        let headers = &attempt.job().headers;
        let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        // Whoever asks for a limit wants it kept.
        let failure = |why| Failure::new(why).code("bad-limit").reject();
        let unkept = |why| Box::new(self.identity.own(failure(why)));
        self.limits.lowered_by(headers).map_err(unkept)
    }

    /// Calls the guest and judges what it answers; with the error, where it did not answer.
    async fn run(
        &self,
        store: &mut Store<Guest>,
        attempt: &Attempt,
        jobs: &JobsCtx,
    ) -> (Outcome, Option<wasmtime::Error>) {
        let (log, limits) = (jobs.log(), jobs.limits());
        let job = jobs::job(attempt.job(), self.grants.name_of(&attempt.job().queue));
        let called = self.call(store, &job);
        let ended = Sandbox::in_time(attempt.remaining(), called).await;
        log.finish();
        // Where the database is slow, what the guest died of is worth more than its last report.
        let _ = Sandbox::in_time(attempt.remaining(), jobs.write_notes()).await;
        let (outcome, error) = match ended {
            Some(Ok(answer)) => (judge(answer, log, limits), None),
            Some(Err(Ended { error, unborn })) => {
                let scene = scene(attempt, log, limits);
                let scene = Scene { unborn, refusal: store.data().refusal(), ..scene };
                (self.bury(Death::of(&error, scene), log), Some(error))
            }
            None => (self.bury(Death::timed_out(scene(attempt, log, limits)), log), None),
        };
        (self.identity.testify(outcome, store.data(), log), error)
    }

    fn context(&self, attempt: &Attempt, limits: Limits, rehearsal: Option<Rehearsal>) -> JobsCtx {
        let builder = JobsCtx::builder()
            .guest(self.name.clone())
            .grants(self.grants.clone())
            .attempt(attempt.clone())
            .rehearsal(rehearsal)
            .limits(limits);
        match &self.sink {
            Some(sink) => builder.log(sink.clone()).build(),
            None => builder.build(),
        }
    }

    async fn call(&self, store: &mut Store<Guest>, job: &types::Job) -> Result<Answer, Ended> {
        let instance = self.pre.instantiate_async(&mut *store).await;
        let instance = instance.map_err(|error| Ended { error, unborn: true })?;
        let answer = instance.mongoqueue_jobs_handler().call_handle(store, job).await;
        answer.map_err(|error| Ended { error, unborn: false })
    }

    fn bury(&self, death: Death, log: &JobLog) -> Outcome {
        let (outcome, ours) = death.outcome(HOST_FAULT_PAUSE);
        if let Some(why) = ours {
            log.host(&format!("this host could not run the component: {why}"));
        }
        outcome
    }
}

type Answer = Result<Option<types::Payload>, types::Failure>;

/// A guest that did not answer.
struct Ended {
    error: wasmtime::Error,
    unborn: bool,
}

/// What the guest's own answer means.
fn judge(answer: Answer, log: &JobLog, limits: &Limits) -> Outcome {
    let output = match answer.map_err(failure_from_guest) {
        Ok(output) => output,
        Err(Ok(failure)) => {
            return Outcome::Failed(Failure { stderr: log.stderr_tail(), ..failure });
        }
        Err(Err(delay)) => return Outcome::Released { delay },
    };
    let Some(types::Payload { content_type, data }) = output else {
        return Outcome::Completed(None);
    };
    let limit = limits.output_bytes;
    if data.len() > limit {
        let message = format!("its output has {} bytes, the limit is {limit}", data.len());
        return Outcome::Failed(Failure::of_kind("limit:output", message));
    }
    let output = jobs::check_content_type(&content_type).map_err(str::to_owned);
    let output = output
        .and_then(|()| Payload::from_wire(&content_type, data).map_err(|error| error.to_string()));
    match output {
        Ok(output) => Outcome::Completed(Some(output)),
        Err(why) => {
            let message = format!("its output can't be kept: {why}");
            Outcome::Failed(Failure::new(message).code("bad-output"))
        }
    }
}

fn scene<'a>(attempt: &Attempt, log: &JobLog, limits: &'a Limits) -> Scene<'a> {
    let time = attempt.job().timeout;
    Scene { limits, refusal: None, stderr: log.stderr_tail(), time, unborn: false }
}
