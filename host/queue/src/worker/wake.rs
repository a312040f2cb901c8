//! Tells the feeds to look when the bell rings for something that is due, or will be.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bson::DateTime;

use super::shared::{Shared, pause};
use crate::error::Result;
use crate::store::Listener;

/// Due times remembered; what is beyond is found by the poll.
const REMEMBERED: usize = 1_024;

/// After so long without an empty queue nobody listens.
const BUSY: Duration = Duration::from_secs(2);

/// A bell that was heard for so long is one.
const GOOD: Duration = Duration::from_secs(10);

pub(super) async fn run(shared: Arc<Shared>) {
    let queues = shared.queue_names();
    let mut failures = 0;
    loop {
        // While there is enough to do nobody needs waking.
        shared.empty.notified().await;
        let began = Instant::now();
        // A bell that can't be heard costs latency: the poll goes on.
        if let Ok(mut bell) = shared.store.listen(&queues).await {
            // What was put before.
            look(&shared);
            if listen(&shared, &mut bell).await.is_ok() {
                failures = 0;
                continue;
            }
        }
        // One that ends as soon as it is listened to is none.
        if began.elapsed() > GOOD {
            failures = 0;
        }
        tokio::time::sleep(pause(failures)).await;
        failures += 1;
    }
}

/// Listens until that fails, or the worker is busy.
async fn listen(shared: &Shared, bell: &mut Listener) -> Result<()> {
    let mut busy = tokio::time::interval(BUSY);
    let mut later: BTreeSet<DateTime> = BTreeSet::new();
    loop {
        let now = shared.store.now_if_known().unwrap_or_else(DateTime::now);
        let until = later.first().map(|due| due.saturating_duration_since(now));
        let timer = async {
            match until {
                Some(until) => tokio::time::sleep(until).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            due = bell.next() => match due {
                Err(error) => return Err(error),
                Ok(Some(due)) if due > now => {
                    later.insert(due);
                    if later.len() > REMEMBERED {
                        later.pop_last();
                    }
                }
                Ok(_) => look(shared),
            },
            _ = busy.tick() => {
                if !shared.was_empty_within(BUSY) {
                    return Ok(());
                }
            }
            () = timer => {
                // The estimate of the server's clock is a moment behind, never ahead.
                later.pop_first();
                tokio::time::sleep(Duration::from_millis(1)).await;
                look(shared);
            }
        }
    }
}

fn look(shared: &Shared) {
    shared.served.iter().for_each(|served| served.look.notify_one());
}
