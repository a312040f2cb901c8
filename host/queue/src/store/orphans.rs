//! Jobs that run under no lease. No write of ours leaves one: a collection restored from a backup
//! without its leases has them, or one in which somebody deleted a lease by hand.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use bson::{Bson, Document, RawDocument, doc};
use futures_util::TryStreamExt;

use super::{Store, Target};
use crate::error::{Error, Result};
use crate::job::Token;
use crate::transition;

/// Jobs of one queue that name the same claim, which has no lease.
struct Orphans {
    queue: String,
    /// As it stands in the documents; `Null` where there is none.
    token: Bson,
    consumer: String,
    ids: Vec<Bson>,
}

/// Orphans that are looked at in one go: what is left is found the next time.
const AT_ONCE: usize = 10_000;
/// Claims asked about in one query.
const TOKENS: usize = 1_000;

const DOING: &str = "look for jobs without a lease";

impl Store {
    /// Whether it is `me` who looks for orphans now: nobody else did for `every`.
    pub(crate) async fn take_mending(&self, me: Token, every: Duration) -> Result<bool> {
        let acquire = transition::acquire(MENDING, me, every);
        let taken = self.acquire(&self.inner.meta, me, &acquire).await;
        Ok(taken.map_err(|e| Error::from_driver(DOING, e))?.is_some())
    }

    /// Nobody looks again before `pause` is over.
    pub(crate) async fn put_off_mending(&self, me: Token, pause: Duration) -> Result<()> {
        let keep = transition::keep(MENDING, me, pause);
        self.write(DOING, Target::Meta, &keep).await.map(|_| ())
    }

    /// Gives the jobs back whose claim is older than `age` and has no lease, as if it had run out.
    /// Answers how many, by queue. Reads the whole collection: an index over what runs would cost
    /// every claim and every settlement two keys.
    pub(crate) async fn mend(&self, age: Duration) -> Result<BTreeMap<String, u64>> {
        let mut claims = self.old_claims(age).await?;
        let tokens: Vec<Bson> = claims.iter().map(|orphans| orphans.token.clone()).collect();
        let mut leased = HashSet::new();
        for tokens in tokens.chunks(TOKENS) {
            leased.extend(self.leases_of(tokens).await?);
        }
        claims.retain(|orphans| !leased.contains(&key(&orphans.token)));
        let (mut mended, mut failed) = (BTreeMap::new(), None);
        for Orphans { queue, token, consumer, ids } in claims {
            // A lease is made with its marks, and never again: one that is missing stays missing.
            let orphans = doc! { "_id": { "$in": ids.clone() }, "queue": &queue };
            self.before_deaths(transition::at_the_last(orphans)).await?;
            let expire = transition::expire_orphans(&queue, token, ids, &consumer);
            match self.write(DOING, Target::Jobs, &expire).await {
                Ok(n) => *mended.entry(queue.clone()).or_default() += n,
                // Whatever was written to it by hand keeps nobody else's job.
                Err(error) => failed = Some(error),
            }
            self.ring_beside(&queue, &[None]);
        }
        mended.retain(|_, n| *n > 0);
        failed.map_or(Ok(mended), Err)
    }

    async fn old_claims(&self, age: Duration) -> Result<Vec<Orphans>> {
        let failed = |e| Error::from_driver(DOING, e);
        let find = self.inner.jobs.find(transition::running_for(age));
        let fields = doc! { "queue": 1, "claim.token": 1, "claim.consumer": 1 };
        let mut found = find.projection(fields).limit(AT_ONCE as i64).await.map_err(failed)?;
        let mut claims: BTreeMap<(String, String), Orphans> = BTreeMap::new();
        while found.advance().await.map_err(failed)? {
            if let Some(orphan) = read(found.current()) {
                let claim = (orphan.queue.clone(), key(&orphan.token));
                let known = claims.entry(claim).or_insert(Orphans { ids: Vec::new(), ..orphan });
                known.ids.extend(orphan.ids);
            }
        }
        Ok(claims.into_values().collect())
    }

    async fn leases_of(&self, tokens: &[Bson]) -> Result<Vec<String>> {
        let failed = |e| Error::from_driver(DOING, e);
        let filter = doc! { "_id": { "$in": tokens.to_vec() } };
        let leases = self.inner.leases.find(filter).projection(doc! { "_id": 1 }).await;
        let leases: Vec<Document> = leases.map_err(failed)?.try_collect().await.map_err(failed)?;
        Ok(leases.iter().filter_map(|lease| lease.get("_id")).map(key).collect())
    }
}

/// The document in the collection `.meta` that says when orphans were last looked for.
const MENDING: &str = "mending";

fn read(job: &RawDocument) -> Option<Orphans> {
    let job = Document::try_from(job).ok()?;
    let claim = job.get_document("claim").ok();
    let consumer = claim.and_then(|claim| claim.get_str("consumer").ok());
    Some(Orphans {
        queue: job.get_str("queue").ok()?.to_owned(),
        token: claim.and_then(|claim| claim.get("token")).cloned().unwrap_or(Bson::Null),
        consumer: consumer.unwrap_or("an unknown consumer").to_owned(),
        ids: vec![job.get("_id")?.clone()],
    })
}

/// Equal for equal values; a BSON value is no key of a map.
fn key(value: &Bson) -> String {
    value.to_string()
}
