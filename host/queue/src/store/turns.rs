//! Claimers' turns: one small document per queue, with the place where the last claim ended.
//!
//! A hint, nothing more: a turn that is lost or broken costs a little time, the guard and the
//! transaction of a claim keep the promise.

use std::time::Duration;

use bson::Document;
use mongodb::Collection;
use mongodb::options::ReturnDocument;

use super::{Store, Target};
use crate::error::{Error, Result};
use crate::job::Token;
use crate::transition::{self, Change, Transition};

/// A place in a queue: claims go on from here, at this priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) priority: i32,
    /// Milliseconds since 1970.
    pub(crate) due: i64,
}

/// Finding a batch takes some milliseconds; a claimer that dies with the turn holds the others up
/// for no longer than this.
const TURN: Duration = Duration::from_millis(500);

const DOING: &str = "take a turn";

impl Store {
    /// Takes the turn if nobody has it. `Some` with the place of the last claim, if there is one.
    pub(crate) async fn take_turn(&self, queue: &str, me: Token) -> Result<Option<Option<Place>>> {
        let turn = self.acquire(&self.inner.turns, &transition::acquire(queue, me, TURN)).await;
        let turn = turn.map_err(|e| Error::from_driver(DOING, e))?;
        Ok(turn.map(|turn| place(&turn)))
    }

    /// Gives the turn back with the place where the claim ended; `None` sends the next to the head.
    pub(crate) async fn give_turn(
        &self,
        queue: &str,
        me: Token,
        place: Option<Place>,
    ) -> Result<()> {
        let place = place.map(|place| (place.priority, place.due));
        let give = transition::give_turn(queue, me, place);
        self.write(DOING, Target::Turns, &give).await.map(|_| ())
    }

    /// Acquires what a document stands for; answers the document, or `None` where somebody has it:
    /// then the filter matched nothing, and the insert met the document.
    pub(super) async fn acquire(
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
            Err(e) if is_duplicate_key(&e) => Ok(None),
            other => other,
        }
    }
}

fn place(turn: &Document) -> Option<Place> {
    let place = turn.get_document("place").ok()?;
    Some(Place { priority: place.get_i32("priority").ok()?, due: place.get_i64("due").ok()? })
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
