//! No job is claimed before its due time, by the server's clock.

use super::evidence::Found;
use super::story::{Kind, Story};
use crate::server::Of;

pub(super) fn check(story: &Story<'_>, found: &mut Found<'_, '_>) {
    for job in &story.jobs {
        if story.was_meddled_with(Of::Job, job.id) {
            continue;
        }
        for step in job.steps.iter().filter(|step| step.kind == Kind::Claim) {
            let (Some(before), Some(after)) = (step.before, step.after) else { continue };
            let early = before.due - story.time(step.at, after.claimed_at);
            if early > 0 {
                let what = format!("{} was claimed {early} ms before it was due", job.id);
                found.add(job, after.token.as_slice(), what);
            }
        }
    }
}
