//! What can happen next, and what it leads to.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};

use stateright::{Model, Property};

use super::documents::{MOMENT, NOW, QUEUE, new_job, token};
use super::promises;
use super::work::{Docs, Done, End, Server, Work, ids, numbers};
use super::world::{Action, Copy, Db, Held, Left, Wire, Worker, World};
use crate::breaks::{self, Break};
use crate::store::{due_filter, held_filter};

/// A world to explore.
pub(super) struct Protocol {
    /// How many attempts each job has.
    pub(super) jobs: Vec<u32>,
    /// Jobs that are claimed together at most, and begun at once.
    pub(super) batch: usize,
    pub(super) at_once: usize,
    pub(super) ends: Vec<End>,
    pub(super) left: Left,
    /// The safeguard that is missing.
    pub(super) broken: Option<Break>,
    pub(super) server: Server,
    pub(super) notes: Mutex<Notes>,
}

/// What the exploration came across.
#[derive(Default)]
pub(super) struct Notes {
    pub(super) seen: BTreeMap<&'static str, usize>,
    /// From each state, by its hash, to the next ones.
    pub(super) steps: Vec<(u64, u64)>,
    /// States in which every job is over.
    pub(super) over: BTreeSet<u64>,
}

pub(super) const ROLLED_BACK: &str = "a failover rolled writes back";
pub(super) const TAKEN_BACK: &str = "a lease ran out and was taken back";
pub(super) const TOO_LATE: &str = "a settlement came too late";
pub(super) const NO_LEASE: &str = "a heartbeat found no lease";
pub(super) const REFUSED: &str = "a message that came late or twice was refused";

pub(super) const YES: &str = "yes means written, and no failover takes it back";
pub(super) const NO: &str = "no means not written";
pub(super) const TWICE: &str = "a claim is settled at most once";
pub(super) const OLDER: &str = "a worker is handed what it marked";

impl Model for Protocol {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        let job = |(number, attempts): (usize, &u32)| {
            Some(self.server.documents.put(new_job(number, *attempts, number == 1)))
        };
        let jobs = self.jobs.iter().enumerate().map(job).collect();
        let db = Db {
            docs: Docs { jobs, leases: Vec::new() },
            ended: BTreeSet::new(),
            removed: BTreeSet::new(),
            committed: BTreeSet::new(),
        };
        vec![World {
            primary: db.clone(),
            durable: db,
            workers: [Worker::Idle, Worker::Idle],
            taker: None,
            wire: Vec::new(),
            cancelled: BTreeSet::new(),
            left: self.left,
            broken: None,
        }]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        // A broken world is not explored further.
        if world.broken.is_none() {
            self.choices(world, actions);
        }
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        breaks::rehearse(self.broken);
        let mut next = world.clone();
        let done = self.step(&mut next, action);
        breaks::rehearse(None);
        done?;
        let next = next.tidy(&self.server);
        if next == *world {
            return None;
        }
        self.note_step(world, &next);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        promises::all()
    }
}

impl Protocol {
    fn step(&self, world: &mut World, action: Action) -> Option<()> {
        match action {
            Action::Tick => world.age(&self.server),
            Action::Replicate => world.durable = world.primary.clone(),
            Action::Failover => {
                world.left.failovers -= 1;
                if world.primary.docs == world.durable.docs {
                    return None;
                }
                self.see(ROLLED_BACK);
                world.primary = world.durable.clone();
            }
            Action::Find(by) => self.find(world, by)?,
            Action::Mark(by, wire) => self.mark(world, by, wire)?,
            Action::Ask(by) => self.ask(world, by)?,
            Action::Settle(by, work, wire) => self.settle(world, by, &work, wire)?,
            Action::Retry(by) => self.retry(world, by)?,
            Action::GiveUp(by) => {
                clear_commit(world, by);
                if let Worker::Unsure { held, gave_up, .. } = &mut world.workers[usize::from(by)] {
                    (held.unknown, *gave_up) = (true, true);
                }
            }
            Action::Beat(by, wire) => self.beat(world, by, wire)?,
            Action::Forget(by) => {
                clear_commit(world, by);
                world.workers[usize::from(by)] = Worker::Idle;
            }
            Action::Notice(lease) => {
                let known = self.server.documents.get(lease);
                let expired = known.lease();
                let (begun, waiting) = if expired.may_all_have_begun() {
                    (known.names().to_vec(), Vec::new())
                } else {
                    let filter = held_filter(QUEUE, token(known.token()?), known.names().to_vec());
                    let held = ids(&self.server.find(&filter, &world.primary.docs).0);
                    expired.begun(|id| held.contains(id))
                };
                let (begun, waiting) = (numbers(&begun), numbers(&waiting));
                let token = known.token()?;
                world.taker = Some(Work::TakeBack { token, lease, begun, waiting });
            }
            Action::TakeBack(wire) => {
                let work = world.taker.take()?;
                if self.send(world, &work, wire, true)?.is_some_and(|done| !done.met) {
                    self.see("a take-back came too late");
                }
            }
            Action::Cancel(job) => self.cancel(world, job)?,
            Action::Deliver(which) => self.deliver(world, which),
        }
        Some(())
    }

    fn find(&self, world: &mut World, by: u8) -> Option<()> {
        let docs = &world.primary.docs;
        let (mut found, _) = self.server.find(&due_filter(QUEUE), docs);
        let known = |job: u8| docs.jobs[usize::from(job)].map(|id| self.server.documents.get(id));
        found.sort_by_key(|job| known(*job).map(|it| (it.date("due"), *job)));
        found.truncate(self.batch);
        let copy = |job: u8| {
            let known = known(job)?;
            let (attempts, claims) = (known.job().attempts, known.job().claims);
            Some(Copy { job, attempts, claims, due: known.date("due") })
        };
        let found: Vec<Copy> = found.into_iter().filter_map(copy).collect();
        if found.is_empty() {
            return None;
        }
        world.workers[usize::from(by)] = Worker::Found(found);
        Some(())
    }

    fn mark(&self, world: &mut World, by: u8, wire: Wire) -> Option<()> {
        let worker = std::mem::replace(&mut world.workers[usize::from(by)], Worker::Idle);
        let Worker::Found(found) = worker else { return None };
        let token = world.fresh_token(&self.server);
        let until = NOW + MOMENT.as_millis() as i64;
        let n = found.len() as u64;
        let jobs = found.iter().map(|copy| Copy { due: 0, ..*copy }).collect();
        let held = Held { token, jobs, until, unknown: false };
        let work = Work::Mark { by, token, found };
        let answer = self.send(world, &work, wire, false)?;
        world.workers[usize::from(by)] = match answer {
            Some(done) if !done.met => {
                self.see("others were quicker for all of a claim");
                return Some(());
            }
            Some(done) if done.n == n => self.hold(world, held),
            Some(_) => {
                self.see("others were quicker for some of a claim");
                Worker::Asking(held)
            }
            None if wire == Wire::Torn => Worker::Idle,
            None if breaks::on(Break::UnknownIsFailure) => Worker::Idle,
            None if breaks::on(Break::UnknownIsSuccess) => Worker::Holding(held),
            None => Worker::Asking(held),
        };
        Some(())
    }

    fn ask(&self, world: &mut World, by: u8) -> Option<()> {
        let Worker::Asking(held) = world.workers[usize::from(by)].clone() else { return None };
        let still = self.still_held(world, &held);
        let jobs: Vec<Copy> =
            held.jobs.iter().copied().filter(|it| still.contains(&it.job)).collect();
        let held = Held { jobs, ..held };
        world.workers[usize::from(by)] =
            if held.jobs.is_empty() { Worker::Idle } else { self.hold(world, held) };
        Some(())
    }

    /// The worker begins with what it thinks it has.
    fn hold(&self, world: &mut World, held: Held) -> Worker {
        for copy in &held.jobs {
            let id = world.primary.docs.jobs[usize::from(copy.job)];
            let known = id.map(|id| self.server.documents.get(id));
            let as_marked = known.is_some_and(|known| {
                let job = known.job();
                (job.attempts, job.claims) == (copy.attempts, copy.claims + 1)
            });
            if !as_marked {
                self.see(OLDER);
                world.broken = world.broken.or(Some(OLDER));
            }
        }
        Worker::Holding(held)
    }

    fn still_held(&self, world: &World, held: &Held) -> Vec<u8> {
        let jobs: Vec<u8> = held.jobs.iter().map(|copy| copy.job).collect();
        let filter = held_filter(QUEUE, token(held.token), ids(&jobs));
        self.server.find(&filter, &world.primary.docs).0
    }

    fn settle(&self, world: &mut World, by: u8, work: &Work, wire: Wire) -> Option<()> {
        let Work::Settle { end, .. } = work else { return None };
        if end.is_free() {
            world.left.releases -= 1;
        }
        let held = world.workers[usize::from(by)].held()?.clone();
        match self.send(world, work, wire, true)? {
            Some(done) => self.settled(world, by, work, done.met),
            None if wire == Wire::Torn => world.workers[usize::from(by)] = Worker::Idle,
            None if breaks::on(Break::UnknownIsSuccess) => self.settled(world, by, work, true),
            None => {
                if wire == Wire::Unanswered && !breaks::on(Break::UnknownIsFailure) {
                    world.primary.committed.insert(by);
                }
                let (settle, gave_up) = (work.clone(), false);
                world.workers[usize::from(by)] = Worker::Unsure { held, settle, gave_up };
            }
        }
        Some(())
    }

    /// The commit again; or, where the server knows of no such transaction, all of it.
    fn retry(&self, world: &mut World, by: u8) -> Option<()> {
        let Worker::Unsure { settle, gave_up, .. } = world.workers[usize::from(by)].clone() else {
            return None;
        };
        if !gave_up {
            if let Some(same) = world.wire.iter().position(|work| *work == settle) {
                world.wire.remove(same);
            }
            if world.primary.committed.contains(&by) {
                world.durable = world.primary.clone();
                self.settled(world, by, &settle, true);
                return Some(());
            }
        }
        let done = self.send(world, &settle, Wire::Answered, true)??;
        self.settled(world, by, &settle, done.met);
        Some(())
    }

    /// The worker has its answer.
    fn settled(&self, world: &mut World, by: u8, work: &Work, met: bool) {
        clear_commit(world, by);
        let Some(held) = world.workers[usize::from(by)].held().cloned() else { return };
        let Work::Settle { jobs, token, .. } = work else { return };
        let still = if met { Vec::new() } else { self.still_held(world, &held) };
        let over: Vec<u8> = jobs.iter().copied().filter(|job| !still.contains(job)).collect();
        for job in &over {
            let written = (*token, *job, true);
            let said = match (met, held.unknown) {
                (true, _) => Some(YES).filter(|_| !world.durable.ended.contains(&written)),
                (false, false) => Some(NO).filter(|_| world.primary.ended.contains(&written)),
                // "May have happened."
                (false, true) => None,
            };
            if !met {
                self.see(TOO_LATE);
            }
            world.broken = world.broken.or(said);
        }
        let mut held = held;
        held.jobs.retain(|copy| !over.contains(&copy.job));
        world.workers[usize::from(by)] =
            if held.jobs.is_empty() { Worker::Idle } else { Worker::Holding(held) };
    }

    fn beat(&self, world: &mut World, by: u8, wire: Wire) -> Option<()> {
        let held = world.workers[usize::from(by)].held()?;
        let work = Work::Beat { token: held.token };
        match self.send(world, &work, wire, true)? {
            Some(done) if done.met => {
                let held = world.workers[usize::from(by)].held_mut()?;
                held.until = NOW + MOMENT.as_millis() as i64;
            }
            Some(_) => {
                self.see(NO_LEASE);
                clear_commit(world, by);
                world.workers[usize::from(by)] = Worker::Idle;
            }
            None => {}
        }
        Some(())
    }

    fn cancel(&self, world: &mut World, job: u8) -> Option<()> {
        let known = self.server.documents.get(world.primary.docs.jobs[usize::from(job)]?);
        let work = match known.token() {
            None => Work::CancelReady { job },
            Some(token) => Work::AskToStop { job, token },
        };
        let done = self.send(world, &work, Wire::Answered, true)??;
        world.left.cancels -= 1;
        world.cancelled.insert(job);
        done.met.then_some(())
    }

    fn deliver(&self, world: &mut World, which: usize) {
        let work = world.wire.remove(which);
        let done = self.apply(world, &work, usize::MAX);
        if !done.met {
            self.see(REFUSED);
        }
        for by in 0..2 {
            let waits = matches!(&world.workers[usize::from(by)],
                Worker::Unsure { settle, gave_up: false, .. } if *settle == work);
            if waits && done.met {
                world.primary.committed.insert(by);
            }
        }
    }

    /// `Some(None)`: no answer.
    fn send(
        &self,
        world: &mut World,
        work: &Work,
        wire: Wire,
        majority: bool,
    ) -> Option<Option<Done>> {
        match wire {
            Wire::Unanswered | Wire::Late => {
                world.left.unanswered = world.left.unanswered.checked_sub(1)?
            }
            Wire::Twice => world.left.repeats = world.left.repeats.checked_sub(1)?,
            Wire::Answered | Wire::Torn => {}
        }
        match wire {
            Wire::Late => {
                world.wire.push(work.clone());
                return Some(None);
            }
            Wire::Torn => {
                self.apply(world, work, 1);
                return Some(None);
            }
            _ => {}
        }
        let done = self.apply(world, work, usize::MAX);
        if wire == Wire::Unanswered {
            // What didn't match is told before there is a commit.
            return done.met.then_some(None);
        }
        if majority && done.met {
            world.durable = world.primary.clone();
        }
        if wire == Wire::Twice {
            world.wire.push(work.clone());
        }
        Some(Some(done))
    }

    fn apply(&self, world: &mut World, work: &Work, steps: usize) -> Done {
        let done = self.server.run(work, &world.primary.docs, (self.at_once, steps));
        let by_holder = matches!(work, Work::Settle { .. });
        world.broken = world.broken.or(done.broken);
        let primary = &mut world.primary;
        for job in &done.ended {
            let token = work.token().unwrap_or_default();
            if primary.ended.iter().any(|(t, j, _)| (*t, *j) == (token, *job)) {
                world.broken = world.broken.or(Some(TWICE));
            }
            primary.ended.insert((token, *job, by_holder));
            if done.docs.jobs[usize::from(*job)].is_none() {
                primary.removed.insert(*job);
            }
        }
        if !by_holder && !done.ended.is_empty() {
            self.see(TAKEN_BACK);
        }
        primary.docs = done.docs.clone();
        Done::clone(&done)
    }

    fn see(&self, what: &'static str) {
        *self.notes().seen.entry(what).or_default() += 1;
    }

    fn note_step(&self, from: &World, to: &World) {
        let mut notes = self.notes();
        notes.steps.push((hash(from), hash(to)));
        if self.is_over(to) {
            notes.over.insert(hash(to));
        }
    }

    /// Every job has come to its end.
    pub(super) fn is_over(&self, world: &World) -> bool {
        let is_final = |id: &u16| self.server.documents.get(*id).job().state.is_final();
        world.primary.docs.jobs.iter().flatten().all(is_final)
    }

    pub(super) fn notes(&self) -> std::sync::MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn clear_commit(world: &mut World, by: u8) {
    world.primary.committed.remove(&by);
    world.durable.committed.remove(&by);
}

fn hash(world: &World) -> u64 {
    let mut hasher = DefaultHasher::new();
    world.hash(&mut hasher);
    hasher.finish()
}
