//! The bookends: a document behind all others among the jobs, and one among the leases.
//!
//! Where a key isn't there, the server's search goes on to the next one that is; where none follows,
//! it walks back to the one before. On that way lie, for minutes, the keys of all that was removed:
//! in a queue that keeps up with its load that is each look for more, each removal of the newest
//! job and each new lease. Behind a bookend there is nothing to walk over.
//!
//! A hint: where it is missing, time is lost and nothing else.

use bson::{Document, doc};

use super::Store;
use crate::job::State;

/// Of a type whose values sort behind those of all ids, tokens and names of queues.
const LAST: bool = true;

impl Store {
    /// Puts them where they are missing. The database must have the collections.
    pub(super) async fn set_bookends(&self) -> Result<(), mongodb::error::Error> {
        for command in self.bookends() {
            let reply = self.inner.database.run_command(command).await?;
            if let Some(error) = reply.get_array("writeErrors").ok().and_then(|all| all.first()) {
                return Err(mongodb::error::Error::custom(error.to_string()));
            }
        }
        Ok(())
    }

    /// The commands that do so, one for each.
    pub(super) fn bookends(&self) -> [Document; 2] {
        let note = "behind all others, so that no search goes on; see docs/document.md";
        let put = |collection: &str, bookend: Document| {
            let id = doc! { "_id": LAST, "queue": LAST };
            let put = doc! { "q": id, "u": bookend, "upsert": true };
            // It is no job.
            doc! { "update": collection, "updates": [put], "bypassDocumentValidation": true }
        };
        // With the state it is in the index of the claim.
        let ready = State::Ready.name();
        let among_jobs = doc! { "_id": LAST, "queue": LAST, "state": ready, "note": note };
        let among_leases = doc! { "_id": LAST, "queue": LAST, "note": note };
        [put(self.inner.jobs.name(), among_jobs), put(self.inner.leases.name(), among_leases)]
    }
}
