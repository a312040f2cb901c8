//! What can happen next.

use super::documents::QUEUE;
use super::protocol::Protocol;
use super::work::Work;
use super::world::{Action, Held, Wire, Worker, World};
use crate::breaks::Break;
use crate::store::expired_filter;

impl Protocol {
    pub(super) fn choices(&self, world: &World, actions: &mut Vec<Action>) {
        actions.extend([Action::Tick, Action::Replicate]);
        if world.left.failovers > 0 {
            actions.push(Action::Failover);
        }
        let wires = self.wires(world);
        for by in 0..2 {
            self.worker_actions(world, by, &wires, actions);
        }
        match &world.taker {
            None => {
                let (_, expired) = self.server.find(&expired_filter(QUEUE), &world.primary.docs);
                actions.extend(expired.into_iter().map(Action::Notice));
            }
            Some(_) => actions.extend(wires.iter().map(|wire| Action::TakeBack(*wire))),
        }
        if world.left.cancels > 0 {
            actions.extend((0..self.jobs.len() as u8).map(Action::Cancel));
        }
        actions.extend((0..world.wire.len()).map(Action::Deliver));
    }

    fn wires(&self, world: &World) -> Vec<Wire> {
        let mut wires = vec![Wire::Answered];
        if world.left.unanswered > 0 {
            wires.extend([Wire::Unanswered, Wire::Late]);
        }
        if world.left.repeats > 0 {
            wires.push(Wire::Twice);
        }
        if self.broken == Some(Break::NoTransaction) {
            wires.push(Wire::Torn);
        }
        wires
    }

    fn worker_actions(&self, world: &World, by: u8, wires: &[Wire], actions: &mut Vec<Action>) {
        match &world.workers[usize::from(by)] {
            Worker::Idle => actions.push(Action::Find(by)),
            Worker::Found(_) => {
                actions.extend(wires.iter().map(|wire| Action::Mark(by, *wire)));
            }
            Worker::Asking(_) => actions.push(Action::Ask(by)),
            Worker::Unsure { gave_up, .. } => {
                actions.extend([Action::Retry(by), Action::Beat(by, Wire::Answered)]);
                actions.push(if *gave_up { Action::Forget(by) } else { Action::GiveUp(by) });
            }
            Worker::Holding(held) => {
                actions.push(Action::Forget(by));
                let beats = wires.iter().filter(|wire| !matches!(wire, Wire::Torn));
                actions.extend(beats.map(|wire| Action::Beat(by, *wire)));
                for settle in self.settlements(world, by, held) {
                    let send = |wire: &Wire| Action::Settle(by, settle.clone(), *wire);
                    actions.extend(wires.iter().map(send));
                }
            }
        }
    }

    /// Each job alone, in both ways, and all of them together.
    fn settlements(&self, world: &World, by: u8, held: &Held) -> Vec<Work> {
        let all: Vec<u8> = held.jobs.iter().map(|copy| copy.job).collect();
        // Those beyond `at_once` have not begun: they can only be given back.
        let begun = &all[..all.len().min(self.at_once)];
        let mut settlements = Vec::new();
        for end in self.ends.iter().copied() {
            if end.is_free() && world.left.releases == 0 {
                continue;
            }
            let mut send = |jobs: &[u8], alone| {
                let empties = jobs.len() == all.len() || self.broken == Some(Break::LeaseWithFirst);
                let (token, jobs) = (held.token, jobs.to_vec());
                settlements.push(Work::Settle { by, token, jobs, end, alone, empties });
            };
            for job in begun {
                send(&[*job], true);
                send(&[*job], false);
            }
            if begun.len() > 1 {
                send(begun, false);
            }
        }
        settlements
    }
}
