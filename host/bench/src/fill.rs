//! Jobs that wait, inserted by the bare driver: the documents that a put makes.

use bson::oid::ObjectId;
use bson::{Bson, DateTime, Document, RawDocumentBuf, doc};
use mongodb::Collection;
use tokio::task::JoinSet;

use crate::error::{Error, Result};
use crate::ground::{Ground, QUEUE};

/// What the jobs are like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Filling {
    /// Bytes of payload, about.
    pub(crate) payload: usize,
    /// Due so long from now, in milliseconds.
    pub(crate) later: i64,
    /// The lowest priority; the rest are above it.
    pub(crate) priority: i32,
    /// So many priorities, and so many queues, each in turn.
    pub(crate) priorities: usize,
    pub(crate) queues: usize,
}

impl Filling {
    /// Jobs that are due.
    pub(crate) fn of(payload: usize) -> Self {
        Self { payload, later: -60_000, priority: 0, priorities: 1, queues: 1 }
    }
}

/// The name of one of the queues; the first is [`QUEUE`].
pub(crate) fn queue_name(n: usize) -> String {
    if n == 0 { QUEUE.to_owned() } else { format!("{QUEUE}-{n}") }
}

/// What the jobs carry: about so many bytes, one letter again and again.
pub(crate) fn payload(n: usize, bytes: usize) -> Document {
    // The rest is names and the number.
    doc! { "n": n as i64, "pad": "x".repeat(bytes.saturating_sub(30)) }
}

/// One job, as a put writes it.
pub(crate) fn document(n: usize, filling: &Filling) -> Result<RawDocumentBuf> {
    let now = DateTime::now();
    let due = DateTime::from_millis(now.timestamp_millis() + filling.later);
    let above = i32::try_from(n % filling.priorities.max(1)).unwrap_or(0);
    let job = doc! {
        "_id": ObjectId::new(), "queue": queue_name(n % filling.queues.max(1)), "state": "ready",
        "priority": filling.priority + above, "due": due, "attempts": 0,
        "max_attempts": 3_i64, "timeout_ms": 300_000_i64, "created_at": now,
        "payload": payload(n, filling.payload),
    };
    RawDocumentBuf::try_from(&job).map_err(|error| Error::Wrong(error.to_string()))
}

/// Of one command, in documents and in bytes.
const AT_ONCE: usize = 1_000;
const BYTES_AT_ONCE: usize = 8 << 20;
/// Commands in flight: more is no faster.
const IN_FLIGHT: usize = 4;

/// So many jobs of that kind.
pub(crate) async fn fill(ground: &Ground, n: usize, filling: Filling) -> Result<()> {
    fill_into(&ground.jobs(), n, filling).await
}

/// The same in that collection.
pub(crate) async fn fill_into(
    jobs: &Collection<RawDocumentBuf>,
    n: usize,
    filling: Filling,
) -> Result<()> {
    let size = AT_ONCE.min(BYTES_AT_ONCE / (filling.payload + 300)).max(1);
    let mut inserts: JoinSet<Result<()>> = JoinSet::new();
    for first in (0..n).step_by(size) {
        if inserts.len() == IN_FLIGHT
            && let Some(inserted) = inserts.join_next().await
        {
            inserted??;
        }
        let jobs = jobs.clone();
        inserts.spawn(async move {
            let numbers = first..(first + size).min(n);
            let documents: Result<Vec<_>> = numbers.map(|n| document(n, &filling)).collect();
            jobs.insert_many(documents?).await?;
            Ok(())
        });
    }
    while let Some(inserted) = inserts.join_next().await {
        inserted??;
    }
    Ok(())
}

/// How many jobs are there.
pub(crate) async fn left(jobs: &Collection<RawDocumentBuf>) -> Result<u64> {
    Ok(jobs.count_documents(doc! { "_id": { "$ne": true } }).hint(by_id()).await?)
}

/// Documents of a collection of jobs that are none: its bookend.
pub(crate) const BOOKENDS: u64 = 1;

fn by_id() -> mongodb::options::Hint {
    mongodb::options::Hint::Keys(doc! { "_id": Bson::Int32(1) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_have_about_the_size_that_is_asked_for() {
        for bytes in [200, 4_096, 1 << 20] {
            let size = bson::serialize_to_vec(&payload(7, bytes)).map_or(0, |it| it.len());
            assert!(size.abs_diff(bytes) < 16, "{bytes}: {size}");
        }
    }
}
