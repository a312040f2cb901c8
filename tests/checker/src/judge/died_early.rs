//! A job that was not rejected has used up its attempts when it is dead.

use super::evidence::Found;
use super::story::{How, Kind, State, Story};
use crate::history::Verdict;

pub(super) fn check(story: &Story<'_>, found: &mut Found<'_, '_>) {
    for job in &story.jobs {
        for step in &job.steps {
            let (Some(before), Some(after)) = (step.before, step.after) else { continue };
            let Kind::End { how, record, .. } = step.kind else { continue };
            if after.state != State::Dead || after.attempts >= after.max_attempts {
                continue;
            }
            let token = before.token.unwrap_or_default();
            let verdicts: Vec<Verdict> = story
                .calls(job)
                .into_iter()
                .filter(|call| call.token == token)
                .filter_map(|call| call.verdict())
                .collect();
            // The queue itself rejects an output that it can't keep; and who says nothing may have
            // rejected it.
            let refused = record.is_some_and(|record| {
                record.kind.starts_with("limit:") || record.code == "bad-output"
            });
            let silent = verdicts.iter().all(|verdict| *verdict == Verdict::Unknown);
            let may_be_rejected =
                how == How::Failed && (refused || silent || verdicts.contains(&Verdict::Rejected));
            if !may_be_rejected {
                let what = format!(
                    "{} died after {} of {} attempts",
                    job.id, after.attempts, after.max_attempts
                );
                found.add(job, &[token], what);
            }
        }
    }
}
