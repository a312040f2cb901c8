//! What consumers write down, and how the library's answers are told.

use std::time::Duration;

use mongoqueue::{
    Attempt, Disposition, Error, Handler, HandlerFuture, Outcome, Payload, State, Token,
    WorkerEvent,
};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use super::Part;
use crate::history::{Answer, Event, Recorder, Verdict};

/// Everything that a role needs beside its connection.
pub(super) struct Scene {
    pub(super) part: Part,
    pub(super) recorder: Recorder,
    pub(super) stop: CancellationToken,
}

/// Writes it down. A process that can't say what it does must do nothing more.
pub(super) fn say(recorder: &Recorder, event: Event) {
    if recorder.record(event).is_err() {
        std::process::exit(5);
    }
}

/// What a call said, without its value.
pub(super) fn answer<T>(
    said: &Result<T, Error>,
    state: impl FnOnce(&T) -> Option<State>,
) -> Answer {
    match said {
        Ok(value) => {
            let state = state(value).map(|state| state.name().to_owned());
            Answer::Done { state }
        }
        Err(error) => refusal(error),
    }
}

pub(super) fn refusal(error: &Error) -> Answer {
    match error {
        Error::LeaseLost { .. } => Answer::LeaseLost,
        Error::MayHaveHappened { .. } => Answer::MayHaveHappened { why: error.to_string() },
        _ => Answer::Failed { why: error.to_string() },
    }
}

pub(super) fn verdict(outcome: &Outcome) -> Verdict {
    match outcome {
        Outcome::Completed(_) => Verdict::Completed,
        Outcome::Failed(failure) if failure.disposition == Disposition::Reject => Verdict::Rejected,
        Outcome::Failed(_) => Verdict::Failed,
        Outcome::Released { .. } => Verdict::Released,
        Outcome::HandedBack => Verdict::HandedBack,
    }
}

/// The counter that was saved: a number, or that of the next step.
pub(super) fn counter(saved: Option<&Payload>) -> Option<u64> {
    let saved = saved?.to_json();
    saved.as_u64().or_else(|| saved.get("next")?.as_u64())
}

/// A claimed job, as a line.
pub(super) fn claimed(attempt: &Attempt, lease: Duration) -> Event {
    Event::Claimed {
        job: attempt.job().id.to_string(),
        token: attempt.token().to_string(),
        attempt: attempt.job().attempt(),
        saved: counter(attempt.saved().as_ref()),
        lease_ms: u64::try_from(lease.as_millis()).unwrap_or(u64::MAX),
    }
}

/// Saves a counter, and says so. False when the claim is lost.
pub(super) async fn save(recorder: &Recorder, attempt: &Attempt, value: u64) -> bool {
    let job = attempt.job().id.to_string();
    let token = attempt.token().to_string();
    say(recorder, Event::SaveCall { job: job.clone(), token: token.clone(), value });
    let said = match Payload::json(&value) {
        Ok(state) => attempt.save(&state).await,
        Err(error) => Err(error),
    };
    let answer = answer(&said, |()| None);
    let lost = answer == Answer::LeaseLost;
    say(recorder, Event::SaveAnswer { job, token, value, answer });
    !lost
}

/// A handler whose claims and returns are written down.
pub(super) struct Recorded<H> {
    pub(super) inner: H,
    pub(super) recorder: Recorder,
    pub(super) lease: Duration,
}

impl<H: Handler> Handler for Recorded<H> {
    fn handle(&self, attempt: Attempt) -> HandlerFuture<'_> {
        Box::pin(async move {
            say(&self.recorder, claimed(&attempt, self.lease));
            let job = attempt.job().id.to_string();
            let token = attempt.token().to_string();
            let outcome = self.inner.handle(attempt).await;
            let verdict = verdict(&outcome);
            say(&self.recorder, Event::SettleCall { job, token, verdict });
            outcome
        })
    }
}

/// Writes down what a worker tells, until it has ended.
pub(super) async fn listen(recorder: Recorder, mut events: broadcast::Receiver<WorkerEvent>) {
    loop {
        match events.recv().await {
            Ok(event) => {
                if let Some(event) = line(event) {
                    say(&recorder, event);
                }
            }
            Err(RecvError::Lagged(n)) => {
                let text = format!("{n} events of the worker were missed");
                say(&recorder, Event::Note { text, job: None });
            }
            Err(RecvError::Closed) => return,
        }
    }
}

fn line(event: WorkerEvent) -> Option<Event> {
    let note = |text: String| Some(Event::Note { text, job: None });
    match event {
        WorkerEvent::Finished { id, token, outcome, state, .. } => Some(Event::SettleAnswer {
            job: id.to_string(),
            token: token.to_string(),
            verdict: verdict(&outcome),
            answer: Answer::Done { state: state.map(|state| state.name().to_owned()) },
        }),
        WorkerEvent::LeaseLost { id, token, .. } => {
            Some(lost(id.to_string(), token, Answer::LeaseLost))
        }
        WorkerEvent::MayHaveHappened { id, token, .. } => {
            let why = "the lease ran out before it was known".to_owned();
            Some(lost(id.to_string(), token, Answer::MayHaveHappened { why }))
        }
        WorkerEvent::TookBack { jobs, consumer, .. } => {
            note(format!("took back {jobs} jobs of {consumer}"))
        }
        WorkerEvent::Trouble { error } => note(format!("trouble: {error}")),
        WorkerEvent::Recovered { after } => note(format!("recovered after {after:?}")),
        WorkerEvent::Stopping { running } => note(format!("stopping, {running} jobs run")),
        _ => None,
    }
}

/// The event doesn't say what the outcome would have been.
fn lost(job: String, token: Token, answer: Answer) -> Event {
    Event::SettleAnswer { job, token: token.to_string(), verdict: Verdict::Unknown, answer }
}
