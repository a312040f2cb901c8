//! The pipelines in the database against the pure state machine: whatever is done to a job, its
//! document is where `State::after` says, and keeps its invariants.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bson::{Document, doc};
use mongoqueue::{
    Error, Event, Failure, JobId, NextOptions, Outcome, Payload, Progress, Queue, State, Token,
};
use mongoqueue_tests::Stage;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

mod invariants;

/// Something that is done to a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Claim,
    Complete,
    Fail,
    Reject,
    Release,
    HandBack,
    Expire,
    Cancel,
    Retry,
    Report,
    Save,
}

/// A claim is as likely as all the ways for it to end.
fn verbs() -> impl Strategy<Value = Verb> {
    use Verb::*;
    let ends = vec![Complete, Fail, Reject, Release, HandBack, Expire];
    let others = vec![Cancel, Retry, Report, Save];
    prop_oneof![
        2 => Just(Claim),
        2 => prop::sample::select(ends),
        1 => prop::sample::select(others),
    ]
}

/// What a job has to be like.
#[derive(Clone, Copy, Debug)]
struct Model {
    state: State,
    attempts: u32,
    max_attempts: u32,
    claims: u64,
    records: usize,
    cancel_asked: bool,
    token: Option<Token>,
}

impl Model {
    /// What the verb makes of it; `None` where it can't be done.
    fn after(self, verb: Verb) -> Option<Self> {
        let spent = self.attempts + 1 >= self.max_attempts;
        let cancelled = self.cancel_asked;
        let event = match verb {
            Verb::Claim => Event::Claim,
            Verb::Complete => Event::Complete,
            Verb::Fail => Event::Fail { spent, cancelled },
            Verb::Reject => Event::Reject,
            Verb::Release => Event::Release { cancelled },
            Verb::HandBack => Event::HandBack { cancelled },
            Verb::Expire => Event::Expire { spent, cancelled },
            Verb::Cancel => Event::Cancel,
            Verb::Retry => Event::Retry,
            Verb::Report | Verb::Save => return (self.state == State::Running).then_some(self),
        };
        let mut after = Self { state: self.state.after(event)?, ..self };
        match verb {
            Verb::Claim => after.claims += 1,
            Verb::Fail | Verb::Reject | Verb::Expire => {
                after.attempts += 1;
                // The last ten are kept.
                after.records = (after.records + 1).min(10);
            }
            Verb::Retry => after.attempts = 0,
            _ => {}
        }
        let running = after.state == State::Running;
        after.cancel_asked = running && (self.cancel_asked || verb == Verb::Cancel);
        after.token = after.token.filter(|_| running);
        Some(after)
    }
}

/// One job, on a queue of its own.
struct Subject<'a> {
    stage: &'a Stage,
    queue: Queue,
    id: JobId,
}

impl<'a> Subject<'a> {
    async fn put(stage: &'a Stage, max_attempts: u32) -> Result<Self> {
        let id = JobId::mint();
        let queue = stage.mq.queue(&format!("queue of {id}"))?;
        let put = queue.put(doc! { "$set": 1 }).id(id.clone()).max_attempts(max_attempts);
        put.retain(Duration::from_secs(3_600)).unique_key("key").await?;
        Ok(Self { stage, queue, id })
    }

    /// Does it. `None` when it was refused, else the state and the token after it.
    async fn act(&self, model: Model, verb: Verb) -> Result<Option<(State, Option<Token>)>> {
        let done = match verb {
            Verb::Claim => {
                let job = self.queue.next(&NextOptions::default()).await?;
                let token = job.as_ref().map(mongoqueue::Lease::token);
                job.into_iter().for_each(mongoqueue::Lease::detach);
                return Ok(token.map(|token| (State::Running, Some(token))));
            }
            Verb::Expire if model.state == State::Running => Some(self.expire().await?),
            Verb::Expire => None,
            Verb::Cancel => {
                Some(self.queue.cancel(&self.id).await?).filter(|_| !model.state.is_final())
            }
            Verb::Retry => self.queue.retry(&self.id).await?.then_some(State::Ready),
            _ => self.under_lease(model.token.unwrap_or_else(Token::mint), verb).await?,
        };
        Ok(done.map(|state| (state, model.token.filter(|_| state == State::Running))))
    }

    /// The lease runs out, and whoever claims next takes the job back. What is claimed then is
    /// another job, the most urgent there is.
    async fn expire(&self) -> Result<State> {
        let past = vec![doc! { "$set": { "until": { "$subtract": ["$$NOW", 1] } } }];
        let mine = doc! { "queue": self.queue.name() };
        self.stage.leases().update_many(mine, past).await?;
        let other = self.queue.put(doc! {}).priority(i32::MAX).await?;
        let claimed = self.queue.next(&NextOptions::default()).await?.context("one is due")?;
        ensure!(claimed.job().id == other.id);
        claimed.complete(None).await?;
        Ok(self.queue.get(&self.id).await?.state)
    }

    async fn under_lease(&self, token: Token, verb: Verb) -> Result<Option<State>> {
        let lease = match self.queue.lease(&self.id, token).await {
            Ok(lease) => lease,
            Err(Error::LeaseLost { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let outcome = match verb {
            Verb::Complete => Outcome::Completed(Some(Payload::bytes("text/plain", "done"))),
            Verb::Fail => Outcome::Failed(Failure::new("failed")),
            Verb::Reject => Outcome::Failed(Failure::new("never").reject()),
            Verb::Release => Outcome::Released { delay: Duration::ZERO },
            Verb::HandBack => Outcome::HandedBack,
            Verb::Report => {
                lease.progress(&Progress::default()).await?;
                lease.detach();
                return Ok(Some(State::Running));
            }
            _ => {
                lease.attempt().save(&Payload::json("saved")?).await?;
                lease.detach();
                return Ok(Some(State::Running));
            }
        };
        Ok(Some(lease.settle(outcome).await?))
    }

    async fn document(&self) -> Result<Document> {
        let job = self.queue.get(&self.id).await?;
        self.stage.document(&job).await
    }
}

async fn follow(stage: &Stage, max_attempts: u32, verbs: &[Verb]) -> Result<()> {
    let subject = Subject::put(stage, max_attempts).await?;
    let state = State::Ready;
    let (attempts, claims, records, cancel_asked, token) = (0, 0, 0, false, None);
    let mut model = Model { state, attempts, max_attempts, claims, records, cancel_asked, token };
    for (step, &verb) in verbs.iter().enumerate() {
        let context = || format!("step {step}, {verb:?} on {model:?}");
        let done = subject.act(model, verb).await.with_context(context)?;
        let expected = model.after(verb);
        let state = expected.map(|after| after.state);
        ensure!(done.map(|(state, _)| state) == state, "{}: {done:?}", context());
        model = expected.unwrap_or(model);
        model.token = done.map_or(model.token, |(_, token)| token);
        let document = subject.document().await?;
        invariants::check(stage, &document, &model).await.with_context(|| format!("{document}"))?;
    }
    Ok(())
}

#[test]
fn any_sequence_of_verbs_keeps_the_invariants() -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let stage = runtime.block_on(Stage::new())?;
    // A case is some hundred commands.
    let config = Config { cases: 24, failure_persistence: None, ..Config::default() };
    let cases = (1_u32..4, prop::collection::vec(verbs(), 1..24));
    let ran = TestRunner::new(config).run(&cases, |(max_attempts, verbs)| {
        let followed = runtime.block_on(follow(&stage, max_attempts, &verbs));
        followed.map_err(|error| TestCaseError::fail(format!("{error:#}")))
    });
    ran?;
    runtime.block_on(stage.end())
}

/// Each verb on a job in each state, and on a running one that was asked to stop.
#[tokio::test]
async fn every_verb_in_every_state() -> Result<()> {
    use Verb::*;
    let stage = Stage::new().await?;
    let roads: [&[Verb]; 6] =
        [&[], &[Claim], &[Claim, Cancel], &[Claim, Complete], &[Claim, Reject], &[Cancel]];
    let all =
        [Claim, Complete, Fail, Reject, Release, HandBack, Expire, Cancel, Retry, Report, Save];
    for road in roads {
        for verb in all {
            for max_attempts in [1, 2] {
                // A claim and a failure after it: what comes after is fit for use too.
                let verbs = [road, &[verb, Claim, Fail]].concat();
                follow(&stage, max_attempts, &verbs).await.with_context(|| format!("{verbs:?}"))?;
            }
        }
    }
    stage.end().await
}

#[tokio::test]
async fn records_are_bounded() -> Result<()> {
    let stage = Stage::new().await?;
    let verbs: Vec<Verb> = [Verb::Claim, Verb::Fail, Verb::Claim, Verb::Expire].repeat(6);
    follow(&stage, 20, &verbs).await?;
    stage.end().await
}
