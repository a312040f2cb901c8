//! A claim ends once, and one settlement of it at most is told that it was written.

use std::collections::HashMap;

use super::evidence::Found;
use super::story::Story;
use crate::history::Answer;

pub(super) fn check(story: &Story<'_>, found: &mut Found<'_, '_>) {
    for job in &story.jobs {
        let mut held: HashMap<&str, u32> = HashMap::new();
        for hold in &job.holds {
            *held.entry(hold.token).or_default() += 1;
        }
        for (token, times) in held.into_iter().filter(|(_, times)| *times > 1) {
            let what = format!("one claim on {} began {times} times, and ended between", job.id);
            found.add(job, &[token], what);
        }
        let mut done: HashMap<&str, u32> = HashMap::new();
        for call in story.calls(job) {
            if call.is_settlement() && call.answer.is_some_and(Answer::is_done) {
                *done.entry(call.token).or_default() += 1;
            }
        }
        for (token, times) in done.into_iter().filter(|(_, times)| *times > 1) {
            let what = format!("{times} settlements of one claim on {} were told done", job.id);
            found.add(job, &[token], what);
        }
    }
}
