//! The network between one process and the nodes.

use std::time::Duration;

use anyhow::Result;

use super::Fault;
use super::world::{CLIENTS, Moment, World};
use crate::chance::Chance;
use crate::proxy::{Between, Direction, Effect};

pub(super) async fn suffer(world: &World, mut moment: Moment) -> Result<()> {
    let chance = &mut moment.chance;
    let name = world.victim(&CLIENTS, chance).await?;
    let mut between = Between::app(&name);
    // Mostly from all nodes, now and then from the one that matters most.
    if chance.percent(25) {
        between.node = world.cluster.primary().await.ok();
    }
    let effect = effect(moment.fault, chance);
    // A cut connection may be found broken, or goes on with what waited.
    let broken = matches!(effect, Effect::Hold(_)) && chance.percent(50);
    let place = between.node.map_or("all nodes".to_owned(), |node| format!("node {node}"));
    world.begin(moment.fault, format!("{name} and {place}, {effect:?}"))?;
    let rule = world.cluster.net().rule(between.clone(), effect);
    moment.last(100).await;
    if broken {
        world.cluster.net().sever(between);
    }
    let met = rule.met();
    drop(rule);
    let after = if broken { ", then lost" } else { "" };
    world.end(moment.fault, format!("{name}, {met} messages met{after}"))
}

fn effect(fault: Fault, chance: &mut Chance) -> Effect {
    match fault {
        Fault::CutToServer => Effect::Hold(Some(Direction::ToServer)),
        Fault::CutFromServer => Effect::Hold(Some(Direction::FromServer)),
        Fault::Delay => Effect::Delay(Duration::from_millis(chance.between(20, 600))),
        Fault::Trickle => {
            let pause = Duration::from_millis(chance.between(2, 20));
            Effect::Trickle(usize::try_from(chance.between(20, 200)).unwrap_or(100), pause)
        }
        _ => Effect::Hold(None),
    }
}
