//! Jobs that are locked by a transaction whose owner is gone: a worker that was killed within a
//! claim or a settlement leaves one, until the server ends it.

use anyhow::Result;
use bson::doc;
use mongodb::Client;
use mongoqueue::{PutOptions, Summary, WorkerOptions, from_fn};
use mongoqueue_tests::{Running, Stage};

use super::{put, worker};

#[tokio::test]
async fn what_a_dead_worker_locked_is_in_nobodys_way() -> Result<()> {
    let stage = Stage::new().await?;
    // What a claim had locked when its worker died: a batch at the head, and one further down.
    let dead_ones = [0..40, 90..120];
    put(&stage, 300, PutOptions::default()).await?;
    let client = Client::with_uri_str(stage.uri()).await?;
    let jobs = client.database(stage.database.name()).collection::<bson::Document>("jobs");
    let mut session = client.start_session().await?;
    session.start_transaction().await?;
    for numbers in &dead_ones {
        let locked = doc! { "payload": { "$gte": numbers.start, "$lt": numbers.end } };
        let mark = doc! { "$set": { "claim": { "consumer": "dead" } } };
        jobs.update_many(locked, mark).session(&mut session).await?;
    }
    let options = WorkerOptions { slots: 8, ..WorkerOptions::default() };
    let mut running = Running::start(worker(&stage, options, from_fn(async |_| anyhow::Ok(())))?);
    let locked: usize = dead_ones.iter().map(|numbers| numbers.len()).sum();
    for _ in 0..300 - locked {
        running.events.finished().await?;
    }
    assert_eq!(stage.queue()?.stats().await?.ready, locked as u64);
    // As the server does it in the end.
    session.abort_transaction().await?;
    for _ in 0..locked {
        running.events.finished().await?;
    }
    assert_eq!(running.stop().await?, Summary { completed: 300, ..Summary::default() });
    stage.end().await
}
