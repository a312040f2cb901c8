//! Writing the history.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::{ENDING, Event};

/// One line of a history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Counts the lines of this opening of the file, from 1.
    pub n: u64,
    /// Who says it.
    #[serde(skip_deserializing, serialize_with = "as_text")]
    pub process: Arc<str>,
    /// Microseconds since 1970 by the process's own clock, which may be a false one.
    pub at_us: i64,
    /// Microseconds by a clock that all processes of the machine share: see [`uptime_us`].
    pub mono_us: u64,
    /// What is said.
    #[serde(flatten)]
    pub event: Event,
}

/// Appends to a process's history. Cheap to clone; all clones write to the same file, in the order
/// of the calls.
#[derive(Clone)]
pub struct Recorder {
    process: Arc<str>,
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    file: File,
    n: u64,
}

impl Recorder {
    /// Opens the history of `process` in `folder`, behind what is there already.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn open(folder: &Path, process: &str) -> io::Result<Self> {
        let path = path(folder, process);
        let mut file = OpenOptions::new().create(true).append(true).read(true).open(path)?;
        // A process of the same name was killed within a line: that one is lost, not the next.
        if file.seek(SeekFrom::End(0))? > 0 {
            file.seek(SeekFrom::End(-1))?;
            let mut last = [0];
            file.read_exact(&mut last)?;
            if last != *b"\n" {
                file.write_all(b"\n")?;
            }
        }
        let inner = Arc::new(Mutex::new(Inner { file, n: 0 }));
        Ok(Self { process: process.into(), inner })
    }

    /// Writes one line; it is in the file when this returns, whatever becomes of the process.
    ///
    /// # Errors
    /// Those of the file system. A process that can't say what it does should do nothing more.
    pub fn record(&self, event: Event) -> io::Result<()> {
        let mut inner = self.inner.lock().unwrap_or_else(|e| e.into_inner());
        inner.n += 1;
        let process = self.process.clone();
        let line = Line { n: inner.n, process, at_us: wall_us(), mono_us: uptime_us(), event };
        let mut text = serde_json::to_vec(&line)?;
        text.push(b'\n');
        inner.file.write_all(&text)
    }

    /// The name of the process.
    pub fn process(&self) -> &str {
        &self.process
    }
}

fn as_text<S: serde::Serializer>(text: &Arc<str>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(text)
}

fn path(folder: &Path, process: &str) -> PathBuf {
    folder.join(format!("{process}.{ENDING}"))
}

/// What [`uptime_us`] counts in: hundredths of a second.
pub const UPTIME_STEP_US: u64 = 10_000;

/// Microseconds since the machine started, in steps of a hundredth of a second.
///
/// The kernel's own file: it says the same to every process, also to one whose clocks are faked by
/// a library that answers in the kernel's place. Elsewhere than on Linux it is the wall clock.
pub fn uptime_us() -> u64 {
    let uptime = std::fs::read_to_string("/proc/uptime");
    let seconds = uptime.ok().and_then(|text| parse_uptime(&text));
    seconds.unwrap_or_else(|| wall_us().max(0).unsigned_abs())
}

/// `12345.67 23456.78`: the first number, exactly.
fn parse_uptime(text: &str) -> Option<u64> {
    let (seconds, rest) = text.split_once('.')?;
    let hundredths: u64 = rest.get(..2)?.parse().ok()?;
    Some(seconds.parse::<u64>().ok()? * 1_000_000 + hundredths * UPTIME_STEP_US)
}

fn wall_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uptime_is_read_exactly() {
        assert_eq!(parse_uptime("12345.67 23456.78\n"), Some(12_345_670_000));
        assert_eq!(parse_uptime("0.05 1.00\n"), Some(50_000));
        assert_eq!(parse_uptime("soon\n"), None);
        assert!(uptime_us() > 0);
    }
}
