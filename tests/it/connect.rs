//! Connecting: what is checked, and what a person is told who has something to mend.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bson::{Document, doc};
use futures_util::TryStreamExt;
use mongoqueue::{ConnectOptions, Error, MongoQueue};
use mongoqueue_tests::Stage;

fn options(database: &str) -> ConnectOptions {
    ConnectOptions { database: Some(database.to_owned()), ..ConnectOptions::default() }
}

async fn refused(uri: &str, options: ConnectOptions) -> Result<Error> {
    MongoQueue::connect(uri, options).await.err().context("it was not refused")
}

#[tokio::test]
async fn a_database_that_was_not_set_up_says_what_to_do() -> Result<()> {
    let stage = Stage::new().await?;
    let other = ConnectOptions { collection: "other".to_owned(), ..options(stage.database.name()) };
    let error = refused(stage.uri(), other.clone()).await?;
    let words = format!(
        "collection {}.other is not ready: it has not been set up. Run `mongoqueue init` (or call \
         MongoQueue::init) once",
        stage.database.name()
    );
    assert_eq!(error.to_string(), words);
    // Set up, and again, and by two at once.
    let first = MongoQueue::init(stage.uri(), other.clone());
    let second = MongoQueue::init(stage.uri(), other.clone());
    let (first, second) = tokio::join!(first, second);
    assert_eq!(first?.namespace(), second?.namespace());
    let mq = MongoQueue::connect(stage.uri(), other).await?;
    mq.queue("q")?.put(doc! {}).await?;
    assert_eq!(stage.queue()?.stats().await?, Default::default(), "collections are apart");
    stage.end().await
}

#[tokio::test]
async fn a_missing_index_is_named() -> Result<()> {
    let stage = Stage::new().await?;
    stage.jobs().drop_index("claim").await?;
    let error = refused(stage.uri(), options(stage.database.name())).await?;
    assert!(error.to_string().contains("jobs lacks the index claim."), "{error}");
    MongoQueue::init(stage.uri(), options(stage.database.name())).await?;
    stage.connect("consumer-2").await?;
    stage.end().await
}

#[tokio::test]
async fn a_newer_version_is_left_alone() -> Result<()> {
    let stage = Stage::new().await?;
    let meta = stage.database.collection::<Document>("jobs.meta");
    meta.update_one(doc! { "_id": "schema" }, doc! { "$set": { "version": 3 } }).await?;
    for connected in [
        MongoQueue::connect(stage.uri(), options(stage.database.name())).await,
        MongoQueue::init(stage.uri(), options(stage.database.name())).await,
    ] {
        let error = connected.err().context("refused")?;
        assert!(error.to_string().contains("its version is 3, this library knows 2"), "{error}");
    }
    stage.end().await
}

#[tokio::test]
async fn an_older_version_is_brought_up_to_date_by_init() -> Result<()> {
    let stage = Stage::new().await?;
    let id = stage.queue()?.put(doc! {}).await?.id;
    let meta = stage.database.collection::<Document>("jobs.meta");
    meta.update_one(doc! { "_id": "schema" }, doc! { "$set": { "version": 1 } }).await?;
    stage.database.collection::<Document>("jobs.bell").drop().await?;
    let name = stage.database.name();
    let error = MongoQueue::connect(stage.uri(), options(name)).await.err().context("refused")?;
    let says = "its version is 1, this library needs 2. Run `mongoqueue init`";
    assert!(error.to_string().contains(says), "{error}");
    let mq = MongoQueue::init(stage.uri(), options(name)).await?;
    assert_eq!(mq.queue("q")?.get(&id).await?.id, id);
    let bell = stage.database.list_collections().filter(doc! { "name": "jobs.bell" }).await?;
    let bell: Vec<_> = bell.try_collect().await?;
    assert_eq!(bell.first().and_then(|it| it.options.capped), Some(true), "{bell:?}");
    stage.end().await
}

#[tokio::test]
async fn uris_and_options_that_can_never_be() -> Result<()> {
    let stage = Stage::new().await?;
    for uri in ["", "localhost", "http://localhost", "mongodb://", "mongodb://a/?x=%zz"] {
        let error = refused(uri, options("x")).await?;
        assert!(matches!(error, Error::Invalid { what: "URI", .. }), "{uri:?}: {error}");
    }
    let long = "x".repeat(101);
    for bad in [
        options(""),
        options(&"x".repeat(64)),
        ConnectOptions { collection: String::new(), ..options("x") },
        ConnectOptions { collection: long, ..options("x") },
        ConnectOptions { consumer: Some("\n".to_owned()), ..options("x") },
    ] {
        let error = refused(stage.uri(), bad.clone()).await?;
        assert!(matches!(error, Error::Invalid { .. }), "{bad:?}: {error}");
    }
    stage.end().await
}

#[tokio::test]
async fn nobody_there_is_said_in_time() -> Result<()> {
    let begun = Instant::now();
    // Port 9 is that of a service that nobody runs.
    let uri = "mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=300";
    let error = refused(uri, ConnectOptions::default()).await?;
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    assert!(error.to_string().starts_with("can't reach the database to connect"));
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    Ok(())
}

#[tokio::test]
async fn the_database_of_the_uri_is_taken() -> Result<()> {
    let stage = Stage::new().await?;
    let uri = stage.uri();
    let (hosts, query) = uri.split_once("/?").context("a URI as the harness makes them")?;
    let uri = format!("{hosts}/{}?{query}", stage.database.name());
    let mq = MongoQueue::connect(&uri, ConnectOptions::default()).await?;
    assert_eq!(mq.namespace(), format!("{}.jobs", stage.database.name()));
    assert!(mq.consumer().starts_with("consumer-"), "{}", mq.consumer());
    stage.end().await
}
