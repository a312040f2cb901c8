//! A lease ends its length after it was made, by the server's clock; renewed, it never ends sooner
//! than before.

use super::evidence::Found;
use super::story::{COARSE, Story};
use crate::server::Of;

/// Between the lease and the commit of its transaction, in milliseconds: the server ends one after a
/// minute.
const TRANSACTION: i64 = 60_000;

pub(super) fn check(story: &Story<'_>, found: &mut Found<'_, '_>) {
    for (token, steps) in &story.leases {
        if story.was_meddled_with(Of::Lease, token) {
            continue;
        }
        let mut last = None;
        for (index, step) in steps.iter().enumerate() {
            let Some(lease) = &step.after else { continue };
            let (Some(until), Some(length)) = (lease.until, lease.length_ms) else { continue };
            let off = until - length - story.wall(step.at);
            let what = match last {
                _ if index == 0 && off > COARSE => {
                    Some(format!("ends {off} ms too late by the server's clock"))
                }
                _ if index == 0 && -off > COARSE + TRANSACTION => {
                    Some(format!("ends {} ms too early by the server's clock", -off))
                }
                Some(last) if until < last => {
                    Some(format!("was renewed to end {} ms sooner", last - until))
                }
                _ => None,
            };
            last = Some(until);
            let job = lease.jobs.iter().find_map(|id| story.job(id));
            if let (Some(what), Some(job)) = (what, job) {
                found.add(job, &[token], format!("the lease of {} {what}", lease.consumer));
            }
        }
    }
}
