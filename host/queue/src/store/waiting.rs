//! Whether a queue has room for more jobs, without a count for each put.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bson::doc;

use super::transact::Target;
use super::{CLAIM_INDEX, Store};
use crate::error::Result;
use crate::job::State;

/// A look is good for this long.
const FRESH: Duration = Duration::from_secs(1);
/// And for so many times as long as it took: what it costs the server stays a small part of it.
const PART: u32 = 20;
/// Queues whose looks are remembered.
const MOST_QUEUES: usize = 1_000;

/// The last look at each queue, by this connection.
#[derive(Default)]
pub(super) struct Looks(Mutex<HashMap<String, Arc<tokio::sync::Mutex<Look>>>>);

#[derive(Default)]
struct Look {
    good_until: Option<Instant>,
    /// Jobs that waited, and those that were let in since.
    waiting: u64,
    /// No more than so many were counted.
    most: u64,
}

impl Looks {
    fn at(&self, queue: &str) -> Arc<tokio::sync::Mutex<Look>> {
        let mut looks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(look) = looks.get(queue) {
            return look.clone();
        }
        if looks.len() >= MOST_QUEUES {
            looks.clear();
        }
        looks.entry(queue.to_owned()).or_default().clone()
    }
}

impl Store {
    /// Jobs that wait, ready or for their time, counted up to `most`.
    pub(crate) async fn count_waiting(&self, queue: &str, most: u64) -> Result<u64> {
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        if most == 0 {
            return Ok(0);
        }
        let waiting = vec![
            doc! { "$match": { "queue": queue, "state": State::Ready.name() } },
            doc! { "$limit": most },
            doc! { "$group": { "_id": null, "n": { "$sum": 1_i64 } } },
        ];
        let counted = self.aggregate(Target::Jobs, waiting, Some(CLAIM_INDEX)).await?;
        Ok(counted.first().map_or(0, super::read::count))
    }

    /// Lets `jobs` in where fewer than `most` wait.
    pub(crate) async fn room_for(&self, queue: &str, jobs: u64, most: u64) -> Result<bool> {
        let look = self.inner.looks.at(queue);
        // Whoever comes while somebody looks waits for what that one sees.
        let mut look = look.lock().await;
        let begin = Instant::now();
        if look.good_until.is_none_or(|until| begin >= until) || look.most < most {
            look.waiting = self.count_waiting(queue, most).await?;
            let good = FRESH.max(begin.elapsed().checked_mul(PART).unwrap_or(Duration::MAX));
            (look.most, look.good_until) = (most, begin.checked_add(good));
        }
        let room = look.waiting < most;
        if room {
            look.waiting = look.waiting.saturating_add(jobs);
        }
        Ok(room)
    }
}
