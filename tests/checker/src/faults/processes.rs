//! Consumers that are killed, stopped, told to end, or have a wrong clock.

use std::time::Duration;

use anyhow::Result;
use tokio::sync::oneshot;

use super::Fault;
use super::world::{CONSUMERS, Moment, World};
use crate::chance::Chance;
use crate::proxy::{Between, Catch, Command};

/// How long a process may take to end: its grace, and whatever its last writes wait for.
const END: Duration = Duration::from_secs(30);
/// Ten minutes.
const WRONG: i64 = 600;

pub(super) async fn suffer(world: &World, mut moment: Moment) -> Result<()> {
    let name = world.victim(&CONSUMERS, &mut moment.chance).await?;
    match moment.fault {
        Fault::PauseWorker => pause(world, moment, &name).await,
        Fault::TermWorker => terminate(world, moment, &name).await,
        Fault::ClockAhead => clock(world, moment, &name, WRONG).await,
        Fault::ClockBehind => clock(world, moment, &name, -WRONG).await,
        _ => kill(world, moment, &name).await,
    }
}

/// At what a process is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Claim,
    Settlement,
    Work,
}

impl At {
    fn draw(chance: &mut Chance) -> Self {
        match chance.below(3) {
            0 => Self::Claim,
            1 => Self::Settlement,
            _ => Self::Work,
        }
    }

    /// The write that shows it: a claim's commit asks for no majority, a settlement's does.
    fn command(self) -> Option<Command> {
        let commit = |majority| Command { name: "commitTransaction", majority: Some(majority) };
        match self {
            Self::Claim => Some(commit(false)),
            Self::Settlement => Some(commit(true)),
            Self::Work => None,
        }
    }
}

/// A message of the victim's that waits in the network until this is dropped.
type Held = Option<oneshot::Sender<()>>;

/// Waits until the process does what it is to be met at, for a while at most.
async fn meet(world: &World, name: &str, at: At, patience: Duration) -> Held {
    let Some(command) = at.command() else {
        tokio::time::sleep(patience / 2).await;
        return None;
    };
    let (tell, told) = oneshot::channel();
    let net = world.cluster.net();
    let trap = net.trap(Between::app(name), command, Catch::Tell(tell));
    let met = tokio::time::timeout(patience, told).await;
    net.untrap(trap);
    met.ok()?.ok()
}

async fn kill(world: &World, mut moment: Moment, name: &str) -> Result<()> {
    let at = At::draw(&mut moment.chance);
    let held = meet(world, name, at, moment.lasts).await;
    let met = if held.is_some() || at == At::Work { "met" } else { "not met" };
    // What it sent last arrives before it is dead, after it, or never.
    let last = match moment.chance.below(3) {
        0 => {
            drop(held);
            world.crew.kill(name).await?;
            "sent"
        }
        1 => {
            world.crew.kill(name).await?;
            drop(held);
            "late"
        }
        _ => {
            world.crew.kill(name).await?;
            world.cluster.net().sever(Between::app(name));
            drop(held);
            "lost"
        }
    };
    world.begin(moment.fault, format!("{name} at its {at:?} ({met}), its last message {last}"))?;
    moment.last(50).await;
    world.crew.revive(name, None).await?;
    world.end(moment.fault, name)
}

/// Stops it for up to three times its lease.
async fn pause(world: &World, mut moment: Moment, name: &str) -> Result<()> {
    let at = At::draw(&mut moment.chance);
    let held = meet(world, name, at, Duration::from_secs(2)).await;
    world.crew.signal(name, "STOP").await?;
    drop(held);
    let past = world.lease.mul_f64(1.1 + moment.chance.below(19) as f64 / 10.0);
    world.begin(moment.fault, format!("{name} at its {at:?} for {past:?}"))?;
    tokio::time::sleep(past).await;
    world.crew.signal(name, "CONT").await?;
    world.end(moment.fault, name)
}

async fn terminate(world: &World, moment: Moment, name: &str) -> Result<()> {
    world.begin(moment.fault, name)?;
    world.crew.signal(name, "TERM").await?;
    let ended = world.crew.ended(name, END).await?;
    let how = ended.map_or_else(|| format!("killed after {END:?}"), |status| status.to_string());
    moment.last(20).await;
    world.crew.revive(name, None).await?;
    world.end(moment.fault, format!("{name}: {how}"))
}

/// A life with a wrong clock, which ends by a kill.
async fn clock(world: &World, moment: Moment, name: &str, seconds: i64) -> Result<()> {
    world.begin(moment.fault, format!("{name} by {seconds} s"))?;
    world.crew.kill(name).await?;
    world.crew.revive(name, Some(seconds)).await?;
    // It has to connect before it does anything.
    tokio::time::sleep(moment.lasts + Duration::from_secs(2)).await;
    world.crew.kill(name).await?;
    world.crew.revive(name, None).await?;
    world.end(moment.fault, name)
}
