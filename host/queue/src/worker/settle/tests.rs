use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use mongodb::Client;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use super::{End, emptied, write};
use crate::claim::Batch;
use crate::job::{Job, Token};
use crate::lease::{Attempt, Hold};
use crate::outcome::Outcome;
use crate::payload::Payload;
use crate::store::Store;
use crate::worker::WorkerOptions;
use crate::worker::shared::Shared;

const LEASE: Duration = Duration::from_secs(60);

/// The ends of all jobs of one lease that this process has to take for lost by now.
fn ends_too_late(store: &Store, jobs: usize) -> Result<(Arc<Hold>, Vec<End>)> {
    let jobs: Vec<Job> = (0..jobs).map(|_| Job::new("q", Payload::bytes("", ""))).collect();
    let since = Instant::now().checked_sub(LEASE).context("the machine has just begun")?;
    let batch = Batch { token: Token::mint(), jobs: jobs.clone(), lease: LEASE, since };
    let hold = Arc::new(Hold::of_batch(store, &"q".into(), &batch));
    let end = |job| {
        let attempt = Attempt::held(job, hold.clone());
        End::new(attempt, hold.clone(), Some(Outcome::Completed(None)), Duration::ZERO)
    };
    let ends = jobs.into_iter().map(end).collect();
    Ok((hold, ends))
}

#[tokio::test]
async fn a_lease_that_came_back_stays_for_the_job_that_was_given_up_under_it() -> Result<()> {
    // Nothing is asked of it.
    let client = Client::with_uri_str("mongodb://127.0.0.1:1").await?;
    let store = Store::new(client, "test", "jobs", 1024);
    let tokens = (CancellationToken::new(), CancellationToken::new(), broadcast::channel(1).0);
    let options = WorkerOptions::default();
    let shared = Shared::new((store.clone(), "consumer".into()), options, Vec::new(), tokens);
    let (hold, mut ends) = ends_too_late(&store, 2)?;
    shared.claimed(2);
    write(&shared, vec![ends.remove(0)]).await;
    assert_eq!((shared.summary().lost, shared.unsettled()), (1, 1));
    // The heartbeat came through after all: for the database both jobs run under the lease.
    hold.renewed();
    assert!(ends.iter().all(|end| end.may_be_held(Instant::now())));
    assert_eq!(emptied(&ends), [], "the lease would go, with a job under it");
    // With both of them it may.
    let (hold, ends) = ends_too_late(&store, 2)?;
    assert_eq!(emptied(&ends), [("q".into(), hold.token)]);
    Ok(())
}
