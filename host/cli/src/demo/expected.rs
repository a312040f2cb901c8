//! What is put to go wrong, and how all of it has to end.

use std::time::Duration;

use mongoqueue::{Job, NewJob, Payload, PutOptions};
use serde_json::{Value, json};

use super::texts::Document;
use super::{PAGES, Played, TROUBLE};

/// A job that misbehaves, and its death.
pub(super) struct Misdeed {
    /// In the words of a person.
    pub(super) what: &'static str,
    payload: Value,
    options: PutOptions,
    kind: &'static str,
    code: Option<&'static str>,
    attempts: u32,
    backtrace: bool,
}

/// All of them.
pub(super) fn misdeeds() -> Vec<Misdeed> {
    let tries =
        |max_attempts| PutOptions { max_attempts: Some(max_attempts), ..Default::default() };
    let base = |what, payload, kind| Misdeed {
        what,
        payload,
        options: tries(1),
        kind,
        code: None,
        attempts: 1,
        backtrace: false,
    };
    let panic = json!({ "do": "panic", "message": "a row without a date" });
    // Long enough for an instance to start on a busy machine, short enough to wait for.
    let short = PutOptions { timeout: Some(Duration::from_millis(400)), ..tries(1) };
    vec![
        Misdeed {
            options: tries(2),
            attempts: 2,
            backtrace: true,
            ..base("panics", panic, "trap:unreachable")
        },
        Misdeed {
            options: short,
            ..base("never ends, with 400ms to do it in", json!({ "do": "loop" }), "timeout")
        },
        base("takes all the memory it can get", json!({ "do": "memory" }), "memory"),
        Misdeed {
            options: tries(2),
            attempts: 2,
            code: Some("smtp-550"),
            ..base("reports a failure", json!({ "do": "fail-code", "code": "smtp-550" }), "failure")
        },
        Misdeed {
            options: tries(3),
            ..base("is rejected by its handler", json!({ "do": "reject" }), "failure")
        },
    ]
}

impl Misdeed {
    /// # Errors
    /// None that its own payloads could cause.
    pub(super) fn job(&self) -> mongoqueue::Result<NewJob> {
        Ok(NewJob { payload: Payload::json(&self.payload)?, options: self.options.clone() })
    }

    pub(super) fn is(&self, job: &Job) -> bool {
        job.payload.to_json() == self.payload
    }

    /// How a job that should have died this death differs from that.
    fn difference(&self, dead: &[Job]) -> Option<String> {
        let Some(job) = dead.iter().find(|job| self.is(job)) else {
            return Some(format!("the job that {} did not die", self.what));
        };
        let Some(error) = job.last_error() else {
            return Some(format!("the job that {} has no record of its death", self.what));
        };
        let backtrace = error.backtrace.is_some() || !self.backtrace;
        let as_expected = error.kind == self.kind
            && error.code.as_deref() == self.code
            && job.attempts == self.attempts
            && backtrace;
        let (kind, code, tries) = (self.kind, self.code, self.attempts);
        (!as_expected).then(|| {
            format!(
                "the job that {}: expected {kind} {code:?} after {tries} attempts, found {} {:?} \
                 after {}{}",
                self.what,
                error.kind,
                error.code,
                job.attempts,
                if backtrace { "" } else { ", without a backtrace" }
            )
        })
    }
}

/// Everything that is not as it should be, in the words of a person.
pub(super) fn differences(documents: &[Document], played: &Played) -> Vec<String> {
    let misdeeds = misdeeds();
    let mut all: Vec<String> =
        misdeeds.iter().filter_map(|misdeed| misdeed.difference(&played.dead)).collect();
    if played.dead.len() != misdeeds.len() {
        all.push(format!("{} jobs died, expected {}", played.dead.len(), misdeeds.len()));
    }
    let rendered = |document: &&Document| !played.pages.iter().any(|job| is_page_of(job, document));
    let missing: Vec<&Document> = documents.iter().filter(rendered).collect();
    if let Some(first) = missing.first() {
        all.push(format!("{} texts have no page, the first is {:?}", missing.len(), first.name));
    }
    for (queue, stats) in &played.counts {
        let (completed, dead) = match *queue {
            PAGES => (documents.len(), 0),
            TROUBLE => (0, misdeeds.len()),
            _ => (0, 0),
        };
        let left = stats.scheduled + stats.ready + stats.running + stats.cancelled;
        if stats.completed != completed as u64 || stats.dead != dead as u64 || left != 0 {
            all.push(format!(
                "queue {queue}: expected {completed} completed and {dead} dead, found {} and {}, \
                 and {left} others",
                stats.completed, stats.dead
            ));
        }
    }
    all
}

/// Is the job's output what this text has to become?
fn is_page_of(job: &Job, document: &Document) -> bool {
    let Some(page) = job.output.as_ref().map(Payload::to_json) else { return false };
    let html = page["html"].as_str().unwrap_or_default();
    page["name"] == document.name.as_str() && html.starts_with('<') && html.contains("</")
}
