//! Nothing is written under a claim that doesn't hold the job any more: no settlement is told done
//! that came after the loss, no saved state of a lost claim stands, and no claim ends by somebody
//! else's write.

use super::effect::{Effect, effect, end, hold};
use super::evidence::Found;
use super::story::{Call, How, JobStory, Kind, Story, What};
use crate::history::{Answer, Event, Verdict};
use crate::server::Of;

pub(super) fn check(story: &Story<'_>, found: &mut Found<'_, '_>) {
    for job in &story.jobs {
        if story.was_meddled_with(Of::Job, job.id) {
            continue;
        }
        let calls = story.calls(job);
        for call in &calls {
            let done = call.answer.is_some_and(Answer::is_done);
            if done && call.is_settlement() && effect(job, call) == Effect::Lost {
                let what = format!("{} was settled under a claim that had been taken back", job.id);
                found.add(job, &with_next(job, call.token), what);
            }
            if let What::Save(value) = call.what
                && done
                && saved_elsewhere(job, &calls, (call.token, value))
            {
                let what = format!("{} was saved to under a claim that did not hold it", job.id);
                found.add(job, &with_next(job, call.token), what);
            }
        }
        saved_by_others(story, (job, &calls), found);
        ended_by_others(story, (job, &calls), found);
        ended_by_strangers(story, job, found);
    }
}

/// The claim, and the one after it.
fn with_next<'a>(job: &JobStory<'a>, token: &'a str) -> Vec<&'a str> {
    let next = job.holds.iter().skip_while(|hold| hold.token != token).nth(1);
    Some(token).into_iter().chain(next.map(|hold| hold.token)).collect()
}

/// The value stands in the job, but not by the claim that was told so, and under claims whose
/// holders never saved it.
fn saved_elsewhere(job: &JobStory<'_>, calls: &[Call<'_>], (token, value): (&str, u64)) -> bool {
    let holders = holders_of(job, value);
    let says = |holder: &Option<&str>| {
        let by = |call: &Call<'_>| call.what == What::Save(value) && Some(call.token) == *holder;
        calls.iter().any(by)
    };
    hold(job, token).is_some()
        && !holders.is_empty()
        && !holders.contains(&Some(token))
        && !holders.iter().any(says)
}

/// Who held the job when this was saved.
pub(super) fn holders_of<'a>(job: &JobStory<'a>, value: u64) -> Vec<Option<&'a str>> {
    let saves = job.steps.iter().filter(|step| {
        let saved = step.after.and_then(|after| after.saved);
        saved == Some(value) && step.before.is_some_and(|before| before.saved != saved)
    });
    saves.map(|step| step.after.and_then(|after| after.token)).collect()
}

/// A value was saved under a claim whose holder never tried to, and another did.
fn saved_by_others(
    story: &Story<'_>,
    (job, calls): (&JobStory<'_>, &[Call<'_>]),
    found: &mut Found<'_, '_>,
) {
    for step in job.steps.iter().filter(|step| step.kind == Kind::Note) {
        let (Some(before), Some(after)) = (step.before, step.after) else { continue };
        let (Some(value), Some(token)) = (after.saved, after.token) else { continue };
        if before.saved == Some(value) {
            continue;
        }
        let tried =
            |by: &str| calls.iter().any(|call| call.what == What::Save(value) && call.token == by);
        let other = calls.iter().find(|call| call.what == What::Save(value) && call.token != token);
        // Guests save without a word: only who says what it saves is asked.
        let says =
            calls.iter().any(|call| matches!(call.what, What::Save(_)) && call.token == token);
        if let Some(other) = other
            && !tried(token)
            && says
            && went_on(story, (job, token), step.at)
        {
            let what = format!("{} was saved to by one who did not hold it", job.id);
            found.add(job, &[token, other.token], what);
        }
    }
}

/// A claim was completed though its holder never did.
fn ended_by_others(
    story: &Story<'_>,
    (job, calls): (&JobStory<'_>, &[Call<'_>]),
    found: &mut Found<'_, '_>,
) {
    for hold in &job.holds {
        let Some((How::Completed, _, step)) = end(job, hold) else { continue };
        let own = calls.iter().filter(|call| call.token == hold.token);
        let completed = own.clone().any(|call| match call.what {
            What::Settle { returned, told } => [returned, told].contains(&Some(Verdict::Completed)),
            _ => false,
        });
        if !completed && went_on(story, (job, hold.token), step.at) {
            let what = format!("{} was completed under a claim whose holder did not", job.id);
            found.add(job, &[hold.token], what);
        }
    }
}

/// A claim was ended by a process that neither held it nor says that it settled it. Only what has run
/// out may anybody take back, and that counts.
fn ended_by_strangers(story: &Story<'_>, job: &JobStory<'_>, found: &mut Found<'_, '_>) {
    for hold in &job.holds {
        let Some((how, _, step)) = end(job, hold) else { continue };
        let holder = story.holder(job, hold.token);
        let (Some(author), Some(holder)) = (story.author(step.at), holder) else { continue };
        if author == holder || matches!(how, How::Expired | How::TakenBack) {
            continue;
        }
        let says = story.lines(job).any(|(_, line)| match &line.event {
            Event::SettleCall { token, .. } | Event::SettleAnswer { token, .. } => {
                token == hold.token && &*line.process == author
            }
            _ => false,
        });
        if !says {
            let what = format!("{author} ended a claim on {} that {holder} held", job.id);
            found.add(job, &with_next(job, hold.token), what);
        }
    }
}

/// True when the holder of the claim still wrote its history after the write at `at`: what it had
/// done until then is on record.
fn went_on(story: &Story<'_>, (job, token): (&JobStory<'_>, &str), at: usize) -> bool {
    let claimed = story
        .lines(job)
        .find(|(_, line)| matches!(&line.event, Event::Claimed { token: its, .. } if its == token));
    let Some((index, claimed)) = claimed else { return false };
    let later = story.history.lines.iter().skip(index + 1);
    let later = later.take_while(|line| line.process == claimed.process);
    later.into_iter().any(|line| match &line.event {
        Event::Ended { .. } => true,
        Event::SettleAnswer { job: id, token: its, answer: Answer::LeaseLost, .. } => {
            id == job.id && its == token
        }
        // A claim that was made later was told of later still.
        Event::Claimed { job, token, .. } => story
            .hold(job, token)
            .is_some_and(|(job, hold)| job.steps.get(hold.from).is_some_and(|step| step.at > at)),
        _ => false,
    })
}
