//! Several conditional writes as one transaction.
//!
//! A transaction is data, a list of steps, so that it can be repeated: on a conflict from the
//! start, with jitter and a bound; at a commit whose result is unknown, the commit alone, which
//! the server answers the same way twice.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use bson::{Bson, Document, doc};
use mongodb::ClientSession;
use mongodb::error::{TRANSIENT_TRANSACTION_ERROR, UNKNOWN_TRANSACTION_COMMIT_RESULT};
use mongodb::options::{Acknowledgment, Hint, ReadConcern, WriteConcern};

use super::{PATIENCE, Store};
use crate::breaks::{self, Break};
use crate::error::{Error, Result};
use crate::job::{JobId, State};
use crate::transition::{Change, Reach, Transition};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Jobs,
    Leases,
    Turns,
    Locks,
    Meta,
}

/// One command of a transaction: writes of one kind on one collection.
pub(crate) struct Step {
    pub(crate) target: Target,
    pub(crate) writes: Vec<Transition>,
    /// How many documents have to match in all.
    pub(crate) expect: RangeInclusive<u64>,
    /// Answer the states that these jobs have after the writes, which name them all.
    pub(crate) telling: Vec<Bson>,
}

impl Step {
    pub(crate) fn new(target: Target, write: Transition) -> Self {
        Self::of_many(target, vec![write])
    }

    pub(crate) fn of_many(target: Target, writes: Vec<Transition>) -> Self {
        Self { target, writes, expect: 0..=u64::MAX, telling: Vec::new() }
    }

    pub(crate) fn expect(mut self, n: RangeInclusive<u64>) -> Self {
        self.expect = n;
        self
    }

    pub(crate) fn telling(mut self, jobs: Vec<Bson>) -> Self {
        self.telling = jobs;
        self
    }

    /// One command can write to one job and tell its state.
    fn tells_by_itself(&self) -> bool {
        matches!(self.writes.as_slice(), [write] if matches!(write.change, Change::Update(_)))
            && self.telling.len() == 1
    }
}

/// What a step did.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) n: u64,
    /// Of the jobs that it was to tell of.
    pub(crate) states: HashMap<JobId, State>,
}

/// Which copies a commit waits for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Safety {
    /// The primary's memory: for claims. One that a failover rolls back is a job that is ready
    /// again, and a token that matches nothing.
    Primary,
    /// A majority's journals: for settlements.
    Majority,
}

impl Safety {
    /// How often a transaction is tried that meets others. A claim isn't repeated: those others
    /// have its jobs. For a settlement a conflict comes at once and is over as soon.
    fn tries(self) -> u32 {
        match self {
            Self::Primary => 1,
            Self::Majority => 8,
        }
    }
}

impl From<Safety> for WriteConcern {
    fn from(safety: Safety) -> Self {
        match safety {
            Safety::Primary => Self::builder().w(Acknowledgment::Nodes(1)).build(),
            Safety::Majority => Self::builder().w(Acknowledgment::Majority).journal(true).build(),
        }
    }
}

/// Why a transaction changed nothing.
#[derive(Debug)]
pub(crate) enum Aborted {
    /// A step matched fewer documents than it had to.
    Unmet,
    /// The database failed, or others kept interfering. With [`Error::MayHaveHappened`] it is
    /// unknown whether the transaction took effect.
    Failed(Error),
}

impl From<Error> for Aborted {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl Store {
    /// Runs the steps as one transaction; answers for each how many documents matched.
    pub(crate) async fn transact(
        &self,
        doing: &'static str,
        safety: Safety,
        steps: &[Step],
    ) -> Result<Vec<Answer>, Aborted> {
        self.transact_within(doing, (safety, safety.tries()), steps).await
    }

    /// The same with another number of tries.
    pub(crate) async fn transact_within(
        &self,
        doing: &'static str,
        (safety, tries): (Safety, u32),
        steps: &[Step],
    ) -> Result<Vec<Answer>, Aborted> {
        if breaks::on(Break::NoTransaction) {
            return self.one_by_one(doing, steps).await;
        }
        let started = Instant::now();
        let failed = |e| Aborted::Failed(Error::from_driver(doing, e));
        let mut session = self.inner.client.start_session().await.map_err(failed)?;
        for attempt in 0..tries {
            match self.transact_once(doing, (&mut session, safety), steps).await {
                Err(Try::Again) => {}
                Err(Try::Unmet) => return Err(Aborted::Unmet),
                Err(Try::Failed(error)) => return Err(Aborted::Failed(error)),
                Ok(answers) => return Ok(answers),
            }
            if started.elapsed() > PATIENCE || attempt + 1 == tries {
                break;
            }
            tokio::time::sleep(jitter(attempt)).await;
        }
        Err(Error::Contended { doing, tries, spent: started.elapsed() }.into())
    }

    /// What [`Break::NoTransaction`] makes of it.
    async fn one_by_one(
        &self,
        doing: &'static str,
        steps: &[Step],
    ) -> Result<Vec<Answer>, Aborted> {
        let mut answers = Vec::new();
        for step in steps {
            let reply = self.inner.database.run_command(self.command(step)).await;
            let answer = read_answer(step, &reply.map_err(|e| Error::from_write(doing, e))?);
            if !step.expect.contains(&answer.n) {
                return Err(Aborted::Unmet);
            }
            answers.push(answer);
        }
        Ok(answers)
    }

    async fn transact_once(
        &self,
        doing: &'static str,
        (session, safety): (&mut ClientSession, Safety),
        steps: &[Step],
    ) -> Result<Vec<Answer>, Try> {
        let begin = session
            .start_transaction()
            .write_concern(WriteConcern::from(safety))
            .read_concern(ReadConcern::local());
        begin.await.map_err(|e| Try::sort(doing, e))?;
        let mut answers = Vec::with_capacity(steps.len());
        for step in steps {
            let answer = match self.run_step(session, step).await {
                Ok(answer) => answer,
                Err(error) => {
                    // Best effort: an aborted transaction is over anyway.
                    let _ = session.abort_transaction().await;
                    return Err(Try::sort(doing, error));
                }
            };
            if !step.expect.contains(&answer.n) {
                let _ = session.abort_transaction().await;
                return Err(Try::Unmet);
            }
            answers.push(answer);
        }
        commit(doing, session).await?;
        Ok(answers)
    }

    async fn run_step(
        &self,
        session: &mut ClientSession,
        step: &Step,
    ) -> Result<Answer, mongodb::error::Error> {
        let command = self.command(step);
        let reply = self.inner.database.run_command(command).session(&mut *session).await?;
        if let Ok(errors) = reply.get_array("writeErrors")
            && let Some(error) = errors.first()
        {
            return Err(mongodb::error::Error::custom(error.to_string()));
        }
        let mut answer = read_answer(step, &reply);
        if !step.telling.is_empty() && !step.tells_by_itself() {
            answer.states = self.read_states(session, step).await?;
        }
        Ok(answer)
    }

    /// As the transaction itself has just written them.
    async fn read_states(
        &self,
        session: &mut ClientSession,
        step: &Step,
    ) -> Result<HashMap<JobId, State>, mongodb::error::Error> {
        let jobs = self.target(step.target).clone_with_type::<Document>();
        let filter = doc! { "_id": { "$in": step.telling.clone() } };
        let find =
            jobs.find(filter).projection(doc! { "state": 1 }).hint(Hint::Keys(doc! { "_id": 1 }));
        let mut found = find.session(&mut *session).await?;
        let mut states = HashMap::new();
        while let Some(job) = found.next(session).await.transpose()? {
            states.extend(read_state(&job));
        }
        Ok(states)
    }

    fn command(&self, step: &Step) -> Document {
        let name = self.target(step.target).name().to_owned();
        let mut statements = Vec::with_capacity(step.writes.len());
        let mut verb = ("update", "updates");
        for write in &step.writes {
            let (filter, hint) = (write.filter.clone(), hint(&write.filter));
            let many = write.reach == Reach::Many;
            statements.push(match &write.change {
                Change::Update(u) if step.tells_by_itself() => {
                    return doc! {
                        "findAndModify": name, "query": filter, "update": u.clone(), "new": true,
                        "fields": { "state": 1 }, "hint": hint,
                    };
                }
                Change::Operators(u) => {
                    doc! { "q": filter, "u": u.clone(), "multi": many, "hint": hint }
                }
                Change::Update(u) => {
                    doc! { "q": filter, "u": u.clone(), "multi": many, "hint": hint }
                }
                Change::Upsert(u) => {
                    doc! { "q": filter, "u": u.clone(), "upsert": true, "hint": hint }
                }
                Change::Delete => {
                    verb = ("delete", "deletes");
                    doc! { "q": filter, "limit": i32::from(!many), "hint": hint }
                }
            });
        }
        doc! { verb.0: name, verb.1: statements }
    }
}

fn read_answer(step: &Step, reply: &Document) -> Answer {
    if step.tells_by_itself() {
        let job = reply.get_document("value").ok();
        let states = job.and_then(read_state).into_iter().collect();
        return Answer { n: u64::from(job.is_some()), states };
    }
    Answer { n: reply.get("n").and_then(whole).unwrap_or(0), states: HashMap::new() }
}

fn read_state(job: &Document) -> Option<(JobId, State)> {
    Some((JobId::from_bson(job.get("_id")?)?, job.get_str("state").ok()?.parse().ok()?))
}

/// What names its documents finds them by that: without a hint the server tries other indexes too.
pub(super) fn hint(filter: &Document) -> Document {
    if filter.contains_key("_id") {
        doc! { "_id": 1 }
    } else {
        Document::new()
    }
}

async fn commit(doing: &'static str, session: &mut ClientSession) -> Result<(), Try> {
    let started = Instant::now();
    let mut attempt = 0;
    loop {
        let Err(error) = session.commit_transaction().await else { return Ok(()) };
        if !error.contains_label(UNKNOWN_TRANSACTION_COMMIT_RESULT) {
            return Err(Try::sort(doing, error));
        }
        if breaks::on(Break::UnknownIsSuccess) {
            return Ok(());
        }
        if breaks::on(Break::UnknownIsFailure) {
            return Err(Try::Again);
        }
        if started.elapsed() > PATIENCE {
            return Err(Try::Failed(Error::MayHaveHappened { doing, source: error }));
        }
        tokio::time::sleep(jitter(attempt)).await;
        attempt += 1;
    }
}

enum Try {
    Again,
    Unmet,
    Failed(Error),
}

impl Try {
    fn sort(doing: &'static str, error: mongodb::error::Error) -> Self {
        if error.contains_label(TRANSIENT_TRANSACTION_ERROR) {
            return Self::Again;
        }
        // Before its commit a transaction has no effect, so nothing may have happened.
        Self::Failed(Error::from_driver(doing, error))
    }
}

/// Twice as long each time, from 1 ms to 256 ms, and somewhere in the upper half of that.
fn jitter(attempt: u32) -> Duration {
    let longest = 1_u32 << attempt.min(8);
    Duration::from_secs_f64(f64::from(longest) * (0.5 + 0.5 * rand::random::<f64>()) / 1_000.0)
}

fn whole(value: &Bson) -> Option<u64> {
    match value {
        Bson::Int32(n) => u64::try_from(*n).ok(),
        Bson::Int64(n) => u64::try_from(*n).ok(),
        Bson::Double(n) => Some(*n as u64),
        _ => None,
    }
}
