//! Claimers' turns: one small document per queue, with the place where the last claim ended.
//!
//! A hint, nothing more: a turn that is lost or broken costs a little time, the guard and the
//! transaction of a claim keep the promise.

use std::time::Duration;

use bson::{Bson, DateTime, Document, doc};
use mongodb::Collection;
use mongodb::options::ReturnDocument;

use super::{Store, Target};
use crate::error::{Error, Result};
use crate::job::{Token, to_millis};
use crate::transition::{self, Change, Transition};

/// A place in a queue, which is the key of a job in the claim index: claims go on behind it, at
/// its priority.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Place {
    pub(crate) priority: i32,
    pub(crate) due: DateTime,
    pub(crate) id: Bson,
}

/// Finding a batch takes some milliseconds; a claimer that dies with the turn holds the others up
/// for no longer than this.
const TURN: Duration = Duration::from_millis(500);

const DOING: &str = "take a turn";

impl Store {
    /// Takes the turn if nobody has it; it is mine or somebody else's then. `None` when two met that
    /// made the document.
    pub(crate) async fn take_turn(&self, queue: &str, me: Token) -> Result<Option<Turn>> {
        let acquire = transition::acquire(queue, me, TURN);
        let turn = self.acquired(&self.inner.turns, &acquire).await;
        let turn = turn.map_err(|e| Error::from_driver(DOING, e))?;
        Ok(turn.map(|turn| read_turn(&turn, me)))
    }

    /// Gives the turn back. `found`: the place of the last job that was found, and whether the
    /// head was looked at; `None` leaves the turn as it was.
    pub(crate) async fn give_turn(
        &self,
        queue: &str,
        me: Token,
        found: Option<(Place, bool)>,
    ) -> Result<()> {
        let found = found.map(|(place, at_head)| {
            let place = doc! { "priority": place.priority, "due": place.due, "id": place.id };
            (place, at_head)
        });
        let give = transition::give_turn(queue, me, found);
        self.write(DOING, Target::Turns, &give).await.map(|_| ())
    }

    /// Acquires what a document stands for; answers the document, or `None` where somebody else
    /// has it.
    pub(super) async fn acquire(
        &self,
        collection: &Collection<Document>,
        me: Token,
        transition: &Transition,
    ) -> Result<Option<Document>, mongodb::error::Error> {
        let document = self.acquired(collection, transition).await?;
        Ok(document.filter(|it| is_held(it, me)))
    }

    /// The document after the try, whoever holds it.
    async fn acquired(
        &self,
        collection: &Collection<Document>,
        transition: &Transition,
    ) -> Result<Option<Document>, mongodb::error::Error> {
        let Change::Upsert(update) = &transition.change else { return Ok(None) };
        let acquired = collection
            .find_one_and_update(transition.filter.clone(), update.clone())
            .upsert(true)
            .return_document(ReturnDocument::After)
            .await;
        match acquired {
            // Two that met where there was no document yet.
            Err(e) if is_duplicate_key(&e) => Ok(None),
            acquired => acquired,
        }
    }
}

/// What a claimer learns that asks for the turn.
#[derive(Debug)]
pub(crate) struct Turn {
    pub(crate) is_mine: bool,
    /// Where the last claim ended.
    pub(crate) place: Option<Place>,
    /// Nobody has looked at the head for a while.
    pub(crate) head_is_due: bool,
    /// What the claimer before found is likely still being marked: who looks at the head finds it
    /// again.
    pub(crate) being_marked: bool,
    /// One more with each turn, whoever's it is.
    pub(crate) number: i64,
}

/// While they are busy, the claimers of a queue look at its head once in this time, whoever's turn
/// it is then.
const LOOK_AT_HEAD: i64 = 1_000;
/// Marking a batch takes no longer than this on a busy server, in milliseconds.
const MARKING: i64 = 100;

fn read_turn(turn: &Document, me: Token) -> Turn {
    let since = |field: &str| {
        let until = turn.get_datetime("until").ok()?.timestamp_millis();
        Some(until - to_millis(TURN) - turn.get_datetime(field).ok()?.timestamp_millis())
    };
    Turn {
        is_mine: is_held(turn, me),
        place: place(turn),
        head_is_due: since("head").is_none_or(|since| since > LOOK_AT_HEAD),
        being_marked: since("given").is_some_and(|since| since < MARKING),
        number: turn.get_i64("fence").unwrap_or_default(),
    }
}

fn is_held(document: &Document, me: Token) -> bool {
    document.get("holder") == Some(&me.to_bson())
}

fn place(turn: &Document) -> Option<Place> {
    let place = turn.get_document("place").ok()?;
    Some(Place {
        priority: place.get_i32("priority").ok()?,
        due: *place.get_datetime("due").ok()?,
        id: place.get("id")?.clone(),
    })
}

/// Both ways in which the server says that a unique index has the key already.
fn is_duplicate_key(error: &mongodb::error::Error) -> bool {
    use mongodb::error::{ErrorKind, WriteFailure};
    match error.kind.as_ref() {
        ErrorKind::Command(e) => e.code == 11_000,
        ErrorKind::Write(WriteFailure::WriteError(e)) => e.code == 11_000,
        _ => false,
    }
}
