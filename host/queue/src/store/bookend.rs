//! The bookends: a document behind all others among the jobs, and one among the leases.
//!
//! Where a key isn't there, the server's search goes on to the next one that is; where none follows,
//! it walks back to the one before. On that way lie, for minutes, the keys of all that was removed:
//! in a queue that keeps up with its load that is each look for more, each removal of the newest
//! job and each new lease. Behind a bookend there is nothing to walk over.
//!
//! A hint: where it is missing, time is lost and nothing else.

use bson::{Document, doc};
use mongodb::Collection;

use super::Store;
use super::locks::is_duplicate_key;
use crate::job::State;

/// Of a type whose values sort behind those of all ids, tokens and names of queues.
const LAST: bool = true;

impl Store {
    /// Puts them where they are missing. The database must have the collections.
    pub(super) async fn set_bookends(&self) -> Result<(), mongodb::error::Error> {
        for (collection, bookend) in self.bookends() {
            // It is no job.
            let put = collection.insert_one(bookend).bypass_document_validation(true).await;
            match put {
                Err(e) if !is_duplicate_key(&e) => return Err(e),
                _ => {}
            }
        }
        Ok(())
    }

    /// The commands that do so, one for each.
    pub(super) fn bookends_set(&self) -> [Document; 2] {
        self.bookends().map(|(collection, bookend)| {
            doc! {
                "insert": collection.name(), "documents": [bookend],
                "bypassDocumentValidation": true,
            }
        })
    }

    fn bookends(&self) -> [(Collection<Document>, Document); 2] {
        let note = "behind all others, so that no search goes on; see docs/document.md";
        let bookend = doc! { "_id": LAST, "queue": LAST, "note": note };
        let mut of_jobs = bookend.clone();
        // So it is in the index of the claim.
        of_jobs.insert("state", State::Ready.name());
        [(self.inner.jobs.clone_with_type(), of_jobs), (self.inner.leases.clone(), bookend)]
    }
}
