//! What an operator shouldn't do.

use anyhow::Result;
use bson::{Bson, Document, doc};
use mongodb::Collection;

use super::world::{Moment, World};
use crate::history::Event;

/// Deletes a lease.
pub(super) async fn suffer(world: &World, moment: Moment) -> Result<()> {
    let leases: Collection<Document> = world.database.collection("jobs.leases");
    let found = match leases.find_one(mongoqueue_tests::every()).await {
        Ok(Some(lease)) => lease.get("_id").cloned(),
        // Nobody holds one at the moment, or the database is away.
        Ok(None) | Err(_) => None,
    };
    let Some(Bson::Binary(id)) = found else { return Ok(()) };
    let Ok(token) = id.to_uuid() else { return Ok(()) };
    let deed = "deleted".to_owned();
    world.recorder.record(Event::ByHand { of: "lease".to_owned(), id: token.to_string(), deed })?;
    world.begin(moment.fault, token.to_string())?;
    let said = match leases.delete_one(doc! { "_id": id }).await {
        Ok(deleted) => format!("{} deleted", deleted.deleted_count),
        Err(error) => format!("may have been deleted: {error}"),
    };
    moment.last(100).await;
    world.end(moment.fault, said)
}
