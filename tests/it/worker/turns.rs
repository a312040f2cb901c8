//! Claimers in line: what dead ones, and documents that are no turns, do to those that live.

use anyhow::{Context, Result};
use bson::{DateTime, Document, doc};
use mongodb::Collection;
use mongoqueue::{PutOptions, Summary, Worker, from_fn};
use mongoqueue_tests::Stage;
use tokio::task::JoinSet;

use super::{assert_empty, drain, put, until_empty};

fn turns(stage: &Stage) -> Collection<Document> {
    stage.database.collection("jobs.turns")
}

async fn done_by_one(stage: &Stage, jobs: i32) -> Result<()> {
    put(stage, jobs, PutOptions::default()).await?;
    let summary = drain(stage, until_empty(4), from_fn(async |_| anyhow::Ok(()))).await?;
    assert_eq!(summary, Summary { completed: jobs as u64, ..Summary::default() });
    assert_empty(stage).await
}

#[tokio::test]
async fn tickets_whose_holders_died_are_passed_over() -> Result<()> {
    let stage = Stage::new().await?;
    let dead = doc! { "_id": "q", "tickets": 3_i64, "serving": 1_i64, "since": DateTime::now() };
    turns(&stage).insert_one(dead).await?;
    done_by_one(&stage, 300).await?;
    let turn = turns(&stage).find_one(doc! { "_id": "q" }).await?.context("no turns")?;
    assert!(turn.get_i64("serving")? > 3, "{turn}");
    assert_eq!(turn.get_i64("serving")?, turn.get_i64("tickets")? + 1, "{turn}");
    stage.end().await
}

#[tokio::test]
async fn a_document_that_is_no_turn_is_in_nobodys_way() -> Result<()> {
    let stage = Stage::new().await?;
    let words = doc! { "_id": "q", "tickets": "three", "serving": "one", "place": "here" };
    turns(&stage).insert_one(words).await?;
    done_by_one(&stage, 100).await?;
    for numbers in [
        doc! { "tickets": 4.5, "serving": i64::MAX, "empty": i64::MIN },
        doc! { "tickets": 7_i64, "serving": 2_i64, "empty": i64::MAX },
    ] {
        turns(&stage).update_one(doc! { "_id": "q" }, doc! { "$set": numbers }).await?;
        done_by_one(&stage, 100).await?;
    }
    stage.end().await
}

#[tokio::test]
async fn turns_that_are_dropped_are_made_again() -> Result<()> {
    let stage = Stage::new().await?;
    done_by_one(&stage, 40).await?;
    turns(&stage).drop().await?;
    done_by_one(&stage, 40).await?;
    stage.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_that_begin_at_once_leave_nothing_behind_and_all_end() -> Result<()> {
    let stage = Stage::new().await?;
    put(&stage, 2_000, PutOptions::default()).await?;
    let mut workers = JoinSet::new();
    for i in 0..8 {
        let mq = stage.connect(&format!("consumer-{i}")).await?;
        let worker = Worker::new(&mq, until_empty(4));
        let worker = worker.serve(mq.queue("q")?, from_fn(async |_| anyhow::Ok(())));
        workers.spawn(worker.run(std::future::pending()));
    }
    let mut completed = 0;
    while let Some(ended) = workers.join_next().await {
        completed += ended??.completed;
    }
    assert_eq!(completed, 2_000);
    assert_empty(&stage).await?;
    // They stood in line, and nobody still does.
    let turn = turns(&stage).find_one(doc! { "_id": "q" }).await?.context("no turns")?;
    assert!(turn.get_i64("tickets")? >= 8, "{turn}");
    assert!(turn.get_i64("serving")? > turn.get_i64("tickets")?, "{turn}");
    stage.end().await
}
