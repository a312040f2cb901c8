//! What the sandbox knows of an attempt, for the record of one that failed.

use mongoqueue::{Evidence, Failure, Outcome};

use crate::log::JobLog;
use crate::sandbox::Guest;

/// What ran: the same in every attempt.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    /// SHA-256, in hexadecimal.
    pub(crate) digest: String,
    pub(crate) version: Option<String>,
}

impl Identity {
    /// The failure of an attempt that nothing ran in; it has what would have.
    pub(crate) fn own(&self, mut failure: Failure) -> Failure {
        failure.evidence.digest = Some(format!("sha256:{}", self.digest));
        failure.evidence.version.clone_from(&self.version);
        failure
    }

    /// The outcome; a failure has what was measured with it.
    pub(crate) fn testify(&self, outcome: Outcome, guest: &Guest, log: &JobLog) -> Outcome {
        let Outcome::Failed(mut failure) = outcome else { return outcome };
        *failure.evidence = Evidence {
            digest: Some(format!("sha256:{}", self.digest)),
            version: self.version.clone(),
            log: log.last_lines(),
            cpu: Some(guest.computed()),
            memory: Some(guest.memory() as u64),
            // The worker's to say: it began before the sandbox did.
            ..*failure.evidence
        };
        Outcome::Failed(failure)
    }
}
