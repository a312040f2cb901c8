//! The documents of turns. Who takes a ticket writes one, who has the turn the other, so that they are
//! in nobody's way:
//!
//! - `{_id: {tickets: queue}, tickets}`: how many tickets were handed out;
//! - `{_id: queue, serving, place, given, head, before, empty}`: whose turn it is; where the last claim
//!   ended, when that was; when the head was looked at, and where the last claim had ended then; the
//!   last ticket whose holder need not look any more.

use bson::{DateTime, Document, doc};

use super::{Change, Reach, Transition};

/// The `_id` of the first.
pub(crate) fn tickets_of(queue: &str) -> Document {
    doc! { "tickets": queue }
}

/// One ticket more. By a pipeline, for anybody may have written there; what isn't there is made.
pub(crate) fn take_ticket(queue: &str) -> Transition {
    let tickets = doc! { "$cond": [is_ticket("$tickets"), "$tickets", 0_i64] };
    Transition {
        filter: doc! { "_id": tickets_of(queue) },
        change: Change::Upsert(vec![doc! { "$set": { "tickets": { "$add": [tickets, 1_i64] } } }]),
        reach: Reach::One,
    }
}

/// Begins a line with this ticket, where there is none, or one that serves what nobody has.
pub(crate) fn begin_line(queue: &str, ticket: i64) -> Transition {
    let after = ticket.saturating_add(1);
    let good = doc! { "$and": [is_ticket("$serving"), { "$lte": ["$serving", after] }] };
    let serving = doc! { "$cond": [good, "$serving", ticket] };
    Transition {
        filter: doc! { "_id": queue },
        change: Change::Upsert(vec![doc! { "$set": { "serving": serving } }]),
        reach: Reach::One,
    }
}

fn is_ticket(field: &str) -> Document {
    doc! { "$and": [{ "$eq": [{ "$type": field }, "long"] }, { "$gte": [field, 1_i64] }] }
}

/// The turn goes from one ticket to a later one.
pub(crate) fn pass_turn(queue: &str, (from, to): (i64, i64), more: Document) -> Transition {
    let mut set = doc! { "serving": to };
    set.extend(more);
    Transition {
        filter: doc! { "_id": queue, "serving": from },
        change: Change::Update(vec![doc! { "$set": set }]),
        reach: Reach::One,
    }
}

/// Where claims go on for whoever is next; `at_head`: the head was looked at.
pub(crate) fn found(place: Document, at_head: bool) -> Document {
    let mut set = doc! { "place": { "$literal": &place }, "given": "$$NOW" };
    if at_head {
        set.insert("head", "$$NOW");
        set.insert("before", doc! { "$literal": place });
    }
    set
}

/// Nothing was due: all tickets up to `last`, which were there before the look, are answered.
pub(crate) fn found_nothing(last: i64) -> Document {
    doc! { "empty": last, "head": "$$NOW" }
}

/// The head is being looked at, and nobody has since then.
pub(crate) fn announce_look(queue: &str, since: Option<DateTime>) -> Transition {
    Transition {
        filter: doc! { "_id": queue, "head": since },
        change: Change::Update(vec![doc! { "$set": { "head": "$$NOW" } }]),
        reach: Reach::One,
    }
}
