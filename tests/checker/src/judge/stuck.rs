//! When every fault is healed and consumers have run for a while, nothing is left that they should
//! have taken.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::evidence::Found;
use super::story::Story;
use crate::server::{Deed, Of, Write};

/// Consumers look every second or so, and for expired leases every two: half a minute is plenty, in
/// milliseconds. The only threshold of the judgement.
const LONG: i64 = 30_000;
/// What runs under no lease heals within minutes.
const LONG_WITHOUT_LEASE: i64 = 300_000;

pub(super) fn check(story: &Story<'_>, found: &mut Found<'_, '_>) {
    let (Some(now), Some(drain)) = (story.account.read_at, story.history.drain_began_us()) else {
        return;
    };
    let drain = drain / 1_000;
    let left = |of| story.account.left.iter().filter(move |left| left.of == of);
    let leases: HashMap<&str, Option<i64>> = left(Of::Lease)
        .filter_map(|lease| Some((lease.id.as_str(), number(fields(lease)?, "until"))))
        .collect();
    for job in left(Of::Job) {
        let Some(doc) = fields(job) else { continue };
        let since = |at: Option<i64>| now - at.unwrap_or(0).max(drain);
        let what = match doc.get("state").and_then(Value::as_str) {
            Some("ready") => {
                let waits = since(number(doc, "due"));
                (waits > LONG).then(|| format!("was due for {waits} ms and nobody claimed it"))
            }
            Some("running") => {
                let token = doc.get("claim").and_then(|claim| claim.get("token")?.as_str());
                match token.and_then(|token| leases.get(token)) {
                    Some(until) => {
                        let over = since(*until);
                        (over > LONG)
                            .then(|| format!("runs under a lease that was over for {over} ms"))
                    }
                    None => {
                        (since(None) > LONG_WITHOUT_LEASE).then(|| "runs under no lease".to_owned())
                    }
                }
            }
            _ => None,
        };
        if let Some(what) = what {
            let what = format!("{} {what}", job.id);
            match story.job(&job.id).filter(|job| !job.steps.is_empty()) {
                Some(its) => {
                    let last = its.holds.last().map(|hold| hold.token);
                    found.add(its, last.as_slice(), what);
                }
                None => found.add_lines(&job.id, what, story.tell_left(Of::Job, &job.id)),
            }
        }
    }
}

fn fields(write: &Write) -> Option<&Map<String, Value>> {
    match &write.deed {
        Deed::Left { doc } => Some(doc),
        _ => None,
    }
}

fn number(doc: &Map<String, Value>, name: &str) -> Option<i64> {
    doc.get(name)?.as_i64()
}
