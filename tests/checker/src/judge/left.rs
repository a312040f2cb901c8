//! The server's account comes to what was found after the run: else something is missing from it.

use serde_json::Value;

use super::story::{JobStory, Story};
use crate::server::{Deed, Of, Write};

/// The first job, if there is one, that was left in another way than the account says.
pub(super) fn unexplained(story: &Story<'_>) -> Option<String> {
    // While the collections were read, and behind, they may have changed.
    let end = story.account.mark("end").unwrap_or(usize::MAX);
    let mut left = story.account.left.iter().filter(|left| left.of == Of::Job);
    left.find_map(|left| {
        let job = story.job(&left.id)?;
        let settled = job.steps.last().is_some_and(|last| last.at < end);
        (settled && !agrees(job, left)).then(|| {
            format!("the writes to {} do not come to how it was found after the run", left.id)
        })
    })
}

fn agrees(job: &JobStory<'_>, left: &Write) -> bool {
    let Deed::Left { doc } = &left.deed else { return true };
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let number = |name: &str| doc.get(name).and_then(Value::as_i64).unwrap_or(0);
    let Some(last) = job.steps.last().and_then(|last| last.after) else { return false };
    let token = doc.get("claim").and_then(|claim| claim.get("token"));
    text(doc.get("state")).as_deref() == Some(last.state.name())
        && (number("attempts"), number("claims")) == (last.attempts, last.claims)
        && text(token).as_deref() == last.token
}
