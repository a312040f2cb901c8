//! Every acknowledged put is in the account, and its job is not gone without having been settled.

use std::collections::HashSet;

use super::evidence::Found;
use super::story::{JobStory, Kind, State, Story};
use crate::history::PutAnswer;
use crate::server::Of;

pub(super) fn check(story: &Story<'_>, found: &mut Found<'_, '_>) {
    let left = story.account.left.iter().filter(|left| left.of == Of::Job);
    let left: HashSet<&str> = left.map(|left| left.id.as_str()).collect();
    for job in &story.jobs {
        if job.puts.iter().any(|put| put.is_yes())
            && !story.was_meddled_with(Of::Job, job.id)
            && let Some(why) = lost(story, job, &left)
        {
            found.add(job, &[], why);
        }
    }
}

fn lost(story: &Story<'_>, job: &JobStory<'_>, left: &HashSet<&str>) -> Option<String> {
    let id = job.id;
    let put = job.steps.iter().filter(|step| step.kind == Kind::Put).count();
    let created = |answer: Option<&PutAnswer>| answer == Some(&PutAnswer::Created);
    let created = job.puts.iter().filter(|put| created(put.answer)).count();
    if put == 0 && !left.contains(id) {
        return Some(format!("the put of {id} was acknowledged, and the server never kept it"));
    }
    if created > put && put > 0 {
        return Some(format!(
            "{id} was created {created} times, and is in the account {put} times"
        ));
    }
    let removed = job.steps.iter().filter(|step| step.kind == Kind::Remove);
    let removed = removed.filter_map(|step| step.before).map(|before| before.state);
    if let Some(state) = removed.into_iter().find(|state| *state != State::Completed) {
        return Some(format!("{id} was removed while it was {}", state.name()));
    }
    story.account.read_at?;
    // What was put while the collections were read may be missing in what was read.
    let end = story.account.mark("end").unwrap_or(usize::MAX);
    let last = job.steps.last().filter(|last| last.at < end && last.after.is_some())?;
    let state = last.after.map_or("", |after| after.state.name());
    (!left.contains(id)).then(|| format!("{id} was {state}, and is gone without a write"))
}
