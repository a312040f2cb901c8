//! Guests that never end, trap, or eat memory: jobs that make them do so.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use super::Fault;
use super::world::{Moment, World};
use crate::chance::Chance;
use crate::roles::GUESTS;
use crate::roles::work::Draft;

pub(super) async fn suffer(world: &World, mut moment: Moment) -> Result<()> {
    let chance = &mut moment.chance;
    let mut drafts = Vec::new();
    for _ in 0..chance.between(2, 5) {
        let id = format!("{}-{:016x}", moment.fault.name(), chance.number());
        let timeout = match moment.fault {
            Fault::HungGuest => Duration::from_millis(chance.between(300, 1_500)),
            _ => Duration::from_secs(10),
        };
        drafts.push(Draft::new(id, GUESTS, &misdeed(moment.fault, chance), timeout)?);
    }
    world.begin(moment.fault, format!("{} jobs", drafts.len()))?;
    world.putter.put(drafts).await;
    moment.last(100).await;
    world.end(moment.fault, "")
}

fn misdeed(fault: Fault, chance: &mut Chance) -> Value {
    let misdeeds = match fault {
        Fault::HungGuest => vec![json!({ "do": "loop" }), json!({ "do": "sleep", "ms": 600_000 })],
        Fault::TrappingGuest => ["panic", "unreachable", "stack", "out-of-bounds", "abort"]
            .map(|deed| json!({ "do": deed }))
            .to_vec(),
        _ => vec![json!({ "do": "memory" }), json!({ "do": "memory-big" })],
    };
    chance.pick(&misdeeds).cloned().unwrap_or(Value::Null)
}
