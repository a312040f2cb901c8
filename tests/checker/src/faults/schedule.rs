//! From a seed to a plan.

use std::time::Duration;

use super::{Fault, Kind};
use crate::chance::Chance;

/// A fault at its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Planned {
    /// Since the begin of the run.
    pub(crate) at: Duration,
    /// From its begin to its healing; what has to come back afterwards takes its own time.
    pub(crate) lasts: Duration,
    pub(crate) fault: Fault,
    /// Decides all that is left open: whom it meets, and how.
    pub(crate) draw: u64,
}

impl Kind {
    /// How long a fault of this kind lasts, and how long it is quiet afterwards, in milliseconds.
    fn times(self) -> ((u64, u64), (u64, u64)) {
        match self {
            Self::Processes => ((400, 4_000), (300, 1_500)),
            // An election and a node's return take some seconds, and are part of it.
            Self::Nodes => ((1_500, 4_500), (2_500, 4_500)),
            Self::Network => ((1_000, 5_000), (300, 1_500)),
            Self::Commands => ((300, 1_200), (100, 800)),
            Self::Guests => ((1_000, 2_000), (2_000, 6_000)),
            Self::ByHand => ((100, 500), (8_000, 20_000)),
        }
    }
}

impl Fault {
    /// How often it comes while the others of its kind come once.
    fn weight(self) -> usize {
        match self {
            // What a queue is made for; and they are over soon.
            Self::KillWorker => 3,
            Self::PauseWorker => 2,
            _ => 1,
        }
    }
}

/// What fails when, for a run of this length: a pure function of the seed. Each kind's faults come
/// in rounds, in which every one comes.
pub(crate) fn schedule(seed: u64, faults: &[Fault], length: Duration) -> Vec<Planned> {
    let mut plan = Vec::new();
    for kind in Kind::ALL {
        let mut of_kind: Vec<Fault> =
            faults.iter().copied().filter(|it| it.kind() == kind).collect();
        of_kind.sort_unstable();
        of_kind.dedup();
        if !of_kind.is_empty() {
            plan_kind(
                (kind, of_kind),
                &mut Chance::new(seed, &format!("{kind:?}")),
                length,
                &mut plan,
            );
        }
    }
    plan.sort_by_key(|planned| (planned.at, planned.fault));
    plan
}

fn plan_kind(
    (kind, faults): (Kind, Vec<Fault>),
    chance: &mut Chance,
    length: Duration,
    plan: &mut Vec<Planned>,
) {
    let (lasts, quiet) = kind.times();
    let mut time = |(low, high)| Duration::from_millis(chance.between(low, high));
    let mut at = time(quiet);
    let mut deck = Vec::new();
    loop {
        let lasts = time(lasts);
        let after = time(quiet);
        if at + lasts > length {
            return;
        }
        let draw = time((0, u64::MAX / 2));
        let draw = u64::try_from(draw.as_millis()).unwrap_or(0);
        if deck.is_empty() {
            deck.extend(
                faults.iter().flat_map(|&fault| std::iter::repeat_n(fault, fault.weight())),
            );
            Chance::new(draw, "deck").shuffle(&mut deck);
        }
        let Some(fault) = deck.pop() else { return };
        plan.push(Planned { at, lasts, fault, draw });
        at += lasts + after;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn all() -> Vec<Fault> {
        Fault::all().collect()
    }

    #[test]
    fn a_seed_has_one_plan_and_another_seed_another() {
        let plan = schedule(1, &all(), MINUTE);
        assert_eq!(schedule(1, &all(), MINUTE), plan);
        let mut backwards = all();
        backwards.reverse();
        assert_eq!(schedule(1, &backwards, MINUTE), plan);
        assert_ne!(schedule(2, &all(), MINUTE), plan);
    }

    #[test]
    fn a_minute_has_every_fault_and_they_end_within_it() {
        for seed in 0..200 {
            let plan = schedule(seed, &all(), MINUTE);
            let mut counts: BTreeMap<Fault, u32> = BTreeMap::new();
            for planned in &plan {
                *counts.entry(planned.fault).or_default() += 1;
                assert!(planned.at + planned.lasts <= MINUTE, "{planned:?}");
            }
            assert!(plan.len() > 60, "seed {seed}: {} faults", plan.len());
            assert_eq!(counts.len(), all().len(), "seed {seed}: {counts:?}");
        }
    }

    #[test]
    fn faults_of_one_kind_come_one_after_the_other() {
        let plan = schedule(3, &all(), MINUTE * 10);
        for kind in Kind::ALL {
            let of_kind: Vec<_> = plan.iter().filter(|it| it.fault.kind() == kind).collect();
            assert!(of_kind.len() > 30, "{kind:?}: {}", of_kind.len());
            for pair in of_kind.windows(2) {
                let [first, second] = pair else { continue };
                assert!(first.at + first.lasts < second.at, "{first:?} {second:?}");
            }
        }
    }

    #[test]
    fn only_what_was_asked_for_is_planned() {
        assert!(schedule(1, &[], MINUTE).is_empty());
        let plan = schedule(1, &[Fault::Cut, Fault::Cut, Fault::StepDown], MINUTE);
        assert!(plan.iter().any(|it| it.fault == Fault::Cut));
        assert!(plan.iter().all(|it| matches!(it.fault, Fault::Cut | Fault::StepDown)));
    }
}
