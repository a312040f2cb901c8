//! What is saved for a job only grows, and each attempt is given what was saved last.

use super::attempts::last_two;
use super::evidence::Found;
use super::story::{Kind, Story};
use crate::history::Event;
use crate::server::Of;

pub(super) fn check(story: &Story<'_>, found: &mut Found<'_, '_>) {
    for job in &story.jobs {
        if story.was_meddled_with(Of::Job, job.id) {
            continue;
        }
        for step in job.steps.iter().filter(|step| step.kind != Kind::Put) {
            let (Some(before), Some(after)) = (step.before, step.after) else { continue };
            let gone = before.has_saved && !after.has_saved;
            let less = matches!((before.saved, after.saved), (Some(had), Some(has)) if has < had);
            if gone || less {
                let token = before.token.or(after.token);
                let what = format!(
                    "what was saved for {} went from {:?} to {:?}",
                    job.id, before.saved, after.saved
                );
                found.add(job, token.as_slice(), what);
            }
        }
        for (_, line) in story.lines(job) {
            let Event::Claimed { token, saved, .. } = &line.event else { continue };
            let Some((_, hold)) = story.hold(job.id, token) else { continue };
            let before = job.steps.get(hold.from).and_then(|step| step.before);
            let Some(before) = before else { continue };
            // A saved state that is no counter can't be compared.
            if before.has_saved == before.saved.is_some() && *saved != before.saved {
                let what = format!(
                    "an attempt at {} was given {saved:?}, and {:?} was saved",
                    job.id, before.saved
                );
                found.add(job, &last_two(job, token), what);
            }
        }
    }
}
