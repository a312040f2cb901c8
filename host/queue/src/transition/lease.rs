//! The lease's document: `{_id: token, queue, consumer, until, length_ms, at_once,
//! jobs: [ids], cancel: [ids]}`.

use std::time::Duration;

use bson::{Bson, DateTime, Document, doc};

use super::{Change, Reach, Transition};
use crate::breaks::{self, Break};
use crate::job::{JobId, Token, to_millis};

/// A new lease over `ids`, of which no more than `at_once` are begun before one of them is over.
pub(crate) fn open_lease(
    queue: &str,
    token: Token,
    claim: (&str, Vec<Bson>),
    (length, at_once): (Duration, usize),
) -> Transition {
    let (consumer, ids) = claim;
    let update = vec![doc! { "$set": {
        "queue": { "$literal": queue },
        "consumer": { "$literal": consumer },
        "jobs": { "$literal": ids },
        "length_ms": to_millis(length),
        "at_once": i64::try_from(at_once).unwrap_or(i64::MAX),
        "until": from_now(length),
    } }];
    let filter = doc! { "_id": token.to_bson(), "queue": queue };
    Transition { filter, change: Change::Upsert(update), reach: Reach::One }
}

/// The lease lasts at least `length` from now. One that ran out but was not taken back is still
/// held: nobody else can have its jobs.
pub(crate) fn renew_lease(queue: &str, token: Token, length: Duration) -> Transition {
    let update = vec![doc! { "$set": { "until": { "$max": ["$until", from_now(length)] } } }];
    let filter = doc! { "_id": token.to_bson(), "queue": queue };
    Transition { filter, change: Change::Update(update), reach: Reach::One }
}

/// Whoever renews the lease next is told that this job should stop.
pub(crate) fn note_cancel(queue: &str, token: Token, id: &JobId) -> Transition {
    let ids =
        doc! { "$setUnion": [{ "$ifNull": ["$cancel", []] }, [{ "$literal": id.to_bson() }]] };
    let update = vec![doc! { "$set": { "cancel": ids } }];
    let filter = doc! { "_id": token.to_bson(), "queue": queue };
    Transition { filter, change: Change::Update(update), reach: Reach::One }
}

/// The last of its jobs is settled.
pub(crate) fn close_lease(queue: &str, token: Token) -> Transition {
    let filter = doc! { "_id": token.to_bson(), "queue": queue };
    Transition { filter, change: Change::Delete, reach: Reach::One }
}

/// The lease goes if `id` is its only job.
pub(crate) fn close_lease_of_one(queue: &str, token: Token, id: &JobId) -> Transition {
    let mut filter = doc! { "_id": token.to_bson(), "queue": queue };
    if !breaks::on(Break::LeaseWithFirst) {
        filter.insert("jobs", vec![id.to_bson()]);
    }
    Transition { filter, change: Change::Delete, reach: Reach::One }
}

/// `id` leaves a lease of several.
pub(crate) fn leave_lease(queue: &str, token: Token, id: &JobId) -> Transition {
    let jobs = doc! { "$setDifference": ["$jobs", [{ "$literal": id.to_bson() }]] };
    let filter = doc! { "_id": token.to_bson(), "queue": queue };
    let change = Change::Update(vec![doc! { "$set": { "jobs": jobs } }]);
    Transition { filter, change, reach: Reach::One }
}

/// The lease goes, if it is still expired.
pub(crate) fn take_back_lease(queue: &str, token: Token) -> Transition {
    let filter = doc! { "_id": token.to_bson(), "queue": queue, "$expr": has_expired() };
    Transition { filter, change: Change::Delete, reach: Reach::One }
}

/// True, as an expression, for a lease that has run out by the database's clock.
pub(crate) fn has_expired() -> Document {
    doc! { "$lt": ["$until", now()] }
}

fn from_now(length: Duration) -> Document {
    // Beyond it the server's dates overflow.
    doc! { "$add": [now(), to_millis(length).min(to_millis(crate::defaults::LONGEST))] }
}

fn now() -> Bson {
    if breaks::on(Break::ClientClock) { DateTime::now().into() } else { "$$NOW".into() }
}
