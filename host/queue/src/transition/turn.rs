//! The documents of turns, `{_id: queue, tickets, serving, since, place, given, head, before, empty}`:
//! how many tickets were handed out, whose turn it is, since when; where the last claim ended, when
//! that was; when the head was looked at, and where the last claim had ended then; the last ticket
//! whose holder need not look any more.

use bson::{Document, doc};

use super::{Change, Reach, Transition};

/// One ticket more. Where nobody is before it, its turn begins.
///
/// An upsert by a pipeline, like that of a lock: the document is made when it isn't there.
pub(crate) fn take_ticket(queue: &str) -> Transition {
    let number = |field: &str, otherwise: i64| {
        // Anybody may have written there.
        doc! { "$cond": [{ "$isNumber": field }, field, otherwise] }
    };
    let update = vec![
        doc! { "$set": {
            "tickets": { "$add": [number("$tickets", 0), 1_i64] },
            "serving": number("$serving", 1),
        } },
        doc! { "$set": {
            "since": { "$cond": [{ "$eq": ["$tickets", "$serving"] }, "$$NOW", "$since"] },
        } },
    ];
    Transition { filter: doc! { "_id": queue }, change: Change::Upsert(update), reach: Reach::One }
}

/// The turn goes from one ticket to a later one.
pub(crate) fn pass_turn(queue: &str, (from, to): (i64, i64), more: Document) -> Transition {
    let mut set = doc! { "serving": to, "since": "$$NOW" };
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
