//! What a settlement came to, by the server's account.

use super::story::{Call, Hold, How, JobStory, Kind, State, Step};

/// How the account bears out what a settlement was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// The claim is not in the account.
    NoClaim,
    /// The claim never ended.
    StillHeld,
    /// It ended so.
    AsTold,
    /// Its lease ran out, and the job was taken back.
    Lost,
    /// It ended in another way, which counted so many attempts.
    Otherwise(How, i64),
}

/// What the account says about the claim of a settlement.
pub(super) fn effect(job: &JobStory<'_>, call: &Call<'_>) -> Effect {
    let Some(hold) = hold(job, call.token) else { return Effect::NoClaim };
    let Some((how, counted, _)) = end(job, hold) else { return Effect::StillHeld };
    match call.verdict() {
        _ if matches!(how, How::Expired | How::TakenBack) => Effect::Lost,
        Some(verdict) if !verdict.fits(how) => Effect::Otherwise(how, counted),
        _ => Effect::AsTold,
    }
}

/// The claim of that token.
pub(super) fn hold<'s, 'a>(job: &'s JobStory<'a>, token: &str) -> Option<&'s Hold<'a>> {
    job.holds.iter().find(|hold| hold.token == token)
}

/// How a claim ended, how many attempts that counted, and the step.
pub(super) fn end<'s, 'a>(
    job: &'s JobStory<'a>,
    hold: &Hold<'a>,
) -> Option<(How, i64, &'s Step<'a>)> {
    let step = job.steps.get(hold.to?)?;
    match step.kind {
        Kind::End { how, counted, .. } => Some((how, counted, step)),
        _ => None,
    }
}

/// The state that a claim's end left the job in; `None` for one that was removed.
pub(super) fn state_after(job: &JobStory<'_>, hold: &Hold<'_>) -> Option<State> {
    end(job, hold)?.2.after.map(|after| after.state)
}
