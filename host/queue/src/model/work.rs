//! The messages to the database, each made of the steps that the store makes of it, and what they
//! do to the documents.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bson::{Bson, DateTime, Document};

use super::documents::{Documents, Id, MOMENT, NOW, QUEUE, job_id, number_of, token};
use super::mongo;
use super::world::Copy;
use crate::breaks::{self, Break, note_consumer};
use crate::job::{Event, Job, State};
use crate::lease::verdict;
use crate::outcome::{Failure, Outcome};
use crate::store::{NewClaim, Settlement, Step, Target, steps, steps_of_one};
use crate::transition::{self, Change, Reach, Transition};

/// How an attempt ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum End {
    Complete,
    Fail,
    Reject,
    Release,
    HandBack,
}

impl End {
    fn outcome(self) -> Outcome {
        match self {
            Self::Complete => Outcome::Completed(None),
            Self::Fail => Outcome::Failed(Failure::new("")),
            Self::Reject => Outcome::Failed(Failure::new("").code("rejected").reject()),
            Self::Release => Outcome::Released { delay: MOMENT },
            Self::HandBack => Outcome::HandedBack,
        }
    }
}

/// What is asked of the database.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Work {
    Mark {
        by: u8,
        token: u8,
        found: Vec<Copy>,
    },
    /// `alone`: as a single job in pull mode; else as the worker's loop does, with the lease if
    /// that `empties` it.
    Settle {
        by: u8,
        token: u8,
        jobs: Vec<u8>,
        end: End,
        alone: bool,
        empties: bool,
    },
    Beat {
        token: u8,
    },
    TakeBack {
        token: u8,
        lease: Id,
        begun: Vec<u8>,
        waiting: Vec<u8>,
    },
    /// A job that waits is cancelled.
    CancelReady {
        job: u8,
    },
    /// One that runs is asked to stop, and its lease told.
    AskToStop {
        job: u8,
        token: u8,
    },
}

impl Work {
    pub(super) fn token(&self) -> Option<u8> {
        match self {
            Self::Mark { token, .. }
            | Self::Settle { token, .. }
            | Self::Beat { token }
            | Self::AskToStop { token, .. }
            | Self::TakeBack { token, .. } => Some(*token),
            Self::CancelReady { .. } => None,
        }
    }

    fn steps(&self, documents: &Documents, at_once: usize) -> Vec<Step> {
        match self {
            Self::Mark { by, token: t, found } => {
                let claim = NewClaim {
                    queue: QUEUE,
                    token: token(*t),
                    consumer: consumer(*by),
                    lease: MOMENT,
                    at_once,
                };
                claim.steps(&found.iter().map(as_read).collect::<Vec<_>>()).into()
            }
            Self::Settle { by, token: t, jobs, end, alone, empties } => {
                note_consumer(consumer(*by));
                let all: Vec<Settlement> =
                    jobs.iter().map(|job| settlement((*by, *t), *job, *end)).collect();
                if *alone {
                    return all.iter().flat_map(steps_of_one).collect();
                }
                let emptied: Vec<_> =
                    empties.then(|| (QUEUE.into(), token(*t))).into_iter().collect();
                steps(&all.iter().collect::<Vec<_>>(), &emptied)
            }
            Self::Beat { token: t } => {
                let renew = transition::renew_lease(QUEUE, token(*t), MOMENT);
                vec![Step::new(Target::Leases, renew).expect(1..=1)]
            }
            Self::TakeBack { lease, begun, waiting, .. } => {
                documents.get(*lease).lease().steps(QUEUE, (ids(begun), ids(waiting)))
            }
            Self::CancelReady { job } => {
                let cancel = transition::cancel_ready(QUEUE, &job_id((*job).into()));
                vec![Step::new(Target::Jobs, cancel).expect(1..=1)]
            }
            Self::AskToStop { job, token: t } => {
                let id = job_id((*job).into());
                let note = transition::note_cancel(QUEUE, token(*t), &id);
                vec![
                    Step::new(Target::Jobs, transition::ask_to_stop(QUEUE, &id)).expect(1..=1),
                    Step::new(Target::Leases, note),
                ]
            }
        }
    }

    /// What this means for a job that it ends.
    fn event(&self, job: &Job, number: u8) -> Option<Event> {
        let spent = job.attempt() >= job.max_attempts;
        let cancelled = job.cancel_at.is_some();
        Some(match self {
            Self::Settle { end, .. } => match end {
                End::Complete => Event::Complete,
                End::Fail => Event::Fail { spent, cancelled },
                End::Reject => Event::Reject,
                End::Release => Event::Release { cancelled },
                End::HandBack => Event::HandBack { cancelled },
            },
            Self::TakeBack { waiting, .. } if waiting.contains(&number) => {
                Event::HandBack { cancelled }
            }
            Self::TakeBack { .. } => Event::Expire { spent, cancelled },
            _ => return None,
        })
    }
}

/// The jobs and leases of a database.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Docs {
    /// By number; `None` for one that was removed.
    pub(super) jobs: Vec<Option<Id>>,
    pub(super) leases: Vec<Id>,
}

/// What became of some work.
#[derive(Clone, Debug)]
pub(super) struct Done {
    pub(super) docs: Docs,
    /// Every step matched what it had to.
    pub(super) met: bool,
    /// How many documents the last step matched.
    pub(super) n: u64,
    /// The jobs whose claim this ended.
    pub(super) ended: Vec<u8>,
    /// The promise that was broken, if any.
    pub(super) broken: Option<&'static str>,
}

pub(super) const LOST_BUT_WROTE: &str = "who lost the claim writes nothing";
pub(super) const ATTEMPTS: &str = "attempts are the outcomes that count";
pub(super) const ILLEGAL: &str = "a job goes from state to state as State::after says";
pub(super) const CANCEL: &str = "the end of the attempt heeds a cancel";

/// Runs work; the same work on the same documents is done once.
#[derive(Default)]
pub(super) struct Server {
    pub(super) documents: Documents,
    done: Mutex<HashMap<(Work, Docs, usize), Arc<Done>>>,
}

impl Server {
    /// Runs the first `steps` steps as one transaction.
    pub(super) fn run(
        &self,
        work: &Work,
        docs: &Docs,
        (at_once, steps): (usize, usize),
    ) -> Arc<Done> {
        let key = (work.clone(), docs.clone(), steps);
        let known = || self.done.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(done) = known().get(&key) {
            return done.clone();
        }
        let done = Arc::new(self.run_now(work, docs, (at_once, steps)));
        known().insert(key, done.clone());
        done
    }

    fn run_now(&self, work: &Work, docs: &Docs, (at_once, steps): (usize, usize)) -> Done {
        let mut done =
            Done { docs: docs.clone(), met: true, n: 0, ended: Vec::new(), broken: None };
        for step in work.steps(&self.documents, at_once).into_iter().take(steps) {
            done.n = 0;
            for write in &step.writes {
                done.n += match step.target {
                    Target::Jobs => self.write_jobs(work, write, &mut done),
                    _ => self.write_leases(write, &mut done.docs.leases),
                };
            }
            if !step.expect.contains(&done.n) {
                // What was done before stays where there is no transaction.
                let stays = breaks::on(Break::NoTransaction);
                let docs = if stays { done.docs } else { docs.clone() };
                return Done { docs, met: false, n: 0, ended: Vec::new(), broken: done.broken };
            }
        }
        done
    }

    fn write_jobs(&self, work: &Work, write: &Transition, done: &mut Done) -> u64 {
        let mut n = 0;
        for number in 0..done.docs.jobs.len() {
            let Some(id) = done.docs.jobs[number] else { continue };
            let before = self.documents.get(id);
            let Some(after) = mongo::write(write, &before.document, now()) else { continue };
            n += 1;
            let after = after.map(|document| self.documents.put(document));
            done.docs.jobs[number] = after;
            let number = number as u8;
            if let Some(event) = work.event(before.job(), number) {
                let after = after.map(|id| self.documents.get(id));
                let ours = before.token() == work.token();
                let job = after.as_ref().map(|known| known.job());
                let wrong = (!ours).then_some(LOST_BUT_WROTE);
                done.broken = done.broken.or(wrong).or(judge(before.job(), event, job));
                done.ended.push(number);
            }
            if write.reach == Reach::One {
                break;
            }
        }
        n
    }

    fn write_leases(&self, write: &Transition, leases: &mut Vec<Id>) -> u64 {
        let mut n = 0;
        let mut left = Vec::new();
        for id in leases.drain(..) {
            match mongo::write(write, &self.documents.get(id).document, now()) {
                None => left.push(id),
                Some(after) => {
                    n += 1;
                    left.extend(after.map(|document| self.documents.put(document)));
                }
            }
        }
        if n == 0
            && let Change::Upsert(_) = write.change
        {
            n += 1;
            left.extend(mongo::insert(write, now()).map(|document| self.documents.put(document)));
        }
        left.sort_by_key(|id| self.documents.get(*id).token());
        *leases = left;
        n
    }

    /// The jobs that match a filter, and the leases.
    pub(super) fn find(&self, filter: &Document, docs: &Docs) -> (Vec<u8>, Vec<Id>) {
        let matches = |id: Id| mongo::matches(filter, &self.documents.get(id).document, now());
        let jobs = docs.jobs.iter().enumerate().filter(|(_, id)| id.is_some_and(matches));
        let jobs = jobs.map(|(number, _)| number as u8).collect();
        (jobs, docs.leases.iter().copied().filter(|id| matches(*id)).collect())
    }
}

/// The state machine's word against what is in the document.
fn judge(before: &Job, event: Event, after: Option<&Job>) -> Option<&'static str> {
    let counts = matches!(event, Event::Fail { .. } | Event::Reject | Event::Expire { .. });
    let expected = before.state.after(event);
    let Some(after) = after else {
        let removed = expected == Some(State::Completed) && before.retain.is_none();
        return (!removed).then_some(ILLEGAL);
    };
    if expected == Some(State::Cancelled) && after.state != State::Cancelled {
        return Some(CANCEL);
    }
    if expected != Some(after.state) {
        return Some(ILLEGAL);
    }
    (after.attempts != before.attempts + u32::from(counts)).then_some(ATTEMPTS)
}

/// As the worker makes it of an outcome.
fn settlement((by, t): (u8, u8), number: u8, end: End) -> Settlement {
    let mut job = Job::new(QUEUE, crate::payload::Payload::bytes("", ""));
    // As `new_job` puts them: the second one is kept.
    job.retain = (number == 1).then_some(Duration::from_secs(60));
    job.backoff = crate::retry::Backoff { first: MOMENT, max: MOMENT };
    Settlement {
        queue: QUEUE.into(),
        id: job_id(number.into()),
        token: token(t),
        verdict: verdict(&job, &end.outcome(), &consumer(by).into(), 0.0),
    }
}

/// The job that was found, as far as a claim asks for it.
fn as_read(copy: &Copy) -> Job {
    let mut job = Job::new(QUEUE, crate::payload::Payload::bytes("", ""));
    (job.id, job.claims) = (job_id(copy.job.into()), copy.claims);
    job.due = DateTime::from_millis(copy.due);
    job
}

pub(super) fn consumer(number: u8) -> &'static str {
    ["ada", "bob"][usize::from(number)]
}

pub(super) fn ids(jobs: &[u8]) -> Vec<Bson> {
    jobs.iter().map(|job| job_id((*job).into()).to_bson()).collect()
}

pub(super) fn numbers(ids: &[Bson]) -> Vec<u8> {
    ids.iter().map(|id| number_of(id) as u8).collect()
}

fn now() -> DateTime {
    DateTime::from_millis(NOW)
}
