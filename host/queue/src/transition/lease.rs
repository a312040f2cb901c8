//! The lease's document: `{_id: token, queue, consumer, until, length_ms,
//! jobs: [ids], cancel: [ids]}`.

use std::time::Duration;

use bson::{Bson, doc};

use super::{Change, Reach, Transition, after};
use crate::job::{JobId, Token, to_millis};

/// A new lease over `ids`.
pub(crate) fn open_lease(
    queue: &str,
    token: Token,
    claim: (&str, Vec<Bson>),
    length: Duration,
) -> Transition {
    let (consumer, ids) = claim;
    let update = vec![doc! { "$set": {
        "queue": { "$literal": queue },
        "consumer": { "$literal": consumer },
        "jobs": { "$literal": ids },
        "length_ms": to_millis(length),
        "until": after(length),
    } }];
    let filter = doc! { "_id": token.to_bson(), "queue": queue };
    Transition { filter, change: Change::Upsert(update), reach: Reach::One }
}

/// The lease lasts at least `length` from now. One that ran out but was not taken back is still
/// held: nobody else can have its jobs.
pub(crate) fn renew_lease(queue: &str, token: Token, length: Duration) -> Transition {
    let update = vec![doc! { "$set": { "until": { "$max": ["$until", after(length)] } } }];
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
    let filter = doc! { "_id": token.to_bson(), "queue": queue, "jobs": [id.to_bson()] };
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
    let expired = doc! { "$lt": ["$until", "$$NOW"] };
    let filter = doc! { "_id": token.to_bson(), "queue": queue, "$expr": expired };
    Transition { filter, change: Change::Delete, reach: Reach::One }
}
