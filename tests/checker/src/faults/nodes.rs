//! Nodes that are killed, frozen, cut off, told to step down, or have no space left.

use std::time::Duration;

use anyhow::{Context, Result};

use super::Fault;
use super::world::{Moment, World};

pub(super) async fn suffer(world: &World, moment: Moment) -> Result<()> {
    let cluster = &world.cluster;
    let primary = cluster.primary().await?;
    match moment.fault {
        Fault::KillPrimary => kill(world, &moment, primary).await?,
        Fault::KillSecondary => {
            let mut chance = moment.chance.clone();
            let others: Vec<usize> = (0..cluster.size()).filter(|&node| node != primary).collect();
            let node = *chance.pick(&others).context("there is no secondary")?;
            kill(world, &moment, node).await?;
        }
        Fault::FreezePrimary => freeze(world, &moment, primary).await?,
        Fault::IsolatePrimary => isolate(world, &moment, primary).await?,
        Fault::DiskFull => fill(world, moment).await?,
        _ => step_down(world, moment, primary).await?,
    }
    // The next one is for a set that is whole again.
    cluster.whole().await
}

async fn kill(world: &World, moment: &Moment, node: usize) -> Result<()> {
    world.begin(moment.fault, format!("node {node}"))?;
    world.cluster.kill(node).await?;
    moment.last(100).await;
    world.cluster.restart(node).await?;
    world.end(moment.fault, format!("node {node}"))
}

async fn freeze(world: &World, moment: &Moment, node: usize) -> Result<()> {
    world.begin(moment.fault, format!("node {node}"))?;
    world.cluster.freeze(node).await?;
    // Long enough for the others to elect another.
    tokio::time::sleep(moment.lasts + Duration::from_secs(2)).await;
    world.cluster.thaw(node).await?;
    world.end(moment.fault, format!("node {node}"))
}

async fn isolate(world: &World, moment: &Moment, node: usize) -> Result<()> {
    world.begin(moment.fault, format!("node {node}"))?;
    let rules = world.cluster.isolate(node)?;
    tokio::time::sleep(moment.lasts + Duration::from_secs(2)).await;
    let met: u64 = rules.iter().map(|rule| rule.met()).sum();
    drop(rules);
    world.end(moment.fault, format!("node {node}, {met} messages held"))
}

async fn step_down(world: &World, mut moment: Moment, node: usize) -> Result<()> {
    let catch_up = moment.chance.percent(50);
    let how = if catch_up { "the others catch up" } else { "at once" };
    world.begin(moment.fault, format!("node {node}, {how}"))?;
    // A primary that has just lost its place has stepped down.
    let said = world.cluster.step_down(node, catch_up).await;
    let said = said.err().map_or_else(|| "done".to_owned(), |error| format!("{error:#}"));
    moment.last(50).await;
    world.end(moment.fault, said)
}

/// The last node's disk; half of the time when it is the primary.
async fn fill(world: &World, mut moment: Moment) -> Result<()> {
    let cluster = &world.cluster;
    let node = cluster.size() - 1;
    let disk = cluster.disk().context("there is no small disk")?;
    if moment.chance.percent(60) && cluster.primary().await? != node {
        // It may be refused; then it's the disk of a secondary.
        let _ = cluster.step_up(node).await;
    }
    let primary = cluster.primary().await? == node;
    let role = if primary { "the primary" } else { "a secondary" };
    world.begin(moment.fault, format!("node {node}, {role}"))?;
    disk.fill()?;
    // What is in memory has to go somewhere now.
    let said = cluster.checkpoint(node).await;
    moment.last(100).await;
    disk.free()?;
    let died = !cluster.is_running(node).await?;
    if died {
        cluster.restart(node).await?;
    }
    let how = match said {
        _ if died => "it had ended, and is back".to_owned(),
        Ok(()) => "it went on".to_owned(),
        Err(error) => format!("it went on, {error:#}"),
    };
    world.end(moment.fault, format!("node {node}: {how}"))
}
