//! What is known of an attempt beside what it said.

use std::time::Duration;

/// What ran, and what it used up: on the record of a failed attempt, to debug it from. Nothing of
/// it is there always; a handler in plain Rust has no digest, log or meter.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Evidence {
    /// Which component it was: `sha256:` and 64 hexadecimal digits.
    pub digest: Option<String>,
    /// The version that the component carries; cut at 100 bytes.
    pub version: Option<String>,
    /// The last lines of the attempt's log; stderr has a place of its own. The end is kept, of 4 KiB.
    pub log: Option<String>,
    /// Time that the guest computed, counted in ticks of the engine's clock; whole milliseconds are
    /// kept.
    pub cpu: Option<Duration>,
    /// Bytes that the guest's memories had together when they had most.
    pub memory: Option<u64>,
    /// Time from the start of the attempt to its end, waiting included; whole milliseconds are kept.
    pub wall: Option<Duration>,
    /// The version of the worker.
    pub worker: Option<String>,
}

impl Evidence {
    /// Adds what every worker knows of an attempt: how long it took, and its own version.
    pub(crate) fn of_worker(&mut self, wall: Duration) {
        self.wall = Some(wall);
        self.worker = Some(env!("CARGO_PKG_VERSION").to_owned());
    }
}
