//! A job goes from state to state only as it may, and changes nothing else on the way than it has
//! to.
//!
//! Written out here on its own: a judge that asked the queue's state machine would share its
//! mistakes. A test holds the two against each other.

use super::evidence::Found;
use super::story::{How, JobDoc, Kind, State, Step, Story};
use crate::server::Of;

pub(super) fn check(story: &Story<'_>, found: &mut Found<'_, '_>) {
    for job in &story.jobs {
        if story.was_meddled_with(Of::Job, job.id) {
            continue;
        }
        for step in &job.steps {
            if let Some(what) = wrong(step) {
                let token = step.before.and_then(|before| before.token);
                let token = token.or(step.after.and_then(|after| after.token));
                found.add(job, token.as_slice(), format!("{} {what}", job.id));
            }
        }
    }
}

pub(super) fn wrong(step: &Step<'_>) -> Option<String> {
    let Some(after) = step.after else {
        let before = step.before?;
        let may_go = matches!(before.state, State::Running)
            || before.state == State::Completed && before.expire_at.is_some();
        return (!may_go).then(|| format!("was removed while it was {}", before.state.name()));
    };
    if let Some(what) = kept(step.before.as_ref(), &after) {
        return Some(what);
    }
    let Some(before) = step.before else {
        let fresh = after.state == State::Ready && after.token.is_none();
        return (!fresh).then(|| format!("was put {}", after.state.name()));
    };
    let expected = match step.kind {
        Kind::Put | Kind::Claim | Kind::Cancel | Kind::Retry | Kind::Condemn => None,
        Kind::Note => return noted(&before, &after),
        Kind::End { how, .. } => expected(how, &before, &after),
        Kind::Remove => None,
        Kind::Odd => {
            let (from, to) = (before.state.name(), after.state.name());
            return Some(format!("went from {from} to {to}"));
        }
    };
    let expected = expected.filter(|expected| *expected != after.state)?;
    let (is, expected) = (after.state.name(), expected.name());
    Some(format!("is {is} after a claim that should leave it {expected}"))
}

/// The state that the end of a claim leads to; `None` where it depends on what nobody can see: a
/// rejection is dead at once.
pub(super) fn expected(how: How, before: &JobDoc<'_>, after: &JobDoc<'_>) -> Option<State> {
    let spent = after.attempts >= after.max_attempts;
    Some(match how {
        How::Completed => State::Completed,
        How::Failed if after.state == State::Dead => return None,
        _ if before.cancel_at.is_some() => State::Cancelled,
        How::Failed | How::Expired if spent => State::Dead,
        _ => State::Ready,
    })
}

/// What no step may change, and what has to be so in every state.
fn kept(before: Option<&JobDoc<'_>>, after: &JobDoc<'_>) -> Option<String> {
    if let Some(before) = before
        && (before.queue, before.priority, before.max_attempts)
            != (after.queue, after.priority, after.max_attempts)
    {
        return Some("changed its queue, priority or max_attempts".to_owned());
    }
    let running = after.state == State::Running;
    if running != after.token.is_some() {
        let claim = if running { "no claim" } else { "a claim" };
        return Some(format!("is {} with {claim}", after.state.name()));
    }
    if after.state.is_final() != after.finished_at.is_some() {
        return Some(format!("is {}, finished at {:?}", after.state.name(), after.finished_at));
    }
    (!running && after.cancel_at.is_some())
        .then(|| format!("is {} and still to be cancelled", after.state.name()))
}

/// While it runs a job may report, save and be asked to stop; else nothing is noted on it.
fn noted(before: &JobDoc<'_>, after: &JobDoc<'_>) -> Option<String> {
    let mut may = *before;
    if before.state == State::Running {
        (may.saved, may.has_saved) = (after.saved, after.has_saved);
        if before.cancel_at.is_none() {
            may.cancel_at = after.cancel_at;
        }
    }
    (may != *after).then(|| format!("was changed while it was {}", before.state.name()))
}
