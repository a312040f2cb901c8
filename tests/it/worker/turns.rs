//! Claimers in line: what dead ones, and documents that are no turns, do to those that live.

use std::convert::Infallible;
use std::time::Duration;

use anyhow::Result;
use bson::{Bson, Document, doc};
use mongodb::Collection;
use mongoqueue::{PutOptions, Summary, WorkerOptions, from_fn};
use mongoqueue_tests::{FailPoint, Running, Stage, eventually};

use super::{assert_empty, drain, put, until_empty, worker};

async fn done_by_one(stage: &Stage, jobs: i32) -> Result<()> {
    put(stage, jobs, PutOptions::default()).await?;
    let summary = drain(stage, until_empty(4), from_fn(async |_| anyhow::Ok(()))).await?;
    assert_eq!(summary, Summary { completed: jobs as u64, ..Summary::default() });
    assert_empty(stage).await
}

/// So many tickets were handed out, and this one is served.
async fn line(stage: &Stage, tickets: impl Into<Bson>, serving: impl Into<Bson>) -> Result<()> {
    let tickets = doc! { "$set": { "tickets": tickets.into() } };
    let serving = doc! { "$set": { "serving": serving.into() } };
    for (id, set) in [(tickets_of_q(), tickets), ("q".into(), serving)] {
        stage.turns().update_one(doc! { "_id": id }, set).upsert(true).await?;
    }
    Ok(())
}

fn tickets_of_q() -> Bson {
    doc! { "tickets": "q" }.into()
}

#[tokio::test]
async fn tickets_whose_holders_died_are_passed_over() -> Result<()> {
    let stage = Stage::new().await?;
    line(&stage, 3_i64, 1_i64).await?;
    done_by_one(&stage, 300).await?;
    let serving = stage.turn("serving", "q").await?;
    assert!(serving > 3, "{serving}");
    assert_eq!(serving, stage.turn("tickets", tickets_of_q()).await? + 1);
    stage.end().await
}

#[tokio::test]
async fn a_document_that_is_no_turn_is_in_nobodys_way() -> Result<()> {
    let stage = Stage::new().await?;
    let words = doc! { "_id": "q", "place": "here", "before": 3, "given": "now" };
    stage.turns().insert_one(words).await?;
    line(&stage, "three", "one").await?;
    done_by_one(&stage, 100).await?;
    let empty = async |n: i64| {
        let set = doc! { "$set": { "empty": n } };
        anyhow::Ok(stage.turns().update_one(doc! { "_id": "q" }, set).await?)
    };
    for (tickets, serving, answered) in [
        (Bson::Double(4.5), Bson::Int64(i64::MAX), i64::MIN),
        (Bson::Int64(7), Bson::Int64(2), i64::MAX),
        (Bson::Int64(i64::MAX), Bson::Double(4.5), 0),
        (Bson::Int64(i64::MIN), Bson::Int64(i64::MIN), 0),
        (Bson::Int32(1), Bson::Null, 0),
    ] {
        line(&stage, tickets, serving).await?;
        empty(answered).await?;
        done_by_one(&stage, 100).await?;
    }
    stage.end().await
}

/// The other one says what nobody has: without a new beginning each ticket would be passed by, for as
/// long as that many are handed out.
#[tokio::test]
async fn a_line_of_which_one_document_is_lost_begins_anew() -> Result<()> {
    let stage = Stage::new().await?;
    line(&stage, 9_000_i64, 9_001_i64).await?;
    for lost in [tickets_of_q(), "q".into()] {
        stage.turns().delete_one(doc! { "_id": lost }).await?;
        done_by_one(&stage, 40).await?;
        let tickets = stage.turn("tickets", tickets_of_q()).await?;
        assert_eq!(stage.turn("serving", "q").await?, tickets + 1);
        assert!(tickets < 9_000, "{tickets}");
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
    let tickets = async || stage.turn("tickets", tickets_of_q()).await;
    line(&stage, 1_i64, 1_i64).await?;
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

/// As where the head is full of what was claimed lately.
async fn looks_are_slow(stage: &Stage) -> Result<FailPoint<'_>> {
    let slow = doc! { "failCommands": ["find"], "blockConnection": true, "blockTimeMS": 8 };
    FailPoint::on(stage, slow, None).await
}

#[tokio::test]
async fn of_those_who_are_idle_one_looks_at_a_head_that_is_dear() -> Result<()> {
    let stage = Stage::private().await?;
    line(&stage, 1_i64, 1_i64).await?;
    done_by_one(&stage, 2).await?;
    let fail = looks_are_slow(&stage).await?;
    let looks = doc! { "op": "query", "command.hint": "claim" };
    stage.database.run_command(doc! { "profile": 1, "filter": &looks }).await?;
    let options = WorkerOptions { poll: Duration::from_millis(10), ..WorkerOptions::default() };
    let mut all = Vec::new();
    for _ in 0..3 {
        let handler = from_fn(async |_| anyhow::Ok(()));
        all.push(Running::start(worker(&stage, options.clone(), handler)?));
    }
    let profile = stage.database.collection::<Document>("system.profile");
    eventually("they look again and again", async || {
        Ok((profile.count_documents(doc! {}).await? >= 200).then_some(()))
    })
    .await?;
    let at_head = profile.count_documents(doc! { "command.min": { "$exists": false } }).await?;
    let others = profile.count_documents(doc! { "command.min": { "$exists": true } }).await?;
    assert!(at_head * 4 < others, "{at_head} at the head, {others} beside it");

    // In front of the last claim, and behind it.
    let queue = stage.queue()?;
    for priority in [7, 0] {
        let id = queue.put(doc! {}).priority(priority).await?.id;
        eventually("it is done", async || Ok(queue.get(&id).await.is_err().then_some(()))).await?;
    }
    fail.off().await?;
    for running in all {
        running.stop().await?;
    }
    stage.end().await
}

/// Others say all the time that they have just looked at the head.
async fn looked_at_by_others(turns: Collection<Document>) -> Result<Infallible> {
    loop {
        let looked = vec![doc! { "$set": { "head": "$$NOW" } }];
        turns.update_one(doc! { "_id": "q" }, looked).await?;
    }
}

#[tokio::test]
async fn who_is_to_end_with_the_queue_looks_at_a_dear_head_itself() -> Result<()> {
    let stage = Stage::private().await?;
    line(&stage, 1_i64, 1_i64).await?;
    done_by_one(&stage, 2).await?;
    // Somebody before it, so that it is not alone.
    line(&stage, 100_i64, 100_i64).await?;
    let fail = looks_are_slow(&stage).await?;
    let around =
        doc! { "op": "query", "command.hint": "claim", "command.min": { "$exists": true } };
    stage.database.run_command(doc! { "profile": 1, "filter": around }).await?;
    let others = tokio::spawn(looked_at_by_others(stage.turns()));

    let (let_go, gate) = tokio::sync::watch::channel(false);
    let handler = from_fn(move |_| {
        let mut gate = gate.clone();
        async move { gate.wait_for(|open| *open).await.map(|_| ()) }
    });
    put(&stage, 1, PutOptions::default()).await?;
    let options = WorkerOptions { poll: Duration::from_millis(10), ..until_empty(4) };
    let running = tokio::spawn(worker(&stage, options, handler)?.run(std::future::pending()));
    let profile = stage.database.collection::<Document>("system.profile");
    eventually("it looks around again and again", async || {
        Ok((profile.count_documents(doc! {}).await? >= 50).then_some(()))
    })
    .await?;
    // In front of all that was claimed.
    let hour = 3_600_000;
    let before = bson::DateTime::from_millis(bson::DateTime::now().timestamp_millis() - hour);
    let late = doc! { "queue": "q", "state": "ready", "priority": 0, "due": before, "payload": {} };
    stage.jobs().insert_one(late).await?;
    let_go.send(true)?;
    let summary = running.await??;
    others.abort();
    assert_eq!(summary.completed, 2);
    fail.off().await?;
    stage.end().await
}
