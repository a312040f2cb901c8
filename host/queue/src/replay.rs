//! An attempt that is made once more with no queue behind it: which one, and how the queue would
//! have written its end.

use crate::job::{Job, State};
use crate::outcome::Outcome;
use crate::transition;
use crate::worker::within_limit;

impl Job {
    /// The job as its handler sees it in the attempt of this number, from 1: for
    /// [`Attempt::detached`](crate::Attempt::detached). What was saved and reported stays as it was
    /// read, as the queue keeps only the last of it.
    pub fn at_attempt(self, attempt: u32) -> Self {
        Self { state: State::Running, attempts: attempt.saturating_sub(1), cancel_at: None, ..self }
    }
}

impl Outcome {
    /// The outcome as a worker would write it: an output that is over the connection's payload
    /// limit (bytes) is a failure, and the texts of a failure are cut as in its record.
    pub fn as_recorded(self, payload_limit: usize) -> Self {
        match within_limit(self, payload_limit) {
            Self::Failed(failure) => Self::Failed(transition::as_recorded(failure)),
            outcome => outcome,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Failure;
    use crate::payload::Payload;

    #[test]
    fn an_attempt_has_the_number_that_it_is_given() {
        let job = Job::new("q", Payload::bytes("text/plain", "x"));
        assert_eq!(job.clone().at_attempt(3).attempt(), 3);
        assert_eq!(job.at_attempt(0).attempt(), 1);
    }

    #[test]
    fn an_outcome_is_bounded_as_its_record_is() {
        let long = Outcome::Failed(Failure::new("é".repeat(9_000)).code("c".repeat(300)));
        let Outcome::Failed(failure) = long.as_recorded(100) else { panic!("it failed") };
        assert!(failure.message.len() < 4_200 && failure.message.ends_with('…'));
        assert!(failure.code.is_some_and(|code| code.len() < 110));
        let output = Outcome::Completed(Some(Payload::bytes("text/plain", "x".repeat(101))));
        assert_eq!(output.clone().as_recorded(101), output);
        let Outcome::Failed(failure) = output.as_recorded(100) else { panic!("too large") };
        assert_eq!(failure.kind, "limit:output");
    }
}
