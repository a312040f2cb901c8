//! The document behind all others of its collection, and that nobody meets it.

use anyhow::{Context, Result};
use bson::{Bson, Document, doc};
use futures_util::future::try_join_all;
use mongodb::Collection;
use mongoqueue::{ConnectOptions, ListOptions, MongoQueue, Stats};
use mongoqueue_tests::Stage;

/// The last document in that order.
async fn last(of: &Collection<Document>, order: Document) -> Result<Bson> {
    let last = of.find_one(doc! {}).sort(order).await?.context("it is empty")?;
    last.get("_id").cloned().context("no id")
}

#[tokio::test]
async fn it_is_behind_jobs_and_leases_of_any_name() -> Result<()> {
    let stage = Stage::new().await?;
    // The last names there are.
    let queue = stage.mq.queue(&"\u{ffff}".repeat(30))?;
    queue.put(doc! {}).id("\u{ffff}".repeat(60).parse()?).priority(i32::MIN).await?;
    queue.put(doc! {}).await?;
    let lease = queue.next(&mongoqueue::NextOptions::default()).await?.context("a job")?;
    for order in [doc! { "_id": -1 }, doc! { "queue": -1, "priority": 1, "due": -1, "_id": -1 }] {
        assert_eq!(last(&stage.jobs(), order).await?, Bson::Boolean(true));
    }
    for order in [doc! { "_id": -1 }, doc! { "queue": -1, "until": -1 }] {
        assert_eq!(last(&stage.leases(), order).await?, Bson::Boolean(true));
    }
    lease.complete(None).await?;
    stage.end().await
}

#[tokio::test]
async fn it_is_no_job() -> Result<()> {
    let stage = Stage::new().await?;
    let queue = stage.queue()?;
    assert!(stage.mq.queues().await?.is_empty());
    assert!(queue.list(&ListOptions::default()).await?.is_empty());
    assert_eq!(queue.stats().await?, Stats::default());
    assert!(queue.next(&mongoqueue::NextOptions::default()).await?.is_none());
    stage.end().await
}

#[tokio::test]
async fn setting_up_again_puts_it_back_and_leaves_one() -> Result<()> {
    let stage = Stage::new().await?;
    let again =
        async || MongoQueue::init(&stage.uri_of_database(), ConnectOptions::default()).await;
    stage.jobs().delete_many(doc! {}).await?;
    for _ in 0..2 {
        again().await?;
        assert_eq!(stage.jobs().count_documents(doc! {}).await?, 1);
        assert_eq!(stage.leases().count_documents(doc! {}).await?, 1);
    }
    // Many start at once.
    for _ in 0..5 {
        stage.jobs().delete_many(doc! {}).await?;
        stage.leases().delete_many(doc! {}).await?;
        try_join_all((0..8).map(|_| again())).await?;
        assert_eq!(stage.jobs().count_documents(doc! {}).await?, 1);
        assert_eq!(stage.leases().count_documents(doc! {}).await?, 1);
    }
    stage.end().await
}
