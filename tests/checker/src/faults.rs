//! What is made to fail, by name, and when.
//!
//! - [`Fault`]: the names;
//! - [`schedule()`]: from a seed to a plan;
//! - [`World`]: what faults happen to; one file for each kind of them.

use std::str::FromStr;

mod commands;
mod guests;
mod hand;
mod network;
mod nodes;
mod processes;
mod schedule;
mod world;

pub(crate) use schedule::{Planned, schedule};
pub(crate) use world::{World, obstacle};

/// Something that fails for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Fault {
    KillWorker,
    PauseWorker,
    TermWorker,
    ClockAhead,
    ClockBehind,
    StepDown,
    KillPrimary,
    KillSecondary,
    FreezePrimary,
    IsolatePrimary,
    DiskFull,
    Cut,
    CutToServer,
    CutFromServer,
    Delay,
    Trickle,
    FailCommand,
    LostAnswer,
    HungGuest,
    TrappingGuest,
    HungryGuest,
    LostLease,
}

/// Faults of one kind come one after the other, those of different kinds at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    Processes,
    Nodes,
    Network,
    Commands,
    Guests,
    ByHand,
}

impl Kind {
    pub(crate) const ALL: [Self; 6] =
        [Self::Processes, Self::Nodes, Self::Network, Self::Commands, Self::Guests, Self::ByHand];
}

use Fault::*;

/// Name, kind, and what happens, for people.
const FAULTS: [(Fault, &str, Kind, &str); 22] = [
    (KillWorker, "kill-worker", Kind::Processes, "kill -9 while it claims, works or settles"),
    (PauseWorker, "pause-worker", Kind::Processes, "SIGSTOP past the lease, then SIGCONT"),
    (TermWorker, "term-worker", Kind::Processes, "SIGTERM with jobs running"),
    (ClockAhead, "clock-ahead", Kind::Processes, "a worker's clock ten minutes ahead"),
    (ClockBehind, "clock-behind", Kind::Processes, "a worker's clock ten minutes behind"),
    (StepDown, "step-down", Kind::Nodes, "the primary steps down"),
    (KillPrimary, "kill-primary", Kind::Nodes, "kill -9 of the primary, and its return"),
    (KillSecondary, "kill-secondary", Kind::Nodes, "kill -9 of a secondary, and its return"),
    (FreezePrimary, "freeze-primary", Kind::Nodes, "SIGSTOP of the primary, then SIGCONT"),
    (IsolatePrimary, "isolate-primary", Kind::Nodes, "the primary is cut off from the other nodes"),
    (DiskFull, "disk-full", Kind::Nodes, "no space left on a node's disk, then space again"),
    (Cut, "cut", Kind::Network, "nothing passes between a process and the servers"),
    (CutToServer, "cut-to-server", Kind::Network, "requests wait, answers pass"),
    (CutFromServer, "cut-from-server", Kind::Network, "requests pass, answers wait"),
    (Delay, "delay", Kind::Network, "every message is late"),
    (Trickle, "trickle", Kind::Network, "messages come a few bytes at a time"),
    (
        FailCommand,
        "fail-command",
        Kind::Commands,
        "the server fails a command, or its write concern",
    ),
    (
        LostAnswer,
        "lost-answer",
        Kind::Commands,
        "a command takes effect, its answer is lost or an error",
    ),
    (HungGuest, "hung-guest", Kind::Guests, "guests that never end"),
    (TrappingGuest, "trapping-guest", Kind::Guests, "guests that trap"),
    (HungryGuest, "hungry-guest", Kind::Guests, "guests that eat memory"),
    (LostLease, "lost-lease", Kind::ByHand, "somebody deletes a lease"),
];

impl Fault {
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        FAULTS.into_iter().map(|(fault, ..)| fault)
    }

    pub(crate) fn name(self) -> &'static str {
        self.row().1
    }

    pub(crate) fn kind(self) -> Kind {
        self.row().2
    }

    /// What happens, for people.
    pub(crate) fn what(self) -> &'static str {
        self.row().3
    }

    fn row(self) -> (Self, &'static str, Kind, &'static str) {
        let found = FAULTS.into_iter().find(|(fault, ..)| *fault == self);
        found.unwrap_or((self, "", Kind::Guests, ""))
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = FAULTS.into_iter().find(|(_, known, ..)| *known == name);
        found
            .map(|(fault, ..)| fault)
            .ok_or_else(|| format!("no fault is called {name:?}; --list-faults names them all"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_has_a_name_of_its_own_that_is_read_back() {
        let names: std::collections::BTreeSet<&str> = Fault::all().map(Fault::name).collect();
        assert_eq!(names.len(), FAULTS.len());
        for fault in Fault::all() {
            assert_eq!(fault.name().parse(), Ok(fault));
            assert!(!fault.what().is_empty());
        }
        assert!("kill".parse::<Fault>().is_err());
    }
}
