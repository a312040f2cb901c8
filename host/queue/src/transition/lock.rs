//! The documents of locks, `{_id: name, holder, until, fence}`: something held until a time, by one
//! holder.

use std::time::Duration;

use bson::{Bson, DateTime, Document, doc};

use super::{Change, Reach, Transition, after};
use crate::job::Token;

/// `me` holds what nobody holds now, for `length`; the fencing number grows. What somebody holds
/// stays as it is: the holder after the write says who got it.
///
/// The condition is in the update, as the server allows no `$expr` in the filter of an upsert.
pub(crate) fn acquire(name: &str, me: Token, length: Duration) -> Transition {
    let held = doc! { "$gte": ["$until", "$$NOW"] };
    let keep_or = |field: &str, value: Bson| doc! { "$cond": [&held, field, value] };
    let fence = doc! { "$add": [{ "$ifNull": ["$fence", 0_i64] }, 1_i64] };
    let update = vec![doc! { "$set": {
        "holder": keep_or("$holder", me.to_bson()),
        "until": keep_or("$until", after(length).into()),
        "fence": keep_or("$fence", fence.into()),
    } }];
    Transition { filter: doc! { "_id": name }, change: Change::Upsert(update), reach: Reach::One }
}

/// `me` holds it for `length` from now, if it still does.
pub(crate) fn keep(name: &str, me: Token, length: Duration) -> Transition {
    let update = vec![doc! { "$set": { "until": after(length) } }];
    Transition { filter: held(name, me), change: Change::Update(update), reach: Reach::One }
}

/// `me` lets go of it. The document stays: its fencing number must never start again.
pub(crate) fn let_go(name: &str, me: Token) -> Transition {
    let update = vec![doc! { "$set": { "until": DateTime::from_millis(0) } }];
    Transition { filter: held(name, me), change: Change::Update(update), reach: Reach::One }
}

/// A lock that ran out isn't held, though nobody took it yet: whoever writes under it may have
/// been told so.
fn held(name: &str, me: Token) -> Document {
    doc! { "_id": name, "holder": me.to_bson(), "$expr": { "$gte": ["$until", "$$NOW"] } }
}
