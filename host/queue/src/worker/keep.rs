//! Heartbeats: renews every lease at a third of its length, and gives up one that could not be
//! renewed in time, so that its jobs are cut off before somebody else may have them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use super::shared::Shared;
use crate::lease::Hold;

/// Renewals sent at once: a stall of the database mustn't take every connection.
const AT_ONCE: usize = 16;

pub(super) async fn run(shared: Arc<Shared>) {
    // Often enough that a renewal is late by no more than a twelfth of the lease.
    let tick = (shared.options.lease / 12).max(Duration::from_millis(5));
    loop {
        tokio::time::sleep(tick).await;
        let mut renewals = FuturesUnordered::new();
        for hold in shared.held() {
            if !needs_renewal(&hold) {
                continue;
            }
            if renewals.len() >= AT_ONCE {
                renewals.next().await;
            }
            renewals.push(renew(&shared, hold));
        }
        while renewals.next().await.is_some() {}
    }
}

fn needs_renewal(hold: &Hold) -> bool {
    let left = hold.until().saturating_duration_since(Instant::now());
    !hold.lost().is_cancelled() && hold.unsettled() > 0 && left < hold.length() * 2 / 3
}

async fn renew(shared: &Shared, hold: Arc<Hold>) {
    let left = hold.until().saturating_duration_since(Instant::now());
    match tokio::time::timeout(left, hold.renew()).await {
        Ok(Ok(_)) => shared.no_trouble(),
        Ok(Err(error)) => shared.trouble(&error),
        Err(_) => {}
    }
    if hold.until() <= Instant::now() {
        hold.lost().cancel();
    }
}
