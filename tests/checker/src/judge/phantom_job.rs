//! Every job in the account was put, once for each put that may have happened, and as it was put.

use super::evidence::Found;
use super::story::{JobDoc, JobStory, Kind, Puts, Story};
use crate::history::{PutAnswer, PutJob};

pub(super) fn check(story: &Story<'_>, found: &mut Found<'_, '_>) {
    for job in &story.jobs {
        let id = job.id;
        let put = job.steps.iter().filter(|step| step.kind == Kind::Put);
        let (count, maybe) = (put.clone().count(), maybe(job));
        if job.puts.is_empty() {
            if count > 0 {
                found.add(job, &[], format!("nobody put {id}"));
            }
        // A put that said no is another invariant's business.
        } else if count > maybe && !job.puts.iter().any(|put| put.is_no()) {
            found.add(job, &[], format!("{id} was put {count} times by {maybe} puts"));
        }
        for doc in put.filter_map(|step| step.after) {
            if !job.puts.is_empty() && !job.puts.iter().any(|put| is_as_put(put.job, &doc)) {
                found.add(job, &[], format!("{id} is not as it was put: {doc:?}"));
            }
        }
    }
}

/// How many puts may have put it: one that found it there did not.
pub(super) fn maybe(job: &JobStory<'_>) -> usize {
    let existed = |put: &&Puts<'_>| put.answer == Some(&PutAnswer::Existed);
    job.puts.iter().filter(|put| !put.is_no() && !existed(put)).count()
}

fn is_as_put(put: &PutJob, doc: &JobDoc<'_>) -> bool {
    put.queue == doc.queue
        && i64::from(put.priority) == doc.priority
        && i64::from(put.max_attempts) == doc.max_attempts
}
