//! Every attempt that was counted left its error record, in the same write.

use super::evidence::Found;
use super::story::{How, Kind, State, Story};
use crate::history::Verdict;
use crate::server::Of;

pub(super) fn check(story: &Story<'_>, found: &mut Found<'_, '_>) {
    for job in &story.jobs {
        if story.was_meddled_with(Of::Job, job.id) {
            continue;
        }
        for step in &job.steps {
            let Kind::End { how, counted, record } = step.kind else { continue };
            let Some(after) = step.after else { continue };
            let token = step.before.and_then(|before| before.token);
            let id = job.id;
            let what = match how {
                How::Failed | How::Expired => {
                    let attempt = record.map_or(0, |record| record.attempt);
                    (attempt != after.attempts).then(|| {
                        format!("{id} has a record of attempt {attempt} after {}", after.attempts)
                    })
                }
                How::Returned if counted > 0 || after.state == State::Dead => {
                    let failed = story.calls(job).iter().any(|call| {
                        let verdict = call.verdict();
                        let failed = matches!(verdict, Some(Verdict::Failed | Verdict::Rejected));
                        failed && Some(call.token) == token
                    });
                    (failed || after.state == State::Dead)
                        .then(|| format!("a failed attempt at {id} left no record"))
                }
                _ => None,
            };
            if let Some(what) = what {
                found.add(job, token.as_slice(), what);
            }
        }
    }
}
