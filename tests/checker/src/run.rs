//! One run: servers, processes, faults; then everything heals, and what is left is done and read.
//!
//! - [`Setting`]: what a run is;
//! - [`stage`]: all that has to be there before it begins.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bson::{Document, doc};
use futures_util::future::try_join_all;
use mongodb::Collection;
use tokio::time::Instant;

use crate::chance::Chance;
use crate::cluster::Topology;
use crate::faults::{Fault, Kind, Planned, World, schedule};
use crate::history::{Event, Phase};
use crate::roles::work::Draft;
use crate::roles::{CALM, Role};

mod stage;

use stage::Stage;

/// What a run is.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    /// How long faults are made.
    pub(crate) length: Duration,
    /// How many jobs are put in this time.
    pub(crate) jobs: u64,
    pub(crate) seed: u64,
    pub(crate) faults: Vec<Fault>,
    pub(crate) topology: Topology,
    /// The safeguard that is taken out.
    pub(crate) broken: Option<String>,
    /// Where the history goes.
    pub(crate) folder: PathBuf,
    /// Whether a small disk can be mounted.
    pub(crate) disk: bool,
    /// The command line that repeats it.
    pub(crate) command: String,
}

/// How long it may go without a job being done when everything is healed: more than the minute
/// after which a server ends a transaction whose client is gone, and some.
const DRAIN: Duration = Duration::from_secs(120);
/// How long a process may take to end when everything is well.
const END: Duration = Duration::from_secs(40);
/// How often it is looked whether all is done.
const LOOK: Duration = Duration::from_millis(200);
/// Jobs of the calm phase.
const CALM_JOBS: usize = 60;

/// Runs it; the history is in its folder then. `tell` hears how far it is.
///
/// # Errors
/// When it could not be run as it should.
pub(crate) async fn run(setting: &Setting, tell: impl Fn(&str)) -> Result<()> {
    tell(&format!("starting {} and the processes", nodes(setting.topology)));
    let mut stage = Stage::set(setting).await?;
    let plan = schedule(setting.seed, &setting.faults, setting.length);
    let seconds = setting.length.as_secs();
    tell(&format!("{seconds} s, {} jobs, {} faults", setting.jobs, plan.len()));
    suffer(&stage.world, &plan, setting.length).await?;
    tell("healed; the rest of the jobs is done");
    heal(&stage.world).await?;
    drain(&mut stage, setting).await?;
    tell("the end is read");
    let names = stage.world.crew.names(&ROLES).await;
    for name in &names {
        stage.world.crew.signal(name, "TERM").await?;
    }
    for name in &names {
        // One that doesn't end when all is well will be missed by nobody but here.
        if stage.world.crew.ended(name, END).await?.is_none() {
            bail!("{name} didn't end within {} s of its SIGTERM", END.as_secs());
        }
    }
    stage.watch.finish().await.context("reading the server's account")?;
    stage.world.cluster.keep_logs(&setting.folder).await.context("keeping the nodes' logs")?;
    stage.world.recorder.record(Event::Ended { clean: true }).context("ending the history")
}

/// Those that are told to end; the producer has ended by then.
const ROLES: [Role; 3] = [Role::Worker, Role::WasmWorker, Role::Puller];

fn nodes(topology: Topology) -> &'static str {
    match topology {
        Topology::Single => "one node",
        Topology::Three => "three nodes",
    }
}

/// Makes what is planned, the kinds beside each other.
async fn suffer(world: &World, plan: &[Planned], length: Duration) -> Result<()> {
    let begun = Instant::now();
    let kinds = Kind::ALL.map(|kind| {
        let plan = plan.iter().filter(move |planned| planned.fault.kind() == kind);
        async move {
            for planned in plan {
                tokio::time::sleep_until(begun + planned.at).await;
                // One that had to wait for its predecessor's healing may be too late.
                if begun.elapsed() > length {
                    break;
                }
                world.suffer(planned).await?;
            }
            anyhow::Ok(())
        }
    });
    let watching = async {
        loop {
            tokio::time::sleep(LOOK * 5).await;
            if let Err(error) = world.crew.check().await {
                break error;
            }
        }
    };
    let suffering = async {
        try_join_all(kinds).await?;
        tokio::time::sleep_until(begun + length).await;
        anyhow::Ok(())
    };
    tokio::select! {
        suffered = suffering => suffered,
        error = watching => Err(error),
    }
}

/// Every fault has ended by itself; this waits until it shows.
async fn heal(world: &World) -> Result<()> {
    world.cluster.succeed().await?;
    world.cluster.whole().await
}

async fn drain(stage: &mut Stage, setting: &Setting) -> Result<()> {
    stage.world.recorder.record(Event::Drain { phase: Phase::Begin })?;
    calm(stage, setting).await?;
    // As long as there are ever fewer, nobody is stuck: there were many.
    let (mut progress, mut fewest) = (Instant::now(), u64::MAX);
    let world = &stage.world;
    let jobs: Collection<Document> = world.database.collection("jobs");
    let unfinished = doc! { "state": { "$in": ["ready", "running"] } };
    loop {
        world.crew.check().await?;
        let left = jobs.count_documents(unfinished.clone()).await;
        if matches!(left, Ok(0)) && world.crew.is_done(PRODUCER).await? {
            break;
        }
        if let Ok(left) = left
            && left < fewest
        {
            (progress, fewest) = (Instant::now(), left);
        }
        if progress.elapsed() > DRAIN {
            note_transactions(world).await;
            break;
        }
        // A look reads the whole collection.
        tokio::time::sleep(LOOK * 20).await;
    }
    if !world.crew.is_done(PRODUCER).await? {
        world.crew.signal(PRODUCER, "TERM").await?;
    }
    world.crew.ended(PRODUCER, END).await?;
    world.recorder.record(Event::Drain { phase: Phase::End })?;
    Ok(())
}

/// For whoever wonders what was in the way.
async fn note_transactions(world: &World) {
    let open = world.cluster.transactions().await.unwrap_or_default();
    for open in open {
        let text = format!("an open transaction: {open}");
        let _ = world.recorder.record(Event::Note { text, job: None });
    }
}

/// The process that puts.
const PRODUCER: &str = "producer-1";

/// One consumer empties a queue that nobody else knows.
async fn calm(stage: &mut Stage, setting: &Setting) -> Result<()> {
    let mut chance = Chance::new(setting.seed, CALM);
    let drafts: Vec<Draft> = (0..CALM_JOBS)
        .map(|n| Draft::calm(format!("{CALM}-{n}"), &mut chance))
        .collect::<Result<_, _>>()?;
    for some in drafts.chunks(CALM_JOBS / 4) {
        stage.world.putter.put(some.to_vec()).await;
    }
    stage.watch.mark(&Event::calm_mark(Phase::Begin, CALM)).await?;
    let calm = |phase| Event::Calm { phase, queue: CALM.to_owned() };
    stage.world.recorder.record(calm(Phase::Begin))?;
    let name = "calm-1";
    stage.world.crew.hire(stage.part(Role::CalmPuller, name)).await?;
    let ended = stage.world.crew.ended(name, END).await?;
    ended.context("the consumer of the calm phase didn't end")?;
    stage.world.recorder.record(calm(Phase::End))?;
    stage.watch.mark(&Event::calm_mark(Phase::End, CALM)).await
}

/// The folder of a run, which is new.
pub(crate) fn new_folder(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder)
        .with_context(|| format!("making the folder {}", folder.display()))?;
    let mut inside = std::fs::read_dir(folder)?;
    if inside.next().is_some() {
        bail!("{} is not empty: a run wants a folder of its own", folder.display());
    }
    Ok(())
}
