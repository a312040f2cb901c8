//! Claimers in line: what dead ones, and documents that are no turns, do to those that live.

use std::time::Duration;

use anyhow::{Context, Result};
use bson::{DateTime, Document, doc};
use mongoqueue::{PutOptions, Summary, WorkerOptions, from_fn};
use mongoqueue_tests::{Running, Stage, eventually};

use super::{assert_empty, drain, put, until_empty, worker};

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

/// Beside others, who are there all the time: each look would be a ticket, and a wait.
#[tokio::test]
async fn who_is_idle_stands_in_line_when_there_is_something() -> Result<()> {
    let stage = Stage::new().await?;
    let tickets = async || {
        let turn = stage.turns().find_one(doc! { "_id": "q" }).await?.context("no turns")?;
        anyhow::Ok(turn.get_i64("tickets")?)
    };
    let before = doc! { "_id": "q", "tickets": 1_i64, "serving": 1_i64, "since": DateTime::now() };
    stage.turns().insert_one(before).await?;
    stage.database.run_command(doc! { "profile": 2 }).await?;
    let options = WorkerOptions { poll: Duration::from_millis(10), ..WorkerOptions::default() };
    let handler = from_fn(async |_| anyhow::Ok(()));
    let mut running = Running::start(worker(&stage, options, handler)?);
    let profile = stage.database.collection::<Document>("system.profile");
    eventually("it looks again and again", async || {
        let looks = doc! { "command.find": "jobs", "command.hint": "claim" };
        Ok((profile.count_documents(looks).await? >= 20).then_some(()))
    })
    .await?;
    assert_eq!(tickets().await?, 2);
    stage.queue()?.put(doc! {}).await?;
    running.events.finished().await?;
    assert!(tickets().await? > 2);
    running.stop().await?;
    stage.end().await
}
