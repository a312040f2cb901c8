//! A private server: a replica set of one on 127.0.0.1.

mod launch;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use self::launch::{Home, LISTENS, free_port};
use crate::admin::HOST;
use crate::process::{Launch, Process};
use crate::{Error, Program, log, primary};

/// Ports that are tried when another process is quicker. One clash is rare, five are no chance.
const PORTS: u32 = 5;
/// How long a server may take to listen. New data takes a fifth of a second, the recovery after a
/// crash some seconds.
const LISTEN_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a clean end may take before it becomes a kill. Usual is half a second.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);
/// How often a start or a stop is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// Where a server keeps its data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Data {
    /// In a new folder inside this one, which is removed in the end.
    Temporary(PathBuf),
    /// In this folder, made when needed. Data that is there already is used.
    Kept(PathBuf),
}

/// How a server is started.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Options {
    /// The port on 127.0.0.1. Default: one that is free.
    pub port: Option<u16>,
    /// Memory for the server's cache, in GiB, at least 0.25. Default 0.5: enough for the indexes
    /// of millions of waiting jobs; mongod's own default is half of the machine's memory.
    pub cache_gib: f64,
    /// Whether the server forgets old snapshots at once, rather than after five minutes: it writes
    /// less, and nobody can read at a past time. Default: no.
    pub forgets: bool,
    /// Whether `configureFailPoint` and its like are allowed, for tests. Default: no.
    pub test_commands: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options { port: None, cache_gib: 0.5, forgets: false, test_commands: false }
    }
}

/// A server of one's own. It ends when this value is dropped (at once: its data, unless temporary,
/// is as after a power failure, with all that was acknowledged at majority), and when the process
/// that holds it ends in whatever way: a static that is never dropped leaves nothing behind.
///
/// The value is bound to no async runtime: it may outlive the one that it was started on.
#[derive(Debug)]
pub struct Mongod {
    // Dropped in this order: the process ends before its folder goes.
    process: Option<Process>,
    launch: Launch,
    port: u16,
    set: Option<String>,
    home: Home,
}

impl Mongod {
    /// Starts a server and waits until it takes writes. A free port that another process takes in
    /// that moment is replaced by another.
    ///
    /// # Errors
    /// [`Error::Ended`] and [`Error::NotReady`] with the end of the server's log,
    /// [`Error::PortTaken`] if the port was given, [`Error::DataInUse`].
    pub async fn start(program: &Program, data: Data, options: Options) -> Result<Mongod, Error> {
        let mut mongod = Mongod::listening(program, data, options).await?;
        primary::alone(&mut mongod).await?;
        Ok(mongod)
    }

    /// The URI that drivers connect to.
    pub fn uri(&self) -> String {
        match &self.set {
            Some(members) => uri(members),
            None => uri(&format!("{HOST}:{}", self.port)),
        }
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process id; `None` while it is not running by our own doing.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    /// Whether the process is there, be it frozen; false once it has ended by whatever cause.
    pub fn is_running(&mut self) -> bool {
        self.process.is_some() && self.check().is_ok()
    }

    /// The server's log: lines of JSON.
    pub fn log(&self) -> PathBuf {
        self.launch.log.clone()
    }

    /// Ends the server the clean way, with a checkpoint. Takes about half a second; after 30 s it
    /// is killed.
    ///
    /// # Errors
    /// [`Error::Io`] if the process can't be signalled.
    pub async fn stop(mut self) -> Result<(), Error> {
        self.signal("TERM")?;
        let begun = Instant::now();
        while begun.elapsed() < STOP_TIMEOUT && self.check().is_ok() {
            tokio::time::sleep(LOOK).await;
        }
        self.kill()
    }

    /// Kills the server, as `kill -9` does; the data stays for [`restart`](Self::restart).
    ///
    /// # Errors
    /// [`Error::Io`] if the process can't be killed.
    pub fn kill(&mut self) -> Result<(), Error> {
        match self.process.take() {
            Some(mut process) => process.kill().map_err(Error::io("killing mongod")),
            None => Ok(()),
        }
    }

    /// Starts the server again, with the same data on the same port, killing it first if it runs;
    /// waits until it is a primary, or a secondary in a [`ReplicaSet`](crate::ReplicaSet).
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn restart(&mut self) -> Result<(), Error> {
        self.kill()?;
        self.listen().await?;
        match self.set {
            Some(_) => primary::member(self).await,
            None => primary::alone(self).await,
        }
    }

    /// Stops the process where it is (SIGSTOP): connections stay open and nobody answers.
    ///
    /// # Errors
    /// [`Error::Io`] if the process can't be signalled.
    pub fn freeze(&mut self) -> Result<(), Error> {
        self.signal("STOP")
    }

    /// Lets a frozen process go on (SIGCONT).
    ///
    /// # Errors
    /// [`Error::Io`] if the process can't be signalled.
    pub fn thaw(&mut self) -> Result<(), Error> {
        self.signal("CONT")
    }

    /// A server that listens and belongs to no set yet, unless its data does.
    pub(crate) async fn listening(
        program: &Program,
        data: Data,
        options: Options,
    ) -> Result<Mongod, Error> {
        let home = Home::enter(data)?;
        let port = options.port.map_or_else(free_port, Ok)?;
        let launch = launch::launch(program, &home, port, &options);
        let mut mongod = Mongod { process: None, launch, port, set: None, home };
        let mut tries = 1..PORTS;
        loop {
            match mongod.listen().await {
                Ok(()) => return Ok(mongod),
                Err(Error::PortTaken(_)) if options.port.is_none() && tries.next().is_some() => {
                    mongod.port = free_port()?;
                    mongod.launch = launch::launch(program, &mongod.home, mongod.port, &options);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Names the set that the server has become a member of.
    pub(crate) fn joined(&mut self, members: &str) {
        self.set = Some(members.to_owned());
    }

    /// An error if the server has ended.
    pub(crate) fn check(&mut self) -> Result<(), Error> {
        let Some(process) = &mut self.process else {
            return Ok(());
        };
        match process.ended().map_err(Error::io("waiting for mongod"))? {
            None => Ok(()),
            Some(status) => Err(launch::why_ended(&self.launch, self.port, status)),
        }
    }

    pub(crate) fn not_ready(&self, waited: Duration) -> Error {
        let log = self.launch.log.clone();
        Error::NotReady { waited, tail: log::tail(&log), log }
    }

    /// Starts the process and waits until it listens. Its log says so: to ask the port could reach
    /// a stranger.
    async fn listen(&mut self) -> Result<(), Error> {
        let program = self.launch.program.display();
        let process = self.launch.start().map_err(Error::io(format!("starting {program}")))?;
        self.process = Some(process);
        let begun = Instant::now();
        while !log::says(&self.launch.log, LISTENS) {
            self.check()?;
            if begun.elapsed() > LISTEN_TIMEOUT {
                return Err(self.not_ready(LISTEN_TIMEOUT));
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    fn signal(&mut self, name: &str) -> Result<(), Error> {
        match &mut self.process {
            Some(process) => {
                process.signal(name).map_err(Error::io(format!("sending mongod a {name}")))
            }
            None => Ok(()),
        }
    }
}

/// The URI of a set, given its members as `host:port`, with commas between.
pub(crate) fn uri(members: &str) -> String {
    format!("mongodb://{members}/?replicaSet={}", primary::SET_NAME)
}
