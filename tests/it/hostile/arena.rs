//! Where the attacks are made: one worker, one sandbox, and what is looked at before and after.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use mongoqueue::{
    Attempt, Error, Handler, HandlerFuture, Job, Outcome, Queue, State, Worker, WorkerEvent,
    WorkerOptions,
};
use mongoqueue_tests::{Running, Stage, built, eventually};
use mongoqueue_wasmtime::{
    Compiler, ComponentHandler, ComponentSource, Grants, HostLimits, LoadError, LogSink, Sandbox,
    SandboxOptions,
};
use serde_json::{Value, json};

use super::attack::{Attack, End, Guest};
use super::witnesses::{SECRET, Witnesses, neighbour};
use super::{marks, shown, stored};
use crate::sandbox::{sandbox, source};

const HOUR: Duration = Duration::from_secs(3_600);
/// The time of an attempt that has to be cut off.
const BRIEF: Duration = Duration::from_millis(300);
/// Says which attack a job is, to the handler that has one for each.
const HEADER: &str = "attack";
/// A job that does no harm, to show that the worker still can.
const NONE: &str = "none";
/// Longer words than these are nobody's to read.
const WORDS: usize = 8 << 10;

/// What guests said: whether the host said it about them, and the text.
type Said = Arc<Mutex<Vec<(mongoqueue_wasmtime::Source, String)>>>;

/// All attackers, each the handler of its own jobs.
struct Attackers(BTreeMap<String, ComponentHandler>);

impl Handler for Attackers {
    fn handle(&self, attempt: Attempt) -> HandlerFuture<'_> {
        let name = attempt.job().headers.iter().find(|(name, _)| name == HEADER);
        match name.and_then(|(_, attack)| self.0.get(attack)) {
            Some(handler) => handler.handle(attempt),
            None => Box::pin(async { Outcome::HandedBack }),
        }
    }
}

struct Arena {
    stage: Stage,
    queue: Queue,
    next: Queue,
    own: Queue,
    witnesses: Witnesses,
    worker: Running,
    said: Said,
    secrets: Vec<String>,
}

pub(super) async fn run(attacks: &[Attack]) -> Result<()> {
    let mut wrong = Vec::new();
    let mut arena = Arena::new(attacks, &mut wrong).await?;
    // The first time caches fill: the pool's slots, connections, symbols for backtraces.
    arena.all(attacks, &mut wrong).await?;
    let before = marks::Marks::take()?;
    arena.all(attacks, &mut wrong).await?;
    marks::back_to(&before).await?;
    ensure!(wrong.is_empty(), "{} of the attacks:\n{}", wrong.len(), wrong.join("\n"));
    shown::to_people(&arena.stage, &arena.queue).await?;
    arena.worker.stop().await?;
    arena.stage.end().await
}

impl Arena {
    async fn new(attacks: &[Attack], wrong: &mut Vec<String>) -> Result<Self> {
        let stage = Stage::new().await?;
        let [queue, next, own] = [
            stage.mq.queue("arena")?,
            stage.mq.queue("granted-next")?,
            stage.mq.queue("granted-own")?,
        ];
        let said = Said::default();
        let sink: LogSink = {
            let said = said.clone();
            Arc::new(move |line| {
                let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
                said.push((line.source, line.text.to_owned()));
            })
        };
        let grants = Grants::default().queue("next", next.clone()).consume("own", own.clone());
        let rust = ComponentHandler::load(sandbox()?, source("hostile")?, grants.clone())?;
        let rust = rust.with_log(sink.clone());
        let mut attackers = BTreeMap::from([(NONE.to_owned(), rust.clone())]);
        let run = |attack: &&Attack| !matches!(attack.end, End::Refused(_));
        for attack in attacks.iter().filter(run) {
            match loaded(attack, &rust, grants.clone()) {
                Ok(handler) => {
                    attackers.insert(attack.name.to_owned(), handler.with_log(sink.clone()));
                }
                Err(error) => wrong.push(format!("{} is not loaded: {error:#}", attack.name)),
            }
        }
        let witnesses = Witnesses::call(&stage).await?;
        let options = WorkerOptions { slots: 2, prefetch: 0, ..WorkerOptions::default() };
        let worker = Worker::new(&stage.mq, options).serve(queue.clone(), Attackers(attackers));
        let worker = Running::start(worker);
        let secrets = secrets(&stage)?;
        Ok(Self { stage, queue, next, own, witnesses, worker, said, secrets })
    }

    async fn all(&mut self, attacks: &[Attack], wrong: &mut Vec<String>) -> Result<()> {
        for attack in attacks {
            let seen = match attack.end {
                End::Refused(why) => refused(attack, why),
                _ => self.attack(attack).await,
            };
            if let Err(error) = seen {
                wrong.push(format!("{}: {error:#}", attack.name));
            }
            if let Err(error) = self.as_good_as_new().await {
                wrong.push(format!("after {}: {error:#}", attack.name));
                bail!("the worker is not what it was:\n{}", wrong.join("\n"));
            }
        }
        Ok(())
    }

    async fn attack(&mut self, attack: &Attack) -> Result<()> {
        let claims = attack.name.starts_with("lease");
        let mut ids = self.witnesses.ids.clone();
        if claims {
            for n in 0..5 {
                self.own.put(json!({ "n": n })).await?;
            }
        }
        if attack.name == "look-at-neighbour" {
            ids = vec![neighbour(&self.stage, &self.next).await?];
        }
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let time = if attack.end == End::Dies("timeout") { BRIEF } else { HOUR };
        let job = self.job(attack.name, json!({ "attack": attack.name, "ids": ids }), time).await?;
        let judged = self.judge(attack, &job).await;
        if claims {
            self.own_is_given_back().await?;
        }
        for queue in [&self.next, &self.own] {
            self.clear(queue).await?;
        }
        judged
    }

    /// Puts a job, and waits for its end.
    async fn job(&mut self, attack: &str, payload: Value, time: Duration) -> Result<Job> {
        let put = self.queue.put(payload).header(HEADER, attack).max_attempts(1).timeout(time);
        let id = put.retain(HOUR).await?.id;
        let ended = |event: &WorkerEvent| match event {
            WorkerEvent::Finished { id: of, .. } if *of == id => Some(()),
            _ => None,
        };
        self.worker.events.until(attack, ended).await?;
        Ok(self.queue.get(&id).await?)
    }

    async fn judge(&self, attack: &Attack, job: &Job) -> Result<()> {
        let record = job.last_error();
        let seen = match (job.state, record) {
            (State::Completed, None) => "completes".to_owned(),
            (State::Dead, Some(record)) => match (&*record.kind, &record.code) {
                ("failure", Some(code)) => format!("told {code}"),
                (kind, _) => format!("dies of {kind}"),
            },
            (state, _) => bail!("it is {state:?}: {:?}", job.errors),
        };
        let output = job.output.as_ref().map(mongoqueue::Payload::to_json).unwrap_or_default();
        let shows = || format!("{seen}: {record:?} {}", shortened(&output.to_string()));
        match attack.end {
            End::Dies(kind) => ensure!(seen == format!("dies of {kind}"), shows()),
            End::Told(super::queues::ESCAPES) => ensure!(seen.contains("innocent"), shows()),
            End::Told(super::queues::LONG) => ensure!(seen.ends_with("ccc…"), shows()),
            End::Told(code) => ensure!(seen == format!("told {code}"), shows()),
            End::ToldEach(code) => {
                let answers = output.as_array().with_context(shows)?;
                let same = answers.iter().all(|answer| answer == code);
                ensure!(answers.len() > 2 || attack.name == "id-of-its-own", shows());
                ensure!(same, shows());
            }
            End::Completes => {
                ensure!(seen == "completes", shows());
                stored::check(attack.name, &output, &self.next).await?;
            }
            End::Refused(_) => bail!("it was run"),
        }
        self.tells_nothing(job)?;
        self.said_nothing_bad(attack.name)
    }

    /// Neither what the guest was told nor what is told of it has a name that it may not know.
    fn tells_nothing(&self, job: &Job) -> Result<()> {
        let output = job.output.as_ref().map(|output| output.to_json().to_string());
        let mut words = vec![output.unwrap_or_default()];
        for record in &job.errors {
            words.extend([record.message.clone(), record.code.clone().unwrap_or_default()]);
        }
        words.extend(job.progress.iter().filter_map(|progress| progress.note.clone()));
        for words in &words {
            let secret = self.secrets.iter().find(|secret| words.contains(*secret));
            ensure!(secret.is_none(), "{secret:?} is told: {}", shortened(words));
            ensure!(words.len() <= WORDS, "{} bytes", words.len());
        }
        Ok(())
    }

    /// Lines of the log are lines, and the host's are the host's.
    fn said_nothing_bad(&self, attack: &str) -> Result<()> {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let strange = |c: char| c.is_control() && c != '\t';
        for (source, text) in said.iter() {
            ensure!(!text.contains(strange), "{source:?}: {text:?}");
            let host = *source == mongoqueue_wasmtime::Source::Host;
            ensure!(!host || text.starts_with("the limit of this attempt's log"), "{text}");
        }
        let bytes: usize = said.iter().map(|(_, text)| text.len()).sum();
        ensure!(said.len() <= 1_001 && bytes <= 70 << 10, "{} lines, {bytes} bytes", said.len());
        if attack == "lines-faked" {
            let own = mongoqueue_wasmtime::Source::Log;
            ensure!(said.len() == 3 && said.iter().all(|(source, _)| *source == own), "{said:?}");
        }
        Ok(())
    }

    /// The jobs that it claimed are there for others, as if nobody had claimed them.
    async fn own_is_given_back(&self) -> Result<()> {
        let all = mongoqueue::ListOptions::default();
        eventually("what was claimed is given back", async || {
            let jobs = self.own.list(&all).await?;
            let fresh = |job: &Job| job.state == State::Ready && job.attempts == 0;
            Ok((jobs.len() == 5 && jobs.iter().all(fresh)).then_some(()))
        })
        .await
    }

    async fn clear(&self, queue: &Queue) -> Result<()> {
        let cleared = eventually("a queue is cleared", async || match queue.clear().await {
            Err(Error::Contended { .. }) => Ok(None),
            cleared => Ok(Some(cleared?)),
        });
        cleared.await.map(drop)
    }

    /// The worker works, and nobody else has noticed anything.
    async fn as_good_as_new(&mut self) -> Result<()> {
        let job = self.job(NONE, json!({ "attack": NONE }), HOUR).await?;
        let output = job.output.as_ref().map(mongoqueue::Payload::to_json);
        ensure!(output == Some(json!("as asked")), "{job:#?}");
        ensure!(self.witnesses.untouched(&self.stage).await?, "a witness was touched");
        Ok(())
    }
}

/// The handler that makes this attack.
fn loaded(attack: &Attack, rust: &ComponentHandler, grants: Grants) -> Result<ComponentHandler> {
    let bytes = match &attack.guest {
        Guest::File(_) => bail!("files are not run"),
        Guest::Rust => return Ok(rust.clone()),
        Guest::RustIn(limits) => return Ok(rust.clone().with_limits(limits())),
        Guest::Core(core) => core.component()?,
        Guest::Component(make) => make()?,
    };
    Ok(ComponentHandler::load(sandbox()?, ComponentSource::bytes(attack.name, bytes), grants)?)
}

/// Where components come that are to be refused: compiled as the command line has it done, by a
/// process of its own with a budget.
fn gate(host: HostLimits) -> Result<Sandbox> {
    let compiler = Compiler::program(built::cli()?, ["compile-component"]);
    let options = SandboxOptions { host, compiler, instances: 1, ..SandboxOptions::default() };
    Ok(Sandbox::new(options)?)
}

/// One in which it shows soon that compiling has an end. What takes much of the one has the usual
/// amount of the other, so that neither comes first by chance.
fn budget(why: &str) -> HostLimits {
    let usual = HostLimits::default();
    match why {
        "CompileTime" => HostLimits { compile_time: Duration::from_secs(1), ..usual },
        "CompileMemory" => HostLimits { compile_memory: 256 << 20, ..usual },
        _ => usual,
    }
}

/// Loads it, which must not be.
fn refused(attack: &Attack, why: &str) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let source = match &attack.guest {
        Guest::Component(make) => ComponentSource::bytes(attack.name, make()?),
        Guest::Core(core) => ComponentSource::bytes(attack.name, core.component()?),
        Guest::File(write) => {
            let path = folder.path().join(attack.name);
            write(&path)?;
            ComponentSource::file(path)
        }
        Guest::Rust | Guest::RustIn(_) => bail!("it can be loaded"),
    };
    let Err(error) = ComponentHandler::load(&gate(budget(why))?, source, Grants::default()) else {
        bail!("it was loaded")
    };
    let ours = matches!(error, LoadError::CompilerFailed { .. });
    ensure!(!ours, "the compiler failed: {}", shortened(&error.to_string()));
    let named = format!("{error:?}");
    let variant = named.split([' ', '{']).next().unwrap_or_default();
    let words = error.to_string();
    ensure!(variant == why, "{variant}: {}", shortened(&words));
    ensure!(words.len() <= WORDS, "{} bytes of words", words.len());
    ensure!(!words.contains(|c: char| c.is_control() && c != '\n'), "{words:?}");
    Ok(())
}

fn shortened(text: &str) -> String {
    text.chars().take(1_000).collect()
}

/// What guests must not learn, as far as it has a name.
fn secrets(stage: &Stage) -> Result<Vec<String>> {
    let host = stage.uri().split("://").nth(1).and_then(|rest| rest.split(['/', '?']).next());
    let machine = fs::read_to_string("/proc/sys/kernel/hostname")?;
    let mut secrets: BTreeSet<String> = [
        host.context("no host in the URI")?,
        stage.database.name(),
        "jobs.leases",
        "consumer-1",
        SECRET,
        machine.trim(),
        env!("CARGO_MANIFEST_DIR"),
        "granted-",
    ]
    .map(str::to_owned)
    .into();
    secrets.remove("");
    Ok(secrets.into_iter().collect())
}
