//! A heartbeat that was begun after its lease was gone doesn't say that the lease is kept.
//!
//! That it was begun after is known where the job had been given to another by then: both told of
//! it by the clock that all processes share.

use std::collections::HashMap;

use super::evidence::Found;
use super::story::{Call, JobStory, Story, What};
use crate::history::{Answer, Event, UPTIME_STEP_US};
use crate::server::Of;

pub(super) fn check(story: &Story<'_>, found: &mut Found<'_, '_>) {
    let gone = gone(story);
    for job in &story.jobs {
        // In a process that has heard of the loss: the line of that answer.
        let mut heard: HashMap<(&str, &str), usize> = HashMap::new();
        for call in story.calls(job).into_iter().filter(|call| call.what == What::Heartbeat) {
            let (Some(called), Some(answered)) = (call.called, call.answered) else { continue };
            let Some(line) = story.history.lines.get(called) else { continue };
            if story.was_meddled_with(Of::Lease, call.token) {
                continue;
            }
            let key = (&*line.process, call.token);
            if call.answer == Some(&Answer::LeaseLost) {
                heard.entry(key).or_insert(answered);
                continue;
            }
            if !call.answer.is_some_and(Answer::is_done) {
                continue;
            }
            let id = job.id;
            let next = gone.get(call.token).filter(|next| line.mono_us >= next.before);
            let what = if heard.get(&key).is_some_and(|heard| *heard < called) {
                Some(format!("a heartbeat for {id} said lost, and a later one kept"))
            } else if !story.leases.contains_key(call.token) {
                Some(format!("a heartbeat for {id} kept a lease that the server never had"))
            } else if later_than_claim(story, job, &call) && !was_renewed(story, call.token) {
                Some(format!("a heartbeat for {id} kept a lease that was never renewed"))
            } else {
                next.map(|_| format!("a heartbeat for {id} kept a lease that was gone"))
            };
            if let Some(what) = what {
                let tokens: Vec<&str> =
                    Some(call.token).into_iter().chain(next.map(|next| next.token)).collect();
                found.add(job, &tokens, what);
            }
        }
    }
}

/// The heartbeat came so long after the claim that it must have moved the end of the lease.
fn later_than_claim(story: &Story<'_>, job: &JobStory<'_>, call: &Call<'_>) -> bool {
    let called = call.called.and_then(|line| story.history.lines.get(line));
    let claimed = story.lines(job).find(
        |(_, line)| matches!(&line.event, Event::Claimed { token, .. } if token == call.token),
    );
    let Some((called, (_, claimed))) = called.zip(claimed) else { return false };
    called.process == claimed.process && called.mono_us >= claimed.mono_us + 2 * UPTIME_STEP_US
}

fn was_renewed(story: &Story<'_>, token: &str) -> bool {
    let steps = story.leases.get(token).into_iter().flatten();
    let mut ends = steps.filter_map(|step| step.after.as_ref()?.until);
    let first = ends.next();
    ends.any(|until| Some(until) > first)
}

/// The claim after one whose lease is gone.
struct Next<'a> {
    token: &'a str,
    /// The lease was gone before this, in microseconds of the shared clock.
    before: u64,
}

/// For each lease that was removed, who was given a job of it next, the first of all.
fn gone<'a>(story: &Story<'a>) -> HashMap<&'a str, Next<'a>> {
    let mut gone: HashMap<&'a str, Next<'a>> = HashMap::new();
    for job in &story.jobs {
        for pair in job.holds.windows(2) {
            let [hold, next] = pair else { continue };
            let ended = hold.to.and_then(|to| job.steps.get(to));
            let removed = story.lease_removed(hold.token);
            let with_it = ended
                .zip(removed)
                .is_some_and(|(ended, removed)| story.group(ended.at) == story.group(removed));
            let told = story.lines(job).find(|(_, line)| {
                matches!(&line.event, Event::Claimed { token, .. } if token == next.token)
            });
            if let Some((_, told)) = told
                && with_it
            {
                let before = told.mono_us + UPTIME_STEP_US;
                let known = gone.entry(hold.token).or_insert(Next { token: next.token, before });
                if before < known.before {
                    *known = Next { token: next.token, before };
                }
            }
        }
    }
    gone
}
