//! An attempt made once more to look into it, without touching the queue: what the guest puts,
//! saves and reports is kept here, and its calls, its stack and its memory can be had.
//!
//! A sandbox of its own ([`Sandbox::for_replay`](crate::Sandbox::for_replay)) traces host calls and
//! keeps a core dump of a trap; [`ComponentHandler::replay`](crate::ComponentHandler::replay) runs.

use std::collections::BTreeSet;
use std::time::Duration;

use mongoqueue::{JobId, Outcome, Payload, Progress, PutOptions};

mod coredump;
mod host;
mod profile;
mod rehearsal;
mod trace;

pub(crate) use coredump::dump;
pub(crate) use host::add_to_linker;
pub use profile::Profile;
pub(crate) use profile::Sampling;
pub(crate) use rehearsal::Rehearsal;
pub use trace::HostCall;

/// What is wanted of a replay beside the outcome. Default: nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplayOptions {
    /// The calls of `mongoqueue:jobs`. Those of WASI are not traced.
    pub trace: bool,
    /// The core dump of a trap.
    pub coredump: bool,
    /// Where it spent its time computing.
    pub profile: bool,
}

/// What an attempt came to that was made without a queue.
#[derive(Debug)]
#[non_exhaustive]
pub struct Replayed {
    /// How it ended; see [`Outcome::as_recorded`] for how a worker would write it.
    pub outcome: Outcome,
    /// How long it took.
    pub wall: Duration,
    /// How long it computed, counted in ticks of 10 ms as the limit `cpu` is.
    pub cpu: Duration,
    /// Bytes of all its linear memories in the end, which is the most: they never shrink.
    pub memory: usize,
    /// What it would have put, in order; bounded by the limits on puts.
    pub puts: Vec<WouldPut>,
    /// Jobs that it would have cancelled, 1,000 at the most.
    pub cancels: BTreeSet<JobId>,
    /// What it would have saved last, where that differs from what was saved before.
    pub saved: Option<Payload>,
    /// What it would have reported last, where that differs from what was reported before.
    pub progress: Option<Progress>,
    /// Its calls: the first thousand and the last thousand.
    pub calls: Vec<HostCall>,
    /// Calls between those that are not kept.
    pub calls_dropped: u64,
    /// The core dump, in the format of the tool conventions; or why there is none though it was
    /// asked for. It has the guest's memory, the tenant's data included.
    pub coredump: Option<Result<Vec<u8>, String>>,
    /// The profile, or why there is none though it was asked for.
    pub profile: Option<Result<Profile, String>>,
}

/// A job that a guest would have put.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WouldPut {
    /// The id that the guest was told; no job has it.
    pub id: JobId,
    /// The queue, by its own name.
    pub queue: String,
    /// What to work on.
    pub payload: Payload,
    /// How.
    pub options: PutOptions,
}
