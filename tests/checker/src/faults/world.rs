//! What faults happen to.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use mongodb::Database;

use super::{Fault, Kind, Planned, commands, guests, hand, network, nodes, processes};
use crate::chance::Chance;
use crate::cluster::{Cluster, Topology};
use crate::crew::{Crew, faketime};
use crate::history::{Event, Phase, Recorder};
use crate::roles::Role;
use crate::roles::producer::Putter;

/// Everybody who claims.
pub(super) const CONSUMERS: [Role; 3] = [Role::Worker, Role::WasmWorker, Role::Puller];
/// Everybody who writes.
pub(super) const CLIENTS: [Role; 4] =
    [Role::Producer, Role::Worker, Role::WasmWorker, Role::Puller];

/// Everything that can fail, and who writes down that it did. Cheap to clone.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) crew: Arc<Crew>,
    pub(crate) recorder: Recorder,
    /// For jobs of the checker's own.
    pub(crate) putter: Putter,
    /// The run's database, for what an operator does by hand.
    pub(crate) database: Database,
    /// The length of the consumers' leases.
    pub(crate) lease: Duration,
}

/// A fault under way: whom it meets and how it lasts.
pub(super) struct Moment {
    pub(super) fault: Fault,
    pub(super) lasts: Duration,
    pub(super) chance: Chance,
}

impl Moment {
    /// Lets it last, or for so many parts in a hundred of its time.
    pub(super) async fn last(&self, percent: u32) {
        tokio::time::sleep(self.lasts * percent / 100).await;
    }
}

/// Why a fault can't be run here; `None` where it can.
pub(crate) fn obstacle(fault: Fault, topology: Topology, disk: bool) -> Option<&'static str> {
    let alone = topology == Topology::Single;
    match fault {
        Fault::KillSecondary | Fault::IsolatePrimary if alone => Some("there is one node alone"),
        Fault::DiskFull if !disk => {
            Some("a small disk can't be mounted here: that needs root, or user namespaces")
        }
        Fault::ClockAhead | Fault::ClockBehind if faketime().is_none() => {
            Some("install faketime: sudo apt-get install faketime")
        }
        _ => None,
    }
}

impl World {
    /// Makes it happen, lets it last, heals it.
    pub(crate) async fn suffer(&self, planned: &Planned) -> Result<()> {
        let Planned { fault, lasts, draw, .. } = *planned;
        let moment = Moment { fault, lasts, chance: Chance::new(draw, fault.name()) };
        let suffered = match fault.kind() {
            Kind::Processes => processes::suffer(self, moment).await,
            Kind::Nodes => nodes::suffer(self, moment).await,
            Kind::Network => network::suffer(self, moment).await,
            Kind::Commands => commands::suffer(self, moment).await,
            Kind::Guests => guests::suffer(self, moment).await,
            Kind::ByHand => hand::suffer(self, moment).await,
        };
        suffered.with_context(|| format!("the fault {}", fault.name()))
    }

    pub(super) fn begin(&self, fault: Fault, detail: impl Into<String>) -> Result<()> {
        self.tell(fault, Phase::Begin, detail.into())
    }

    pub(super) fn end(&self, fault: Fault, detail: impl Into<String>) -> Result<()> {
        self.tell(fault, Phase::End, detail.into())
    }

    fn tell(&self, fault: Fault, phase: Phase, detail: String) -> Result<()> {
        let name = fault.name().to_owned();
        Ok(self.recorder.record(Event::Fault { name, phase, detail })?)
    }

    /// One of the processes with these roles.
    pub(super) async fn victim(&self, roles: &[Role], chance: &mut Chance) -> Result<String> {
        let names = self.crew.names(roles).await;
        chance.pick(&names).cloned().context("there is no process to meet")
    }
}
