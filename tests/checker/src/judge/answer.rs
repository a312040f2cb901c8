//! What was told done was written, so and not otherwise; what was told not to be was not.

use super::effect::{Effect, effect, end, hold, state_after};
use super::evidence::Found;
use super::phantom_job::maybe;
use super::settled_after_loss::holders_of;
use super::story::{Call, How, JobStory, Kind, State, Story, What};
use crate::history::{Answer, Verdict};
use crate::server::Of;

pub(super) fn check(story: &Story<'_>, found: &mut Found<'_, '_>) {
    for job in &story.jobs {
        if story.was_meddled_with(Of::Job, job.id) {
            continue;
        }
        let put = job.steps.iter().filter(|step| step.kind == Kind::Put).count();
        if put > maybe(job) && job.puts.iter().any(|put| put.is_no()) {
            found.add(job, &[], format!("a put of {} said no, and it was put", job.id));
        }
        let calls = story.calls(job);
        for call in &calls {
            let Some(answer) = call.answer else { continue };
            let wrong = match (call.what, answer) {
                (What::Settle { .. }, Answer::Done { state }) => done(job, call, state.as_deref()),
                (What::Settle { .. }, answer) if answer.is_no() => {
                    settled_after_all(job, &calls, call)
                }
                (What::Save(value), answer) if answer.is_no() => {
                    saved_after_all(job, &calls, (call.token, value))
                }
                _ => None,
            };
            if let Some(wrong) = wrong {
                found.add(job, &[call.token], wrong);
            }
        }
    }
}

/// What is wrong with a settlement that was told done.
fn done(job: &JobStory<'_>, call: &Call<'_>, state: Option<&str>) -> Option<String> {
    let (id, verdict) = (job.id, call.verdict());
    match effect(job, call) {
        // Other invariants' business.
        Effect::NoClaim | Effect::Lost => None,
        Effect::StillHeld => {
            Some(format!("{id} was told to be settled, and the claim never ended"))
        }
        // What counts though it shouldn't is so too.
        Effect::Otherwise(How::Failed, counted) if counted > 0 && is_uncounted(verdict) => None,
        Effect::Otherwise(how, _) => {
            Some(format!("{id} was told to be settled, and ended {how:?}"))
        }
        Effect::AsTold => {
            let is = hold(job, call.token).and_then(|hold| state_after(job, hold));
            let is_dead = is == Some(State::Dead);
            if verdict == Some(Verdict::Rejected) && !is_dead {
                return Some(format!("{id} was told to be rejected, and is not dead"));
            }
            // A worker tells the state by what it knows: not yet of a cancel, nor of the removal of
            // a job that it keeps no longer.
            let told_dead = state.map(|state| state == State::Dead.name());
            (told_dead == Some(!is_dead)).then(|| {
                let is = is.map_or("gone", State::name);
                format!("{id} was told to be {}, and is {is}", state.unwrap_or_default())
            })
        }
    }
}

pub(super) fn is_uncounted(verdict: Option<Verdict>) -> bool {
    matches!(verdict, Some(Verdict::Released | Verdict::HandedBack))
}

/// A settlement said no, and the claim ended by it: nobody else tried that.
fn settled_after_all(job: &JobStory<'_>, calls: &[Call<'_>], call: &Call<'_>) -> Option<String> {
    let verdict = call.verdict().filter(|verdict| *verdict != Verdict::Unknown)?;
    call.called?;
    let (how, ..) = end(job, hold(job, call.token)?)?;
    if !verdict.fits(how) {
        return None;
    }
    let others = calls.iter().filter(|other| {
        let fits = other.verdict().is_some_and(|verdict| verdict.fits(how));
        other.token == call.token && fits && !other.answer.is_some_and(Answer::is_no)
    });
    // A worker hands back what it is stopped with, and says so with no call before.
    let unsaid = how == How::Returned && verdict != Verdict::Released;
    (others.count() == 0 && !unsaid)
        .then(|| format!("the settlement of {} said no, and it was settled", job.id))
}

/// It was told not to be saved, and was: nobody else tried that.
fn saved_after_all(
    job: &JobStory<'_>,
    calls: &[Call<'_>],
    (token, value): (&str, u64),
) -> Option<String> {
    let others = calls
        .iter()
        .filter(|call| call.what == What::Save(value) && !call.answer.is_some_and(Answer::is_no));
    let stands = holders_of(job, value).contains(&Some(token));
    (stands && others.count() == 0)
        .then(|| format!("saving {value} for {} said no, and it was saved", job.id))
}
