//! All that has to be there before a run begins: servers, collections, components, processes.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use mongodb::Client;
use mongoqueue::{ConnectOptions, MongoQueue};
use mongoqueue_mongod::Places;
use mongoqueue_tests::{built, server as servers};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::Setting;
use crate::cluster::{Cluster, SmallDisk, Topology};
use crate::crew::Crew;
use crate::faults::World;
use crate::history::{Event, Recorder, Run};
use crate::roles::producer::Putter;
use crate::roles::{DATABASE, GUESTS, Guests, Part, Role, load};
use crate::server::Watch;

/// This process, in its own history and to the servers.
const ME: &str = "checker";

/// Long enough to be kept by a process that has its turn, short enough to be lost often.
const LEASE: Duration = Duration::from_millis(2_000);

/// Everything of one run. Dropped, all of it ends.
pub(super) struct Stage {
    pub(super) world: World,
    pub(super) watch: Watch,
    template: Part,
    // The disk's mount is gone before its folder.
    _places: [TempDir; 2],
}

/// Who is there: producers, workers and pullers.
const CREW: [(Role, &str); 5] = [
    (Role::Producer, super::PRODUCER),
    (Role::Worker, "worker-1"),
    (Role::Worker, "worker-2"),
    (Role::WasmWorker, "wasm-1"),
    (Role::Puller, "puller-1"),
];

impl Stage {
    pub(super) async fn set(setting: &Setting) -> Result<Self> {
        let recorder = Recorder::open(&setting.folder, ME).context("opening the history")?;
        began(setting, &recorder)?;
        let temp = Places::from_env()?.temp;
        let place = |prefix| {
            let private = Permissions::from_mode(0o700);
            tempfile::Builder::new().prefix(prefix).permissions(private).tempdir_in(&temp)
        };
        let places = [place("checker-disk-")?, place("checker-compiled-")?];
        let [small, compiled] = &places;
        let cache = compiled.path().to_owned();
        let guests = tokio::task::spawn_blocking(move || build(cache));
        let disk = setting.disk.then(|| SmallDisk::mount(small.path())).transpose()?;
        let program = servers::program().await?;
        let cluster = Cluster::start(program, setting.topology, &temp, disk).await;
        let cluster = cluster.context("starting the servers")?;
        let uri = cluster.uri(ME);
        let mq = MongoQueue::init(&uri, options()).await.context("setting up the queue")?;
        let watch = Watch::open(&uri, DATABASE, "jobs", &setting.folder).await?;
        let database = Client::with_uri_str(&uri).await?.database(DATABASE);
        let guests = guests.await??;
        // A worker that starts finds them compiled.
        load(guests.clone(), &mq).await?;
        let world = World {
            cluster: Arc::new(cluster),
            crew: Arc::new(Crew::new()),
            putter: Putter::new(mq, recorder.clone(), CancellationToken::new()),
            recorder,
            database,
            lease: LEASE,
        };
        let template = template(setting, guests);
        let stage = Self { world, watch, template, _places: places };
        for (role, name) in CREW {
            stage.world.crew.hire(stage.part(role, name)).await?;
        }
        Ok(stage)
    }

    /// What a process of that role and name is told.
    pub(super) fn part(&self, role: Role, name: &str) -> Part {
        let mut part = self.template.clone();
        (part.role, part.name) = (role, name.to_owned());
        part.uri = self.world.cluster.uri(name);
        part
    }
}

fn began(setting: &Setting, recorder: &Recorder) -> Result<()> {
    let queues = vec![GUESTS.to_owned(), crate::roles::CALM.to_owned()];
    let (role, consumer) = (ME.to_owned(), String::new());
    recorder.record(Event::Began { role, queues, consumer })?;
    let topology = match setting.topology {
        Topology::Single => "single",
        Topology::Three => "three",
    };
    recorder.record(Event::Run(Run {
        seed: setting.seed,
        command: setting.command.clone(),
        topology: topology.to_owned(),
        broken: setting.broken.clone(),
    }))?;
    Ok(())
}

fn options() -> ConnectOptions {
    ConnectOptions {
        database: Some(DATABASE.to_owned()),
        consumer: Some(ME.to_owned()),
        ..ConnectOptions::default()
    }
}

/// What all processes are told. A part of the time is for the last puts to come through.
fn template(setting: &Setting, guests: Guests) -> Part {
    let seconds = setting.length.as_secs_f64() * 0.95;
    Part {
        role: Role::Producer,
        name: String::new(),
        life: 0,
        uri: String::new(),
        folder: setting.folder.clone(),
        seed: setting.seed,
        broken: setting.broken.clone(),
        lease_ms: u64::try_from(LEASE.as_millis()).unwrap_or(u64::MAX),
        jobs: setting.jobs,
        rate: setting.jobs as f64 / seconds.max(1.0),
        guests: Some(guests),
    }
}

fn build(cache: PathBuf) -> Result<Guests> {
    let (resumable, misbehave) = (built::guest("resumable")?, built::guest("misbehave")?);
    Ok(Guests { resumable, misbehave, cache })
}
