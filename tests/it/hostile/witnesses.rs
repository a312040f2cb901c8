//! Jobs that are none of the attackers' business, in every state. Nothing of them may change.

use std::time::Duration;

use anyhow::{Context, Result};
use bson::{Document, doc};
use futures_util::TryStreamExt;
use mongoqueue::{Failure, IntoPayload, NextOptions, Queue};
use mongoqueue_tests::{Stage, eventually};
use serde_json::json;

/// The consumer whose name no guest may learn.
pub(super) const SECRET: &str = "s3cret-consumer";

const HOUR: Duration = Duration::from_secs(3_600);

pub(super) struct Witnesses {
    queue: Queue,
    seen: Vec<Document>,
    pub(super) ids: Vec<String>,
}

impl Witnesses {
    pub(super) async fn call(stage: &Stage) -> Result<Self> {
        let queue = stage.connect(SECRET).await?.queue("witness")?;
        let put = |state: &str| {
            queue.put(json!({ "was": state, "known": "payload" })).header("a", "b").retain(HOUR)
        };
        let hour = NextOptions { lease: Some(HOUR), ..NextOptions::default() };
        let claim = async || queue.next(&hour).await?.context("no job");
        put("dead").await?;
        claim().await?.error(Failure::new("as planned").code("c").reject()).await?;
        put("completed").await?;
        claim().await?.complete(Some(json!({ "known": "output" }).into_payload()?)).await?;
        put("cancelled").await?;
        for job in queue.list(&mongoqueue::ListOptions::default()).await? {
            if job.payload.to_json()["was"] == "cancelled" {
                queue.cancel(&job.id).await?;
            }
        }
        put("running").await?;
        claim().await?.detach();
        put("scheduled").delay(HOUR).await?;
        put("ready").unique_key("a").await?;
        let jobs = queue.list(&mongoqueue::ListOptions::default()).await?;
        let ids = jobs.iter().map(|job| job.id.to_string()).collect();
        let mut witnesses = Self { queue, seen: Vec::new(), ids };
        witnesses.seen = witnesses.look(stage).await?;
        Ok(witnesses)
    }

    /// Their documents and their leases, whole.
    async fn look(&self, stage: &Stage) -> Result<Vec<Document>> {
        let mine = doc! { "queue": self.queue.name() };
        let mut seen = Vec::new();
        for collection in [stage.jobs(), stage.leases()] {
            let found = collection.find(mine.clone()).sort(doc! { "_id": 1 }).await?;
            seen.extend(found.try_collect::<Vec<_>>().await?);
        }
        Ok(seen)
    }

    pub(super) async fn untouched(&self, stage: &Stage) -> Result<bool> {
        Ok(self.seen.len() == 7 && self.look(stage).await? == self.seen)
    }
}

/// A job of that queue whose last attempt was made by the consumer with the secret name, which was
/// silent for too long. Nobody works on it for an hour.
pub(super) async fn neighbour(stage: &Stage, queue: &Queue) -> Result<String> {
    let secret = stage.connect(SECRET).await?.queue(queue.name())?;
    let id = queue.put(json!({})).max_attempts(5).await?.id;
    let brief = NextOptions { lease: Some(Duration::from_millis(1)), ..NextOptions::default() };
    secret.next(&brief).await?.context("no job")?.detach();
    let again =
        eventually("its lease runs out", async || Ok(queue.next(&NextOptions::default()).await?));
    again.await?.release(HOUR).await?;
    Ok(id.to_string())
}
