//! Claimers in line: what dead ones, and documents that are no turns, do to those that live.

use anyhow::{Context, Result};
use bson::{DateTime, doc};
use mongoqueue::{PutOptions, Summary, from_fn};
use mongoqueue_tests::Stage;

use super::{assert_empty, drain, put, until_empty};

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
    stage.turns().insert_one(dead).await?;
    done_by_one(&stage, 300).await?;
    let turn = stage.turns().find_one(doc! { "_id": "q" }).await?.context("no turns")?;
    assert!(turn.get_i64("serving")? > 3, "{turn}");
    assert_eq!(turn.get_i64("serving")?, turn.get_i64("tickets")? + 1, "{turn}");
    stage.end().await
}

#[tokio::test]
async fn a_document_that_is_no_turn_is_in_nobodys_way() -> Result<()> {
    let stage = Stage::new().await?;
    let words = doc! { "_id": "q", "tickets": "three", "serving": "one", "place": "here" };
    stage.turns().insert_one(words).await?;
    done_by_one(&stage, 100).await?;
    for numbers in [
        doc! { "tickets": 4.5, "serving": i64::MAX, "empty": i64::MIN },
        doc! { "tickets": 7_i64, "serving": 2_i64, "empty": i64::MAX },
    ] {
        stage.turns().update_one(doc! { "_id": "q" }, doc! { "$set": numbers }).await?;
        done_by_one(&stage, 100).await?;
    }
    stage.end().await
}

#[tokio::test]
async fn turns_that_are_dropped_are_made_again() -> Result<()> {
    let stage = Stage::new().await?;
    done_by_one(&stage, 40).await?;
    stage.turns().drop().await?;
    done_by_one(&stage, 40).await?;
    stage.end().await
}
