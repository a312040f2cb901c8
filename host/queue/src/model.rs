//! The protocol as a model: every order in which two workers, time, the network and a failover can
//! act on a few jobs, each of them tried.
//!
//! The writes are those of [`transition`](crate::transition) and the steps of the store, run by a
//! small interpreter of what they are made of; `mongo` says what it knows of. Around them the model
//! has what a worker does between its writes, in few words.

mod choices;
mod documents;
mod mongo;
mod promises;
mod protocol;
mod server;
mod work;
mod world;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io::Write;
use std::sync::Mutex;
use std::time::Instant;

use stateright::{Checker, Expectation, HasDiscoveries, Model, Path};

use self::promises::{LEASED, RECORDED};
use self::protocol::{
    NO, NO_LEASE, Notes, Protocol, REFUSED, ROLLED_BACK, TAKEN_BACK, TOO_LATE, TWICE, YES,
};
use self::work::{ATTEMPTS, End, LOST_BUT_WROTE, Server};
use self::world::{Action, Left, World};
use crate::breaks::Break;

const NO_FAULTS: Left = Left { failovers: 0, unanswered: 0, repeats: 0, cancels: 0, releases: 0 };
const ENDS: [End; 2] = [End::Complete, End::Fail];

/// Jobs with so many attempts each, claimed together.
fn protocol(jobs: &[u32], ends: &[End], left: Left) -> Protocol {
    Protocol {
        jobs: jobs.to_vec(),
        batch: jobs.len(),
        at_once: jobs.len(),
        ends: ends.to_vec(),
        left,
        broken: None,
        server: Server::default(),
        notes: Mutex::new(Notes::default()),
    }
}

/// Explores all of it: every promise has to hold in every state, from every state there has to be a
/// way to the end of every job, and what is to be seen has to come up.
fn explore(name: &str, protocol: Protocol, to_be_seen: &[&str]) {
    let begun = Instant::now();
    let checker = protocol.checker().threads(2).spawn_bfs().join();
    if let Some((promise, path)) = failure(&checker) {
        panic!("{name}: {promise:?} is broken:\n{path}");
    }
    for property in checker.model().properties() {
        let wanted = matches!(property.expectation, Expectation::Sometimes);
        let found = checker.discovery(property.name).is_some();
        assert_eq!(wanted, found, "{name}: {}", property.name);
    }
    let notes = std::mem::take(&mut *checker.model().notes());
    for what in to_be_seen {
        assert!(notes.seen.contains_key(what), "{name}: never seen: {what}");
    }
    assert_eq!(stuck(&notes), 0, "{name}: states from which some job never ends");
    let (states, steps) = (checker.unique_state_count(), notes.steps.len());
    tell(&format!("{name}: {states} states, {steps} steps, {:.1?}", begun.elapsed()));
}

/// Past the capture of test output: the numbers stand in docs/reliability.md.
fn tell(line: &str) {
    // Nobody reads it where stderr is closed.
    let _ = writeln!(std::io::stderr(), "model: {line}");
}

/// The number of states that lead to no end.
fn stuck(notes: &Notes) -> usize {
    let mut before: HashMap<u64, Vec<u64>> = HashMap::new();
    let mut all = BTreeSet::new();
    for (from, to) in &notes.steps {
        before.entry(*to).or_default().push(*from);
        all.extend([*from, *to]);
    }
    let mut good: HashSet<u64> = notes.over.iter().copied().collect();
    let mut next: Vec<u64> = good.iter().copied().collect();
    while let Some(state) = next.pop() {
        for from in before.get(&state).into_iter().flatten() {
            if good.insert(*from) {
                next.push(*from);
            }
        }
    }
    all.iter().filter(|state| !good.contains(state)).count()
}

const NEAREST: usize = 150_000;

/// A short way to break a promise, and which.
fn counterexample(protocol: Protocol) -> Option<(&'static str, String)> {
    let checker = protocol.checker().threads(1).finish_when(HasDiscoveries::AnyFailures);
    failure(&checker.spawn_bfs().join())
}

fn failure(checker: &impl Checker<Protocol>) -> Option<(&'static str, String)> {
    let model = checker.model();
    let is_failure = |(name, _): &(&'static str, _)| {
        matches!(model.property(name).expectation, Expectation::Always)
    };
    let paths = checker.discoveries().into_iter().filter(is_failure);
    let paths = paths.map(|(name, path)| (name, shortened(model, name, &path)));
    let (name, actions) = paths.min_by_key(|(_, actions)| actions.len())?;
    Some((name, told(&actions)))
}

/// The same without what is not needed for it: the checker's paths are not the shortest.
fn shortened(model: &Protocol, promise: &str, path: &Path<World, Action>) -> Vec<Action> {
    let breaks = |actions: &[Action]| {
        let mut world = model.init_states().remove(0);
        for action in actions {
            let mut possible = Vec::new();
            model.actions(&world, &mut possible);
            let next = possible.contains(action).then(|| model.next_state(&world, action.clone()));
            let Some(next) = next.flatten() else { return false };
            world = next;
        }
        let property = model.properties().into_iter().find(|it| it.name == promise);
        property.is_some_and(|it| !(it.condition)(model, &world))
    };
    let mut actions: Vec<Action> =
        path.clone().into_vec().into_iter().filter_map(|(_, action)| action).collect();
    let mut position = 0;
    while position < actions.len() {
        let mut fewer = actions.clone();
        fewer.remove(position);
        if breaks(&fewer) {
            (actions, position) = (fewer, 0);
        } else {
            position += 1;
        }
    }
    actions
}

fn told(actions: &[Action]) -> String {
    actions.iter().map(|action| format!("  {action:?}")).collect::<Vec<_>>().join("\n")
}

fn has_teeth(missing: Break, promises: &[&str], protocol: Protocol) {
    let broken = Some(missing);
    let (promise, path) =
        counterexample(Protocol { broken, ..protocol }).expect("a counterexample");
    assert!(promises.contains(&promise), "{missing:?} breaks {promise:?}:\n{path}");
    tell(&format!("{missing:?} breaks {promise:?}:\n{path}"));
}

#[test]
fn every_end_and_a_cancel() {
    let all = [End::Complete, End::Fail, End::Reject, End::Release, End::HandBack];
    let left = Left { cancels: 1, releases: 1, ..NO_FAULTS };
    let seen = [TAKEN_BACK, TOO_LATE, NO_LEASE, "a take-back came too late"];
    explore("one job, every end, a cancel", protocol(&[2], &all, left), &seen);
}

#[test]
fn a_failover() {
    let left = Left { failovers: 1, ..NO_FAULTS };
    let seen = [ROLLED_BACK, TAKEN_BACK, TOO_LATE];
    explore("one job, a failover", protocol(&[2], &ENDS, left), &seen);
    let cancel = Left { cancels: 1, releases: 1, ..left };
    let ends = [End::Fail, End::Release];
    explore("one job, a failover and a cancel", protocol(&[1], &ends, cancel), &seen);
    explore("two jobs, a failover", protocol(&[1, 1], &ENDS, left), &seen);
}

#[test]
fn a_lost_answer_or_a_late_message() {
    let left = Left { unanswered: 1, ..NO_FAULTS };
    explore(
        "one job, a lost answer",
        protocol(&[2], &ENDS, left),
        &[REFUSED, TAKEN_BACK, TOO_LATE],
    );
}

#[test]
fn a_message_that_comes_twice() {
    let left = Left { repeats: 1, ..NO_FAULTS };
    explore("one job, a repeat", protocol(&[2], &ENDS, left), &[REFUSED, TAKEN_BACK, TOO_LATE]);
}

#[test]
fn faults_together() {
    let left = Left { failovers: 1, unanswered: 1, ..NO_FAULTS };
    let seen = [REFUSED, ROLLED_BACK, TAKEN_BACK, TOO_LATE];
    explore("one job, a failover and a lost answer", protocol(&[1], &ENDS, left), &seen);
    let left = Left { unanswered: 0, repeats: 1, ..left };
    explore("one job, a failover and a repeat", protocol(&[1], &ENDS, left), &seen);
    let left = Left { failovers: 0, unanswered: 1, ..left };
    let seen = [REFUSED, TAKEN_BACK, TOO_LATE];
    explore("one job, a lost answer and a repeat", protocol(&[1], &[End::Complete], left), &seen);
}

#[test]
fn jobs_that_wait_under_a_lease() {
    let left = Left { cancels: 1, ..NO_FAULTS };
    let two = Protocol { at_once: 1, ..protocol(&[1, 1], &[End::Fail], left) };
    let some = "others were quicker for some of a claim";
    explore("two jobs, one at a time, a cancel", two, &[TAKEN_BACK, some]);
    let three = protocol(&[1, 1, 1], &[End::Complete], NO_FAULTS);
    let three = Protocol { at_once: 1, batch: 2, ..three };
    explore("three jobs, two a lease", three, &[TAKEN_BACK, TOO_LATE]);
}

/// A failover undoes how a claim ended, and another claim ends before a worker marks what it found:
/// as many claims, of another history.
fn found_before_a_failover() -> Protocol {
    let left = Left { unanswered: 1, failovers: 1, releases: 1, ..NO_FAULTS };
    protocol(&[2], &[End::Fail, End::Release], left)
}

/// The states that are nearest to the start; a claim that goes by the number of earlier ones alone
/// breaks a promise in them.
#[test]
fn what_was_found_before_a_failover() {
    let checker = found_before_a_failover().checker().threads(1).target_state_count(NEAREST);
    let checker = checker.finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    assert_eq!(failure(&checker), None);
}

#[test]
#[ignore = "takes minutes"]
fn what_was_found_before_a_failover_to_the_end() {
    let seen = [REFUSED, ROLLED_BACK, TAKEN_BACK, TOO_LATE];
    explore("one job, a failover, a lost answer, a release", found_before_a_failover(), &seen);
}

#[test]
fn no_fence() {
    has_teeth(Break::NoFence, &[LOST_BUT_WROTE, TWICE], protocol(&[2], &ENDS, NO_FAULTS));
}

#[test]
fn fence_by_consumer() {
    let left = Left { repeats: 1, ..NO_FAULTS };
    has_teeth(Break::FenceByConsumer, &[LOST_BUT_WROTE, TWICE], protocol(&[2], &ENDS, left));
}

#[test]
fn blind_reclaim() {
    has_teeth(Break::BlindReclaim, &[LOST_BUT_WROTE, TWICE], protocol(&[2, 1], &ENDS, NO_FAULTS));
}

#[test]
fn release_counts() {
    let left = Left { releases: 1, ..NO_FAULTS };
    has_teeth(Break::ReleaseCounts, &[ATTEMPTS, RECORDED], protocol(&[1], &[End::Release], left));
}

#[test]
fn lease_with_first() {
    has_teeth(Break::LeaseWithFirst, &[LEASED], protocol(&[1, 1], &ENDS, NO_FAULTS));
}

#[test]
fn no_transaction() {
    has_teeth(Break::NoTransaction, &[LEASED], protocol(&[1], &ENDS, NO_FAULTS));
}

#[test]
fn unknown_is_success() {
    let left = Left { unanswered: 1, ..NO_FAULTS };
    has_teeth(Break::UnknownIsSuccess, &[YES], protocol(&[1], &ENDS, left));
}

#[test]
fn unknown_is_failure() {
    let left = Left { unanswered: 1, ..NO_FAULTS };
    has_teeth(Break::UnknownIsFailure, &[NO], protocol(&[1], &ENDS, left));
}
