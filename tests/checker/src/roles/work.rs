//! The jobs of the queue `work`: what a producer asks for, and what a consumer does then.

use std::time::Duration;

use mongoqueue::{Attempt, Failure, JobId, NewJob, Outcome, Payload, PutOptions};
use mongoqueue::{Backoff, Error};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::recorded::{counter, save};
use super::{CALM, GUESTS, STEPS, WORK};
use crate::chance::Chance;
use crate::history::{PutJob, Recorder};

/// A payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Work {
    /// How long it takes, in milliseconds.
    ms: u64,
    /// How often it saves on the way.
    saves: u32,
    /// How it ends.
    end: End,
    /// The first so many attempts (of a release: claims) end so, later ones complete.
    until: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum End {
    Complete,
    Fail,
    Reject,
    Release,
    Panic,
    /// Never ends by itself.
    Hang,
}

impl Work {
    fn draw(chance: &mut Chance) -> Self {
        let ms = match chance.below(100) {
            0..60 => chance.between(0, 80),
            60..95 => chance.between(80, 500),
            // Longer than a lease, which has to be kept.
            _ => chance.between(2_000, 4_000),
        };
        let saves = if chance.percent(25) { chance.between(1, 4) } else { 0 };
        let end = match chance.below(100) {
            0..72 => End::Complete,
            72..82 => End::Fail,
            82..86 => End::Reject,
            86..94 => End::Release,
            94..97 => End::Panic,
            _ => End::Hang,
        };
        let saves = u32::try_from(saves).unwrap_or(0);
        Self { ms, saves, end, until: chance.between(1, 3) }
    }

    /// How this attempt ends.
    pub(super) fn end(self, attempt: u32, claims: u64) -> End {
        let count = if self.end == End::Release { claims } else { attempt.into() };
        if count <= self.until { self.end } else { End::Complete }
    }

    /// Works, and saves on the way. False when the claim is lost.
    pub(super) async fn work(self, recorder: &Recorder, attempt: &Attempt) -> bool {
        let part = Duration::from_millis(self.ms) / (self.saves + 1);
        let mut saved = counter(attempt.saved().as_ref()).unwrap_or(0);
        for _ in 0..self.saves {
            tokio::time::sleep(part).await;
            saved += 1;
            if !save(recorder, attempt, saved).await {
                return false;
            }
        }
        tokio::time::sleep(part).await;
        true
    }
}

impl End {
    /// As an outcome; a job that never ends, or panics, does so here.
    pub(super) async fn outcome(self) -> Outcome {
        match self {
            Self::Complete => Outcome::Completed(None),
            Self::Fail => Outcome::Failed(Failure::new("failed, as asked")),
            Self::Reject => Outcome::Failed(Failure::new("rejected, as asked").reject()),
            Self::Release => Outcome::Released { delay: Duration::from_millis(150) },
            Self::Panic => panic!("panicking, as asked"),
            Self::Hang => std::future::pending().await,
        }
    }
}

/// A job that has not been put yet, as the library and as the history have it.
#[derive(Clone)]
pub(crate) struct Draft {
    pub(crate) job: NewJob,
    pub(crate) line: PutJob,
}

impl Draft {
    /// Any job for any queue.
    pub(super) fn draw(id: String, chance: &mut Chance) -> Result<Self, Error> {
        let (queue, payload) = match chance.below(100) {
            0..74 => (WORK, json!(Work::draw(chance))),
            74..87 => (STEPS, steps(chance)),
            _ => (GUESTS, harmless(chance)),
        };
        let hangs = payload.get("end").is_some_and(|end| end == "hang");
        let timeout = if hangs { chance.between(500, 1_500) } else { 15_000 };
        let mut draft = Self::new(id, queue, &payload, Duration::from_millis(timeout))?;
        let options = &mut draft.job.options;
        options.priority = i32::try_from(chance.below(4)).unwrap_or(0);
        options.max_attempts = u32::try_from(chance.between(2, 6)).ok();
        if chance.percent(12) {
            options.delay = Duration::from_millis(chance.between(100, 3_000));
        }
        if chance.percent(30) {
            options.backoff =
                Some(Backoff::exponential(Duration::from_millis(100), Duration::from_secs(1)));
        }
        // Such a one can be put again when it is done, and is then found to be there.
        if chance.percent(50) {
            options.retain = Some(Duration::from_secs(3_600));
        }
        if chance.percent(6) {
            options.unique_key = Some(format!("key-{}", chance.below(12)));
        }
        Ok(draft.told())
    }

    /// A job that does as `payload` says.
    pub(crate) fn new(
        id: String,
        queue: &str,
        payload: &Value,
        timeout: Duration,
    ) -> Result<Self, Error> {
        let options = PutOptions {
            id: Some(id.parse::<JobId>()?),
            max_attempts: Some(2),
            timeout: Some(timeout),
            ..PutOptions::default()
        };
        let job = NewJob { payload: Payload::json(payload)?, options };
        let line = PutJob { id, queue: queue.to_owned(), ..PutJob::default() };
        Ok(Self { job, line }.told())
    }

    /// A job for the calm phase.
    pub(crate) fn calm(id: String, chance: &mut Chance) -> Result<Self, Error> {
        let work = Work { ms: 0, saves: 0, end: End::Complete, until: 0 };
        let mut draft = Self::new(id, CALM, &json!(work), Duration::from_secs(30))?;
        draft.job.options.priority = i32::try_from(chance.below(3)).unwrap_or(0);
        Ok(draft.told())
    }

    /// The line says what the options say.
    fn told(mut self) -> Self {
        let options = &self.job.options;
        self.line.priority = options.priority;
        self.line.max_attempts = options.max_attempts.unwrap_or(3);
        self.line.unique_key.clone_from(&options.unique_key);
        self.line.delay_ms = u64::try_from(options.delay.as_millis()).unwrap_or(u64::MAX);
        self
    }
}

fn steps(chance: &mut Chance) -> Value {
    let steps = chance.between(1, 6);
    let mut work = json!({ "steps": steps, "step_ms": chance.between(5, 300) });
    if chance.percent(20) {
        work["die_at"] = chance.between(1, steps).into();
    }
    work
}

fn harmless(chance: &mut Chance) -> Value {
    match chance.below(8) {
        0 => json!({ "do": "echo", "value": chance.below(1_000) }),
        1 => json!({ "do": "flaky", "succeed_at": 2 }),
        2 => json!({ "do": "busy", "ms": chance.between(1, 100) }),
        3 => json!({ "do": "sleep", "ms": chance.between(1, 3_000) }),
        4 => json!({ "do": "fail" }),
        5 => json!({ "do": "slow-cooperative", "ms": chance.between(100, 2_000) }),
        _ => json!({ "do": "ok" }),
    }
}
