//! The only room that runs commands on the collections.
//!
//! Beside the jobs' collection (`jobs`) live `jobs.leases`, `jobs.turns`, `jobs.bell`,
//! `jobs.locks` and `jobs.meta`. Write and read concern are set here, whatever the URI says: puts
//! and settlements wait for the majority and its journal, so that no failover loses an acknowledged
//! one.

use std::sync::Arc;
use std::time::Duration;

use bson::{Document, RawDocumentBuf, doc};
use mongodb::options::{
    Acknowledgment, CollectionOptions, DeleteOptions, Hint, ReadConcern, UpdateModifications,
    UpdateOptions, WriteConcern,
};
use mongodb::{Client, Collection, Database};

use crate::breaks::{self, Break};
use crate::error::{Error, Result};
use crate::transition::{Change, Reach, Transition};

mod bell;
mod bookend;
mod claims;
mod clock;
mod deaths;
mod extras;
mod locks;
mod orphans;
mod put;
mod read;
mod settle;
mod setup;
mod transact;
mod turns;
mod waiting;

pub(crate) use bell::Listener;
pub(crate) use claims::{Due, NewClaim, Stretch};
#[cfg(test)]
pub(crate) use claims::{ExpiredLease, due_filter, expired_filter, expired_lease, held_filter};
pub use deaths::Deaths;
pub use put::Receipt;
pub use read::Stats;

pub(crate) use put::Draft;
pub(crate) use read::ListQuery;
pub(crate) use settle::{Renewed, Settled, Settlement, Verdict};
#[cfg(test)]
pub(crate) use settle::{steps, steps_of_one};
pub(crate) use setup::CLAIM_INDEX;
#[cfg(test)]
pub(crate) use transact::Step;
pub(crate) use transact::Target;
pub(crate) use turns::{Found, Place, Turn};

/// The collections of one queue collection, and the server's clock.
#[derive(Clone)]
pub(crate) struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    client: Client,
    database: Database,
    jobs: Collection<RawDocumentBuf>,
    leases: Collection<Document>,
    turns: Collection<Document>,
    bell: Collection<Document>,
    rung: bell::Rung,
    locks: Collection<Document>,
    meta: Collection<Document>,
    clock: clock::Clock,
    made: extras::Made,
    looks: waiting::Looks,
    payload_limit: usize,
}

impl Store {
    /// No command is sent before the first one that is asked for.
    pub(crate) fn new(
        client: Client,
        database: &str,
        collection: &str,
        payload_limit: usize,
    ) -> Self {
        let mut majority =
            WriteConcern::builder().w(Acknowledgment::Majority).journal(true).build();
        if breaks::on(Break::PutUnsafe) {
            majority = WriteConcern::builder().w(Acknowledgment::Nodes(1)).journal(false).build();
        }
        // Reads see what the primary has: a claim of another process is there before the majority
        // has it.
        let options = CollectionOptions::builder()
            .write_concern(majority)
            .read_concern(ReadConcern::local())
            .selection_criteria(mongodb::options::SelectionCriteria::ReadPreference(
                mongodb::options::ReadPreference::Primary,
            ))
            .build();
        let database = client.database(database);
        let quick = Some(WriteConcern::builder().w(Acknowledgment::Nodes(1)).build());
        let safe = options.write_concern.clone();
        let side = |suffix: &str, concern: Option<WriteConcern>| {
            let mut options = options.clone();
            options.write_concern = concern;
            database.collection_with_options(&format!("{collection}.{suffix}"), options)
        };
        let inner = Inner {
            jobs: database.collection_with_options(collection, options.clone()),
            leases: side("leases", safe.clone()),
            // Hints that a failover may lose.
            turns: side("turns", quick.clone()),
            bell: side("bell", quick),
            rung: bell::Rung::default(),
            locks: side("locks", safe.clone()),
            meta: side("meta", safe.clone()),
            clock: clock::Clock::default(),
            made: extras::Made::default(),
            looks: waiting::Looks::default(),
            payload_limit,
            client,
            database,
        };
        Self { inner: Arc::new(inner) }
    }

    /// `database.collection`.
    pub(crate) fn namespace(&self) -> String {
        self.inner.jobs.namespace().to_string()
    }

    /// The largest payload, output or saved state, in bytes.
    pub(crate) fn payload_limit(&self) -> usize {
        self.inner.payload_limit
    }

    /// One conditional write outside a transaction; answers how many documents matched. Writes of
    /// one document are repeated by the driver after a network error.
    pub(crate) async fn write(
        &self,
        doing: &'static str,
        target: Target,
        transition: &Transition,
    ) -> Result<u64> {
        let collection = self.target(target);
        let filter = transition.filter.clone();
        let by_id = filter.contains_key("_id").then(|| Hint::Keys(doc! { "_id": 1 }));
        let (update, upsert) = match &transition.change {
            Change::Operators(update) => (UpdateModifications::Document(update.clone()), false),
            Change::Update(update) => (UpdateModifications::Pipeline(update.clone()), false),
            Change::Upsert(update) => (UpdateModifications::Pipeline(update.clone()), true),
            Change::Delete => {
                let options = DeleteOptions::builder().hint(by_id).build();
                let answer = match transition.reach {
                    Reach::One => collection.delete_one(filter).with_options(options).await,
                    Reach::Many => collection.delete_many(filter).with_options(options).await,
                };
                let answer = answer.map_err(|e| Error::from_write(doing, e))?;
                return Ok(answer.deleted_count);
            }
        };
        let options = UpdateOptions::builder().hint(by_id).upsert(upsert).build();
        let answer = match transition.reach {
            Reach::One => collection.update_one(filter, update).with_options(options).await,
            Reach::Many => collection.update_many(filter, update).with_options(options).await,
        };
        let answer = answer.map_err(|e| Error::from_write(doing, e))?;
        Ok(answer.matched_count.max(u64::from(answer.upserted_id.is_some())))
    }

    fn target(&self, target: Target) -> Collection<Document> {
        match target {
            Target::Jobs => self.inner.jobs.clone_with_type(),
            Target::Leases => self.inner.leases.clone(),
            Target::Turns => self.inner.turns.clone(),
            Target::Locks => self.inner.locks.clone(),
            Target::Meta => self.inner.meta.clone(),
        }
    }
}

/// How long a transaction or a commit may be repeated before the caller is told: longer than a
/// failover usually takes (10 s of election time-out and some), shorter than a lease.
const PATIENCE: Duration = Duration::from_secs(20);
