//! What mongod is told when it is started, and what it says when it refuses.

use std::fs::{File, TryLockError};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::ExitStatus;

use tempfile::TempDir;

use super::{Data, Options};
use crate::admin::HOST;
use crate::places::private_folder;
use crate::process::Launch;
use crate::{Error, Program, log, primary};

/// In the log of a server that listens: the number of the message "Waiting for connections".
pub(super) const LISTENS: &str = r#""id":23016,"#;

/// Ports below those that systems lend to outgoing connections (32,768 and up on Linux): a client
/// that tries again and again to reach a dead server on one of those can end up connected to
/// itself, and then holds the port.
const FIRST_PORT: u16 = 20_000;
const LAST_PORT: u16 = 32_767;

/// The smallest cache that mongod accepts, in GiB.
const SMALLEST_CACHE: f64 = 0.25;

/// A data folder, held.
#[derive(Debug)]
pub(super) struct Home {
    pub(super) folder: PathBuf,
    // Locked while this value lives: whoever started here too would write over the log.
    _lock: File,
    temporary: Option<TempDir>,
}

impl Home {
    /// Makes the folder if needed.
    pub(super) fn enter(data: Data) -> Result<Home, Error> {
        let (folder, temporary) = match data {
            Data::Kept(folder) => (folder, None),
            Data::Temporary(within) => {
                let made = tempfile::Builder::new().prefix("mongoqueue-").tempdir_in(&within);
                let made =
                    made.map_err(Error::io(format!("making a folder in {}", within.display())))?;
                (made.path().to_owned(), Some(made))
            }
        };
        // Paths are handed to a process that works in another folder.
        let folder = std::path::absolute(&folder)
            .map_err(Error::io(format!("finding {}", folder.display())))?;
        private_folder(&folder.join("db"))?;
        let path = folder.join("lock");
        let lock = File::create(&path).map_err(Error::io(format!("making {}", path.display())))?;
        match lock.try_lock() {
            Ok(()) => Ok(Home { folder, _lock: lock, temporary }),
            Err(TryLockError::WouldBlock) => Err(Error::DataInUse(folder)),
            Err(TryLockError::Error(error)) => {
                Err(Error::io(format!("locking {}", path.display()))(error))
            }
        }
    }
}

/// The process that serves the data at home.
pub(super) fn launch(program: &Program, home: &Home, port: u16, options: &Options) -> Launch {
    let mut arguments: Vec<String> = [
        // In the working folder.
        "--dbpath=db",
        "--nounixsocket",
        // No line in the log for each connection.
        "--quiet",
        // In MB. The default is a twentieth of the disk; this is some millions of events, more
        // than a change stream or a restarted member misses.
        "--oplogSize=512",
        // The journal's files are 100 MB each by default, with two more made ahead.
        "--wiredTigerEngineConfigString=log=(prealloc=false,file_max=16MB)",
        // Metrics for MongoDB's support, up to 200 MB of them.
        "--setParameter=diagnosticDataCollectionEnabled=false",
    ]
    .map(str::to_owned)
    .to_vec();
    arguments.push(format!("--bind_ip={HOST}"));
    arguments.push(format!("--port={port}"));
    arguments.push(format!("--replSet={}", primary::SET_NAME));
    let cache = options.cache_gib.max(SMALLEST_CACHE);
    arguments.push(format!("--wiredTigerCacheSizeGB={cache}"));
    if options.forgets {
        arguments.push("--setParameter=minSnapshotHistoryWindowInSeconds=0".to_owned());
    }
    if options.test_commands {
        arguments.push("--setParameter=enableTestCommands=1".to_owned());
    }
    Launch {
        program: program.path.clone(),
        arguments,
        folder: home.folder.clone(),
        log: home.folder.join("mongod.log"),
        temporary: home.temporary.is_some(),
    }
}

/// The error of a server that has ended.
pub(super) fn why_ended(launch: &Launch, port: u16, status: ExitStatus) -> Error {
    let log = launch.log.clone();
    if log::says(&log, "Address already in use") {
        return Error::PortTaken(port);
    }
    if log::says(&log, "DBPathInUse") {
        return Error::DataInUse(launch.folder.clone());
    }
    Error::Ended { status: status.to_string(), tail: log::tail(&log), log }
}

/// A port of 127.0.0.1 that nobody listens on at this moment.
pub(super) fn free_port() -> Result<u16, Error> {
    /// Most are free: so many taken ones in a row mean that something else is wrong.
    const TRIES: u64 = 100;
    let span = u64::from(LAST_PORT - FIRST_PORT) + 1;
    let chance = RandomState::new();
    let mut last = FIRST_PORT;
    for count in 0..TRIES {
        let offset = chance.hash_one(count) % span;
        last = FIRST_PORT.saturating_add(u16::try_from(offset).unwrap_or_default());
        match TcpListener::bind((HOST, last)) {
            Ok(_) => return Ok(last),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            Err(error) => return Err(Error::io(format!("listening on {HOST}"))(error)),
        }
    }
    Err(Error::PortTaken(last))
}
