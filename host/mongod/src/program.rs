//! A mongod that has said its version, and what is wrong with one that has not.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use std::{fmt, io};

use tokio::process::Command;

use crate::Error;

/// `mongod --version` takes well under a second, on a cold disk a few.
const VERSION_TIMEOUT: Duration = Duration::from_secs(30);

/// A mongod that runs on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Program {
    /// The executable, as an absolute path.
    pub path: PathBuf,
    /// What it said when asked.
    pub version: Version,
}

/// A version of MongoDB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Version {
    /// 6 in 6.0.5.
    pub major: u32,
    /// 0 in 6.0.5.
    pub minor: u32,
    /// 5 in 6.0.5.
    pub patch: u32,
}

impl Program {
    /// Asks the program for its version, which also shows that it runs.
    pub(crate) async fn ask(path: &Path) -> Result<Program, Error> {
        let fails = |reason: String| Error::DoesNotRun { program: path.to_owned(), reason };
        let asked =
            Command::new(path).arg("--version").stdin(Stdio::null()).kill_on_drop(true).output();
        let output = match tokio::time::timeout(VERSION_TIMEOUT, asked).await {
            Ok(Ok(output)) => output,
            Ok(Err(error)) => return Err(fails(cannot_start(&error))),
            Err(_) => return Err(fails(format!("no version after {VERSION_TIMEOUT:?}"))),
        };
        if let Some(version) = Version::parse(&String::from_utf8_lossy(&output.stdout)) {
            return Ok(Program { path: path.to_owned(), version });
        }
        let said = String::from_utf8_lossy(&output.stderr);
        if let Some(library) = missing_library(&said) {
            return Err(Error::MissingLibrary {
                program: path.to_owned(),
                library: library.to_owned(),
                package: package_of(library),
            });
        }
        Err(fails(why(&said, output.status)))
    }
}

impl Version {
    /// The oldest version that the queue works with.
    pub(crate) const OLDEST: Version = Version { major: 6, minor: 0, patch: 0 };

    /// Reads the line `db version v6.0.5` out of what `mongod --version` prints.
    fn parse(output: &str) -> Option<Version> {
        Version::read(output.lines().find_map(|line| line.strip_prefix("db version v"))?)
    }

    /// Reads `6.0.5`. What follows the numbers, as in `8.0.0-rc1`, is left out.
    pub(crate) fn read(text: &str) -> Option<Version> {
        let mut numbers = text.split(|c: char| !c.is_ascii_digit()).map(str::parse);
        let mut next = || numbers.next()?.ok();
        Some(Version { major: next()?, minor: next()?, patch: next()? })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// The library in the loader's complaint `error while loading shared libraries: libcurl.so.4: …`.
fn missing_library(said: &str) -> Option<&str> {
    let (_, rest) = said.split_once("error while loading shared libraries: ")?;
    let (library, _) = rest.split_once(':')?;
    Some(library.trim())
}

/// Where Debian and Ubuntu keep the libraries that mongod is linked with.
fn package_of(library: &str) -> Option<&'static str> {
    let (name, _) = library.split_once(".so")?;
    Some(match name {
        "libcurl" => "libcurl4",
        "libssl" | "libcrypto" => "libssl3",
        "liblzma" => "liblzma5",
        "libgcc_s" => "libgcc-s1",
        _ => return None,
    })
}

fn cannot_start(error: &io::Error) -> String {
    // The kernel says "not found" of a program that is there when it lacks the program's loader.
    if error.kind() == io::ErrorKind::NotFound {
        return "the file or its loader is missing (is the C library glibc?)".to_owned();
    }
    error.to_string()
}

fn why(said: &str, status: std::process::ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    /// SIGILL: an instruction that the processor does not have.
    const ILLEGAL_INSTRUCTION: i32 = 4;
    if status.signal() == Some(ILLEGAL_INSTRUCTION) {
        return "the processor lacks AVX, which MongoDB needs since 5.0".to_owned();
    }
    let last = said.lines().rfind(|line| !line.trim().is_empty());
    match last {
        Some(line) if line.contains("GLIBC_") => {
            format!("{} (a newer system is needed: Debian 12 or Ubuntu 22.04)", line.trim())
        }
        Some(line) => line.trim().to_owned(),
        None => format!("it said no version ({status})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_and_ordered() {
        let parse = |text: &str| Version::parse(text).map(|version| version.to_string());
        assert_eq!(parse("db version v6.0.5\nBuild Info: {").as_deref(), Some("6.0.5"));
        assert_eq!(parse("db version v8.0.0-rc1\n").as_deref(), Some("8.0.0"));
        assert_eq!(parse("noise\ndb version v7.1.12"), Some("7.1.12".to_owned()));
        assert_eq!(parse("db version v6.0"), None);
        assert_eq!(parse("db version v99999999999.0.0"), None);
        assert_eq!(parse(""), None);
        assert!(Version::parse("db version v5.9.9") < Some(Version::OLDEST));
        assert!(Version::parse("db version v6.0.0") >= Some(Version::OLDEST));
    }

    #[test]
    fn missing_libraries_lead_to_their_packages() {
        let said = "mongod: error while loading shared libraries: libcurl.so.4: cannot open \
                    shared object file: No such file or directory";
        assert_eq!(missing_library(said), Some("libcurl.so.4"));
        assert_eq!(package_of("libcurl.so.4"), Some("libcurl4"));
        assert_eq!(package_of("libcrypto.so.3"), Some("libssl3"));
        assert_eq!(package_of("libssl.so.3"), Some("libssl3"));
        assert_eq!(package_of("libstrange.so.1"), None);
        assert_eq!(missing_library("mongod: something else"), None);
    }
}
