//! One server of a user, in the background, shared by all commands.

mod keep;
mod room;

use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant, SystemTime};

use self::room::{Room, Turn};
use crate::admin::{Admin, HOST};
use crate::{Error, Mongod, Places, Program, Step, Version, find, log, mongod, process};

/// How long a keeper may take: to wait for the end of the one before, and to start a server.
const START_TIMEOUT: Duration = Duration::from_secs(120);
/// How long another command's turn is waited for: it may start a server.
const TURN_TIMEOUT: Duration = START_TIMEOUT;
/// How long a keeper may take to end before it is killed: a clean end of mongod, and some. Killed,
/// it is gone in an instant.
const STOP_TIMEOUT: Duration = Duration::from_secs(40);
/// How long a look at a server may take that answers. A stranger on its port may be mute.
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);
/// How often a start or a stop is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// The background server, as it was when it was found.
///
/// It is started by the first [`obtain`](Self::obtain), kept by a process of its own (the keeper,
/// whose body is [`keep`](Self::keep)), and ends when nobody has been connected for a while. Data,
/// logs and locks are in the folder `server` inside [`Places::data`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Server {
    /// The port on 127.0.0.1.
    pub port: u16,
    /// The process id of mongod.
    pub pid: u32,
    /// The process id of the keeper.
    pub keeper: u32,
    /// The version of MongoDB.
    pub version: Version,
    /// When it was started, to the second.
    pub since: SystemTime,
}

impl Server {
    /// The server, if it runs. Answers at once and starts nothing. What a
    /// killed keeper or a reboot left behind is not taken for a server.
    ///
    /// # Errors
    /// [`Error::Io`] if the folder can't be read.
    pub async fn find(places: &Places) -> Result<Option<Server>, Error> {
        Room::of(places).server().await
    }

    /// The server, started if it doesn't run. Two commands that ask at once get the same one.
    ///
    /// `keeper` is the command that calls [`keep`](Self::keep): usually this very program with a
    /// hidden subcommand. It is run detached, with its output in a log. A mongod is found, or
    /// fetched, before that, so that `tell` hears of it.
    ///
    /// # Errors
    /// Those of [`find`](crate::find()); [`Error::Keeper`] with the keeper's last words;
    /// [`Error::Busy`] if another command takes too long.
    pub async fn obtain(
        places: &Places,
        keeper: Command,
        tell: &mut (dyn FnMut(Step) + Send),
    ) -> Result<Server, Error> {
        let room = Room::of(places);
        if let Some(server) = room.server().await? {
            return Ok(server);
        }
        room.enter()?;
        let _turn = turn(&room, tell).await?;
        if let Some(server) = room.server_in_turn().await? {
            return Ok(server);
        }
        let Program { path, version, .. } = find(places, tell).await?;
        tell(Step::Starting { program: path, version });
        let child = room.spawn(keeper)?;
        started(&room, child).await
    }

    /// The body of the keeper: starts the server, and ends it when nobody but the keeper has been
    /// connected for the time `idle`, or on SIGTERM or SIGINT. Returns at once if there is a keeper
    /// already. However the keeper ends, the server ends with it.
    ///
    /// # Errors
    /// Those of [`find`](crate::find()) and [`Mongod::start`], and [`Error::Ended`] if mongod dies.
    pub async fn keep(places: &Places, idle: Duration) -> Result<(), Error> {
        keep::keep(places, idle).await
    }

    /// Ends the server the clean way and waits for it. Whether there was one.
    ///
    /// # Errors
    /// [`Error::Busy`] if it does not end, or another command takes too long to start it.
    pub async fn stop(places: &Places) -> Result<bool, Error> {
        let room = Room::of(places);
        if !room.exists() {
            return Ok(false);
        }
        let _turn = turn(&room, &mut |_| ()).await?;
        let begun = Instant::now();
        let mut asked = None;
        while room.keeping()?.is_none() {
            // A state that stands although its server is mute is the keeper's own: a keeper that
            // starts removes that of the one before, whose id may be somebody else's by now.
            let server = match begun.elapsed() > PROBE_TIMEOUT {
                false => room.server_in_turn().await?,
                true => room.state(),
            };
            let how = if begun.elapsed() > STOP_TIMEOUT { "KILL" } else { "TERM" };
            if let Some(server) = server
                && asked != Some((server.keeper, how))
            {
                asked = Some((server.keeper, how));
                // It may have ended in this moment.
                let _ = process::signal(server.keeper, how);
            }
            if begun.elapsed() > STOP_TIMEOUT + PROBE_TIMEOUT {
                return Err(Error::Busy(begun.elapsed()));
            }
            tokio::time::sleep(LOOK).await;
        }
        room.forget();
        Ok(asked.is_some())
    }

    /// The URI that drivers connect to.
    pub fn uri(&self) -> String {
        mongod::uri(&format!("{HOST}:{}", self.port))
    }

    /// How many connections there are but those of the keeper and of this crate.
    ///
    /// # Errors
    /// [`Error::Command`] if the server has gone.
    pub async fn clients(&self) -> Result<u64, Error> {
        Admin::new(self.port)?.clients().await
    }

    /// The folder with its data and logs.
    pub fn folder(places: &Places) -> PathBuf {
        Room::of(places).folder().to_owned()
    }

    fn of(mongod: &Mongod, program: &Program) -> Option<Server> {
        Some(Server {
            port: mongod.port(),
            pid: mongod.pid()?,
            keeper: std::process::id(),
            version: program.version,
            since: SystemTime::now(),
        })
    }

    /// Is it there, and is it the one that is meant? A port may have passed on to somebody else.
    async fn answers(&self) -> bool {
        let Ok(admin) = Admin::new(self.port) else {
            return false;
        };
        let status = tokio::time::timeout(PROBE_TIMEOUT, admin.status()).await;
        status.is_ok_and(|status| status.is_ok_and(|it| it.pid == Some(u64::from(self.pid))))
    }
}

/// Waits for the right to start or stop the server.
async fn turn(room: &Room, tell: &mut (dyn FnMut(Step) + Send)) -> Result<Turn, Error> {
    let begun = Instant::now();
    let mut told = false;
    loop {
        if let Some(turn) = room.turn()? {
            return Ok(turn);
        }
        if begun.elapsed() > TURN_TIMEOUT {
            return Err(Error::Busy(TURN_TIMEOUT));
        }
        if !told {
            tell(Step::Waiting);
            told = true;
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Waits until the keeper that was spawned has a server.
async fn started(room: &Room, mut keeper: Child) -> Result<Server, Error> {
    let begun = Instant::now();
    let failed = || Error::Keeper { tail: log::tail(&room.log()), log: room.log() };
    loop {
        if let Some(server) = room.server_in_turn().await? {
            return Ok(server);
        }
        let ended = keeper.try_wait().map_err(Error::io("waiting for the keeper"))?;
        if ended.is_some() || begun.elapsed() > START_TIMEOUT {
            return Err(failed());
        }
        tokio::time::sleep(LOOK).await;
    }
}
