//! No claim begins before the last one was settled or its lease was over, by the server's clock.

use std::collections::HashMap;

use super::evidence::Found;
use super::story::{How, JobStory, Kind, State, Step, Story};
use crate::history::Event;
use crate::server::Of;

pub(super) fn check(story: &Story<'_>, found: &mut Found<'_, '_>) {
    for job in &story.jobs {
        if story.was_meddled_with(Of::Job, job.id) {
            continue;
        }
        for (index, step) in job.steps.iter().enumerate() {
            if let Some((token, what)) = taken_too_early(story, job, step) {
                let next = job.holds.iter().find(|hold| hold.from >= index);
                let tokens: Vec<&str> =
                    Some(token).into_iter().chain(next.map(|it| it.token)).collect();
                found.add(job, &tokens, what);
            }
        }
        let mut has: HashMap<&str, u32> = HashMap::new();
        for (_, line) in story.lines(job) {
            if let Event::Claimed { token, .. } = &line.event {
                *has.entry(token).or_default() += 1;
            }
        }
        for (token, times) in has.into_iter().filter(|(_, times)| *times > 1) {
            found.add(
                job,
                &[token],
                format!("one claim on {} was given out {times} times", job.id),
            );
        }
    }
}

fn taken_too_early<'a>(
    story: &Story<'a>,
    job: &JobStory<'a>,
    step: &Step<'a>,
) -> Option<(&'a str, String)> {
    let before = step.before.filter(|before| before.state == State::Running)?;
    let token = before.token?;
    match step.kind {
        Kind::Odd if step.after.is_some_and(|after| after.state == State::Running) => {
            Some((token, format!("{} was claimed while another claim held it", job.id)))
        }
        Kind::End { how: How::Expired, record, .. } => {
            if story.was_meddled_with(Of::Lease, token) {
                return None;
            }
            // Where there is none any more, that is another invariant's business.
            let until = story.lease_before(token, story.group(step.at))?.until?;
            let time = story.time(step.at, record.and_then(|record| record.at));
            // Taken back is what is over, not what ends in this moment.
            let early = until - time;
            (early >= 0).then(|| {
                (token, format!("{} was taken back {early} ms before its lease was over", job.id))
            })
        }
        _ => None,
    }
}
