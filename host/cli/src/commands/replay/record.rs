//! Which attempt is made again, what is on record of it, and whether it ended alike.

use mongoqueue::{ErrorRecord, Failure, Fingerprint, Job, State};
use mongoqueue_wasmtime::ComponentHandler;

use crate::show::Show;

/// The attempt that is made again.
pub(super) struct Record {
    /// Its number, from 1.
    pub(super) attempt: u32,
    /// How it ended; `None` where nothing is on record of it.
    pub(super) error: Option<ErrorRecord>,
}

/// Where an attempt's end differs from the one on record.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Compared {
    /// The kind, the code and the place are the same: `list --group` has them in one row.
    pub(super) same: bool,
    /// Of `kind`, `code`, `frames` and `message` those that differ.
    pub(super) differs: Vec<&'static str>,
}

impl Record {
    /// The attempt of that number, or the one that somebody is likely to mean.
    pub(super) fn of(job: &Job, attempt: Option<u32>) -> Self {
        let last = job.last_error().map(|error| error.attempt);
        let failed = !matches!(job.state, State::Completed | State::Running);
        let meant = last.filter(|_| failed).unwrap_or(job.attempt());
        let attempt = attempt.unwrap_or(meant).max(1);
        // After a retry the numbers begin anew: the last one counts.
        let error = job.errors.iter().rev().find(|error| error.attempt == attempt).cloned();
        Self { attempt, error }
    }

    pub(super) fn compare(&self, failure: &Failure) -> Option<Compared> {
        self.error.as_ref().map(|error| compare(error, failure))
    }

    /// The digest of the component that ran then, `sha256:…`, where it is on record.
    pub(super) fn digest(&self) -> Option<&str> {
        self.error.as_ref().and_then(recorded_digest)
    }

    /// Whether this is the component that ran then; `None` where that is not on record.
    pub(super) fn same_handler(&self, handler: &ComponentHandler) -> Option<bool> {
        self.digest().map(|recorded| recorded == digest(handler))
    }

    /// Says so to a person where another component is run than the one that died.
    pub(super) fn warn(&self, show: Show, handler: &ComponentHandler) {
        if let Some(words) = other_handler(self.digest(), &digest(handler)) {
            show.note(&words);
        }
    }
}

/// As it is written in records and policies.
pub(super) fn digest(handler: &ComponentHandler) -> String {
    format!("sha256:{}", handler.digest())
}

/// Where a record has the digest of its handler.
fn recorded_digest(error: &ErrorRecord) -> Option<&str> {
    error.evidence.digest.as_deref()
}

fn other_handler(recorded: Option<&str>, this: &str) -> Option<String> {
    let recorded = recorded.filter(|recorded| *recorded != this)?;
    Some(format!(
        "warning: another component than the one that ran: the record says {recorded}, \
         this is {this}"
    ))
}

fn compare(error: &ErrorRecord, failure: &Failure) -> Compared {
    let (then, now) = (Fingerprint::from(error), Fingerprint::from(failure));
    let mut differs = Vec::new();
    let mut part = |name, same: bool| differs.extend((!same).then_some(name));
    part("kind", then.kind == now.kind);
    part("code", then.code == now.code);
    // Where a guest is when its time is over is chance.
    let by_chance = matches!(failure.kind.as_ref(), "timeout" | "cpu");
    part("frames", by_chance || then.frames == now.frames);
    let same = differs.is_empty();
    if error.message != failure.message {
        differs.push("message");
    }
    Compared { same, differs }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_digest_than_that_on_record_is_told() {
        assert_eq!(other_handler(None, "sha256:a"), None);
        assert_eq!(other_handler(Some("sha256:a"), "sha256:a"), None);
        let told = other_handler(Some("sha256:b"), "sha256:a");
        assert!(told.is_some_and(|it| it.contains("the record says sha256:b, this is sha256:a")));
    }
}
