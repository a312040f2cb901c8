//! What is going on while a server is found, fetched and started.

use std::fmt;
use std::path::PathBuf;

use crate::program::Version;

/// One thing that begins or moves on. Its `Display` is a line for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// The path and the cache are searched for a mongod.
    Looking,
    /// A mongod was found that is of no use.
    Skipped {
        /// Where it is.
        program: PathBuf,
        /// Why it is not used.
        reason: String,
    },
    /// The download begins or has moved on; sent about ten times a second.
    Downloading {
        /// Bytes that are there.
        bytes: u64,
        /// Bytes that are to come in all.
        total: u64,
    },
    /// The digest of the download is computed.
    Verifying,
    /// The download is unpacked.
    Unpacking,
    /// Another command starts or stops the background server; it is waited for.
    Waiting,
    /// A server is started.
    Starting {
        /// The mongod.
        program: PathBuf,
        /// Its version.
        version: Version,
    },
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// Bytes in a megabyte, as download sizes are usually told.
        const MB: u64 = 1_000_000;
        match self {
            Step::Looking => f.write_str("looking for a mongod"),
            Step::Skipped { program, reason } => {
                write!(f, "passing over {}: {reason}", program.display())
            }
            Step::Downloading { bytes, total } => {
                write!(f, "downloading mongod: {} of {} MB", bytes / MB, total / MB)
            }
            Step::Verifying => f.write_str("verifying the download"),
            Step::Unpacking => f.write_str("unpacking mongod"),
            Step::Waiting => f.write_str("waiting for another command that starts or stops mongod"),
            Step::Starting { program, version } => {
                write!(f, "starting {} {version}", program.display())
            }
        }
    }
}
