//! A failure and an expired lease count one attempt each, everything else none; consumers are given
//! the right number, and the count of claims grows by one with each.

use super::answer::is_uncounted;
use super::effect::{Effect, effect};
use super::evidence::Found;
use super::story::{Call, How, JobStory, Kind, Step, Story};
use crate::history::{Answer, Event, Verdict};
use crate::server::Of;

pub(super) fn check(story: &Story<'_>, found: &mut Found<'_, '_>) {
    for job in &story.jobs {
        if story.was_meddled_with(Of::Job, job.id) {
            continue;
        }
        let calls = story.calls(job);
        for step in &job.steps {
            if let Some(what) = miscounted(job.id, step, &calls) {
                let token = step.before.and_then(|before| before.token);
                let token = token.or(step.after.and_then(|after| after.token));
                found.add(job, token.as_slice(), what);
            }
        }
        for call in &calls {
            let done = call.answer.is_some_and(Answer::is_done);
            if let Effect::Otherwise(How::Failed, counted) = effect(job, call)
                && (done && counted > 0 && is_uncounted(call.verdict()))
            {
                let what = format!("giving back {} counted an attempt", job.id);
                found.add(job, &[call.token], what);
            }
        }
        given(story, job, found);
    }
}

fn miscounted(id: &str, step: &Step<'_>, calls: &[Call<'_>]) -> Option<String> {
    let (before, after) = (step.before, step.after?);
    let grown = after.attempts - before.map_or(0, |before| before.attempts);
    let claimed = after.claims - before.map_or(0, |before| before.claims);
    if claimed != i64::from(step.kind == Kind::Claim) {
        return Some(format!("{id} has been claimed {} times, by its own count", after.claims));
    }
    match step.kind {
        Kind::End { how: How::Failed | How::Expired, counted, .. } => {
            (counted != 1).then(|| format!("a failed attempt at {id} counted {counted}"))
        }
        // A failure that left no record looks like a release.
        Kind::End { how: How::Returned, counted, .. } if counted != 0 => {
            let token = before.and_then(|before| before.token);
            let failed = calls
                .iter()
                .filter(|call| Some(call.token) == token)
                .any(|call| matches!(call.verdict(), Some(Verdict::Failed | Verdict::Rejected)));
            (!failed).then(|| format!("giving back {id} counted an attempt"))
        }
        Kind::Retry => (after.attempts != 0)
            .then(|| format!("a retry of {id} left it {} attempts", after.attempts)),
        Kind::Condemn => None,
        _ => (grown != 0).then(|| format!("{id} counted {grown} attempts for no attempt")),
    }
}

/// The numbers that consumers were given.
fn given(story: &Story<'_>, job: &JobStory<'_>, found: &mut Found<'_, '_>) {
    for (_, line) in story.lines(job) {
        let Event::Claimed { token, attempt, .. } = &line.event else { continue };
        let Some((_, hold)) = story.hold(job.id, token) else { continue };
        let before = job.steps.get(hold.from).and_then(|step| step.before);
        let Some(before) = before else { continue };
        if i64::from(*attempt) != before.attempts + 1 {
            let what = format!(
                "{} was given out as attempt {attempt}, after {} attempts",
                job.id, before.attempts
            );
            found.add(job, &last_two(job, token), what);
        }
    }
}

/// The claim, and the one before it.
pub(super) fn last_two<'a>(job: &JobStory<'a>, token: &'a str) -> Vec<&'a str> {
    let index = job.holds.iter().position(|hold| hold.token == token);
    let last = index.and_then(|index| job.holds.get(index.checked_sub(1)?));
    Some(token).into_iter().chain(last.map(|hold| hold.token)).collect()
}
