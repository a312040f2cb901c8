//! What was told done under a claim can only have been written with the claim: so that is in the
//! account, and what was saved with it. A cancel that was acknowledged left its trace.

use super::effect::hold;
use super::evidence::Found;
use super::story::{Call, JobDoc, JobStory, State, Story, What};
use crate::history::{Answer, Event};
use crate::server::Of;

pub(super) fn check(story: &Story<'_>, found: &mut Found<'_, '_>) {
    for job in &story.jobs {
        if story.was_meddled_with(Of::Job, job.id) {
            continue;
        }
        for call in story.calls(job) {
            if call.answer.is_some_and(Answer::is_done)
                && let Some(what) = rolled_back(job, &call)
            {
                found.add(job, &[call.token], what);
            }
        }
        if let Some(what) = cancel_lost(story, job) {
            found.add(job, &[], what);
        }
    }
}

fn rolled_back(job: &JobStory<'_>, call: &Call<'_>) -> Option<String> {
    let held = hold(job, call.token);
    match call.what {
        What::Settle { .. } | What::Save(_) if held.is_none() => {
            Some(format!("{} was written to under a claim that the server lost", job.id))
        }
        What::Save(value) => {
            let saved = |doc: &JobDoc<'_>| doc.saved == Some(value);
            // Or it was saved already, and nothing was to be written.
            let stood = job
                .steps
                .iter()
                .filter_map(|step| step.after)
                .any(|doc| doc.token == Some(call.token) && saved(&doc));
            let elsewhere = job.steps.iter().filter_map(|step| step.after).any(|doc| saved(&doc));
            let what = if elsewhere { "not by this claim" } else { "never was" };
            (!stood).then(|| format!("{value} was told to be saved for {}, and {what}", job.id))
        }
        _ => None,
    }
}

fn cancel_lost(story: &Story<'_>, job: &JobStory<'_>) -> Option<String> {
    let state = story.lines(job).find_map(|(_, line)| match &line.event {
        Event::CancelAnswer { answer: Answer::Done { state: Some(state) }, .. } => Some(state),
        _ => None,
    })?;
    // Of a job that was over already nothing is written.
    if !["cancelled", "running"].contains(&state.as_str()) {
        return None;
    }
    let mut docs = job.steps.iter().filter_map(|step| step.after);
    let trace = docs.any(|doc| doc.state == State::Cancelled || doc.cancel_at.is_some());
    (!trace).then(|| format!("the cancel of {} was acknowledged, and the server lost it", job.id))
}
