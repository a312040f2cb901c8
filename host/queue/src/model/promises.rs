//! What has to hold in every state.

use stateright::Property;

use super::protocol::{NO, OLDER, Protocol, TWICE, YES};
use super::work::{ATTEMPTS, CANCEL, ILLEGAL, LOST_BUT_WROTE};
use super::world::{Db, Worker, World};
use crate::job::{Job, State};

pub(super) const LEASED: &str = "whatever runs has a lease that names it";
pub(super) const RECORDED: &str = "every counted attempt left its record";

/// A promise about a step: it is noted when it is broken.
macro_rules! kept {
    ($name:expr) => {
        Property::always($name, |_, world: &World| world.broken != Some($name))
    };
}

pub(super) fn all() -> Vec<Property<Protocol>> {
    vec![
        kept!(LOST_BUT_WROTE),
        kept!(TWICE),
        kept!(ATTEMPTS),
        kept!(ILLEGAL),
        kept!(CANCEL),
        kept!(YES),
        kept!(NO),
        kept!(OLDER),
        Property::always("no two workers hold a job at a time", one_holder),
        Property::always(LEASED, leased),
        Property::always(RECORDED, recorded),
        Property::always("dead is out of attempts, or rejected", dead),
        Property::always("an accepted job is there, or was completed", nothing_lost),
        Property::always("a cancelled job never waits again", cancelled),
        Property::sometimes("a job dies", |model, world| !each_job(model, world, lives)),
        Property::sometimes("all jobs end", Protocol::is_over),
    ]
}

fn one_holder(model: &Protocol, world: &World) -> bool {
    let holds = |worker: &Worker, job: u8| {
        let Worker::Holding(held) = worker else { return false };
        let leases = &world.primary.docs.leases;
        let leased = |id: &u16| model.server.documents.get(*id).token() == Some(held.token);
        // A claim that was rolled back is none.
        held.may_be_held() && held.jobs.iter().any(|it| it.job == job) && leases.iter().any(leased)
    };
    let jobs = 0..model.jobs.len() as u8;
    jobs.into_iter().all(|job| !world.workers.iter().all(|worker| holds(worker, job)))
}

fn leased(model: &Protocol, world: &World) -> bool {
    let documents = &model.server.documents;
    both(world).into_iter().all(|db| {
        let leases: Vec<_> = db.docs.leases.iter().map(|id| documents.get(*id)).collect();
        db.docs.jobs.iter().flatten().all(|id| {
            let known = documents.get(*id);
            let id = known.job().id.to_bson();
            known.job().state != State::Running
                || leases.iter().any(|it| it.token() == known.token() && it.names().contains(&id))
        })
    })
}

fn recorded(model: &Protocol, world: &World) -> bool {
    each_job(model, world, |job| job.attempts as usize == job.errors.len())
}

fn dead(model: &Protocol, world: &World) -> bool {
    each_job(model, world, |job| {
        let code = job.last_error().and_then(|error| error.code.as_deref());
        job.state != State::Dead || job.attempts >= job.max_attempts || code == Some("rejected")
    })
}

fn lives(job: &Job) -> bool {
    job.state != State::Dead
}

fn nothing_lost(_: &Protocol, world: &World) -> bool {
    both(world).into_iter().all(|db| {
        let jobs = db.docs.jobs.iter().enumerate();
        jobs.into_iter().all(|(n, id)| id.is_some() != db.removed.contains(&(n as u8)))
    })
}

fn cancelled(model: &Protocol, world: &World) -> bool {
    both(world).into_iter().all(|db| {
        world.cancelled.iter().all(|job| {
            let id = db.docs.jobs[usize::from(*job)];
            id.is_none_or(|id| model.server.documents.get(id).job().state != State::Ready)
        })
    })
}

fn both(world: &World) -> [&Db; 2] {
    [&world.primary, &world.durable]
}

fn each_job(model: &Protocol, world: &World, holds: impl Fn(&Job) -> bool) -> bool {
    both(world).into_iter().all(|db| {
        let mut jobs = db.docs.jobs.iter().flatten();
        jobs.all(|id| holds(model.server.documents.get(*id).job()))
    })
}
