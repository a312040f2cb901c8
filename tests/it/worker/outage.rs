//! A database that fails: nothing is lost, nothing is settled twice, and it is told once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result};
use bson::{Document, doc};
use mongoqueue::{
    Attempt, BoxError, Error, JobId, Lease, NextOptions, Outcome, Progress, PutOptions, Queue,
    State, Summary, WorkerEvent, WorkerOptions, from_fn,
};
use mongoqueue_tests::{FailPoint, Running, Stage, server};

use super::{Gate, HOUR, assert_empty, put, until_empty, worker};

/// How often each job was begun.
type Runs = Arc<Mutex<HashMap<JobId, u32>>>;

fn counting(runs: &Runs, gate: Option<&Gate>) -> impl mongoqueue::Handler {
    let (runs, gate) = (runs.clone(), gate.cloned());
    from_fn(move |attempt: Attempt| {
        let (runs, gate) = (runs.clone(), gate.clone());
        async move {
            let id = attempt.job().id.clone();
            *runs.lock().unwrap_or_else(|e| e.into_inner()).entry(id).or_default() += 1;
            if let Some(gate) = gate {
                gate.pass().await;
            }
            Ok::<(), BoxError>(())
        }
    })
}

fn assert_once(runs: &Runs, jobs: usize) {
    let runs = runs.lock().unwrap_or_else(|e| e.into_inner());
    assert_eq!(runs.len(), jobs);
    assert!(runs.values().all(|&times| times == 1), "{runs:?}");
}

/// Trouble and recovery, one after the other.
fn assert_told_in_turns(events: Vec<WorkerEvent>) {
    let told: Vec<bool> = events
        .iter()
        .filter_map(|event| match event {
            WorkerEvent::Trouble { .. } => Some(true),
            WorkerEvent::Recovered { .. } => Some(false),
            _ => None,
        })
        .collect();
    assert!(told.first().copied().unwrap_or(true), "{told:?}");
    assert!(told.windows(2).all(|pair| pair[0] != pair[1]), "{told:?}");
}

fn trouble(event: &WorkerEvent) -> Option<String> {
    match event {
        WorkerEvent::Trouble { error } => Some(error.clone()),
        _ => None,
    }
}

fn recovered(event: &WorkerEvent) -> Option<()> {
    matches!(event, WorkerEvent::Recovered { .. }).then_some(())
}

fn closing(commands: &[&str]) -> Document {
    doc! { "failCommands": commands, "closeConnection": true }
}

#[tokio::test]
async fn while_reads_fail_it_says_so_once_and_goes_on_after() -> Result<()> {
    let stage = Stage::private().await?;
    let runs = Runs::default();
    put(&stage, 30, PutOptions::default()).await?;
    let fail = FailPoint::on(&stage, closing(&["find"]), None).await?;
    let mut running = Running::start(worker(&stage, until_empty(4), counting(&runs, None))?);
    let words = running.events.until("it is in trouble", trouble).await?;
    assert!(words.starts_with("can't reach the database to "), "{words}");
    assert!(fail.off().await? > 0);
    running.events.until("it has recovered", recovered).await?;
    let told = running.events.finished().await;
    assert!(told.is_ok());
    let summary = running.ended().await?;
    assert_eq!(summary, Summary { completed: 30, ..Summary::default() });
    assert_once(&runs, 30);
    assert_empty(&stage).await?;
    stage.end().await
}

/// Some commands of each kind fail, one way or another, while a queue is drained.
async fn drained_with(how: Document, times: i32) -> Result<()> {
    let stage = Stage::private().await?;
    let runs = Runs::default();
    let options = PutOptions { retain: Some(HOUR), ..PutOptions::default() };
    let ids = put(&stage, 60, options).await?;
    let fail = FailPoint::on(&stage, how, Some(times)).await?;
    let worker = worker(&stage, until_empty(8), counting(&runs, None))?;
    let events = mongoqueue_tests::Events::of(&worker);
    let summary = Running::start(worker).ended().await?;
    assert_eq!(fail.off().await?, i64::from(times), "commands that failed");
    assert_eq!(summary, Summary { completed: 60, ..Summary::default() });
    assert_once(&runs, 60);
    assert_told_in_turns(events.all());
    for id in ids {
        let job = stage.queue()?.get(&id).await?;
        assert_eq!((job.state, job.attempts, job.claims), (State::Completed, 0, 1));
    }
    stage.end().await
}

#[tokio::test]
async fn connections_that_close_lose_nothing() -> Result<()> {
    drained_with(closing(&["find", "update", "findAndModify", "delete"]), 9).await
}

#[tokio::test]
async fn commits_that_never_arrive_lose_nothing() -> Result<()> {
    drained_with(closing(&["commitTransaction"]), 5).await
}

#[tokio::test]
async fn commits_whose_safety_is_not_known_settle_once() -> Result<()> {
    // 64 WriteConcernFailed: it took effect, and no majority has said so.
    let error = doc! { "code": 64, "errmsg": "waiting for replication timed out" };
    let how = doc! { "failCommands": ["commitTransaction"], "writeConcernError": error };
    drained_with(how, 5).await
}

#[tokio::test]
async fn a_primary_that_steps_down_is_waited_for() -> Result<()> {
    // 189 PrimarySteppedDown, 11600 InterruptedAtShutdown.
    let transient = |code: i32| {
        doc! {
            "failCommands": ["find", "update", "commitTransaction"], "errorCode": code,
            "errorLabels": ["TransientTransactionError"],
        }
    };
    drained_with(transient(189), 5).await?;
    drained_with(transient(11_600), 3).await
}

/// One attempt ends while the commit of its settlement fails, one way or another.
async fn settled_with(how: Document, outcome: Outcome) -> Result<mongoqueue::Job> {
    let stage = Stage::private().await?;
    let options = PutOptions { retain: Some(HOUR), max_attempts: Some(9), ..PutOptions::default() };
    let id = put(&stage, 1, options).await?.remove(0);
    let gate = Gate::new();
    let gated = gate.clone();
    let handler = from_fn(move |_| {
        let (gate, outcome) = (gated.clone(), outcome.clone());
        async move {
            gate.pass().await;
            outcome
        }
    });
    let mut running = Running::start(worker(&stage, WorkerOptions::default(), handler)?);
    gate.begun(1).await?;
    let fail = FailPoint::on(&stage, how, Some(3)).await?;
    gate.open(1);
    running.events.finished().await?;
    assert_eq!(fail.off().await?, 3, "commits that failed");
    let summary = running.stop().await?;
    assert_eq!(summary.lost, 0);
    let job = stage.queue()?.get(&id).await?;
    stage.end().await?;
    Ok(job)
}

#[tokio::test]
async fn an_end_whose_answer_is_lost_is_written_once() -> Result<()> {
    let unsure = doc! {
        "failCommands": ["commitTransaction"],
        "writeConcernError": { "code": 64, "errmsg": "waiting for replication timed out" },
    };
    let later = mongoqueue::Failure::new("later").retry_after(HOUR);
    for how in [closing(&["commitTransaction"]), unsure] {
        let done = settled_with(how.clone(), Outcome::Completed(None)).await?;
        assert_eq!((done.state, done.claims), (State::Completed, 1));
        let failed = settled_with(how.clone(), Outcome::Failed(later.clone())).await?;
        assert_eq!((failed.state, failed.attempts, failed.errors.len()), (State::Ready, 1, 1));
        let released = settled_with(how, Outcome::Released { delay: HOUR }).await?;
        assert_eq!((released.state, released.attempts), (State::Ready, 0));
    }
    Ok(())
}

#[tokio::test]
async fn an_end_without_an_answer_is_told_as_neither_done_nor_lost() -> Result<()> {
    let stage = Stage::private().await?;
    let queue = stage.queue()?;
    let lease = Duration::from_secs(2);
    let ids = put(&stage, 2, PutOptions { retain: Some(HOUR), ..PutOptions::default() }).await?;
    let next = NextOptions { lease: Some(lease), ..NextOptions::default() };
    let pulled = queue.next(&next).await?.context("a job is due")?;
    let (runs, gate) = (Runs::default(), Gate::new());
    let options = WorkerOptions { slots: 1, lease, ..WorkerOptions::default() };
    let mut running = Running::start(worker(&stage, options, counting(&runs, Some(&gate)))?);
    gate.begun(1).await?;
    // All of it takes effect, and no majority ever says so: until the leases have run out.
    let how = doc! {
        "failCommands": ["commitTransaction", "findAndModify"],
        "writeConcernError": { "code": 64, "errmsg": "waiting for replication timed out" },
    };
    let fail = FailPoint::on(&stage, how, None).await?;
    gate.open(1);
    let told = running.events.until("it tells how the job ended", |event| match event {
        WorkerEvent::Finished { .. } | WorkerEvent::LeaseLost { .. } => Some(None),
        WorkerEvent::MayHaveHappened { id, .. } => Some(Some(id.clone())),
        _ => None,
    });
    let (told, completed) = tokio::join!(told, pulled.complete(None));
    assert!(matches!(completed, Err(Error::MayHaveHappened { .. })), "{completed:?}");
    assert_eq!(told?, Some(ids[1].clone()));
    fail.off().await?;
    assert_eq!(running.stop().await?, Summary { unknown: 1, ..Summary::default() });
    for id in &ids {
        assert_eq!(queue.get(id).await?.state, State::Completed);
    }
    stage.end().await
}

/// A verb while the first command that it sends is lost; the job may be claimed already.
async fn verb(queue: &Queue, verb: &str, claimed: Option<Lease>) -> Result<()> {
    match (verb, claimed) {
        ("put", _) => assert!(queue.put(doc! {}).await?.created),
        ("next", _) => {
            let job = queue.next(&NextOptions::default()).await?.context("one is due")?;
            job.release(Duration::ZERO).await?;
        }
        ("progress", Some(job)) => {
            job.progress(&Progress::default()).await?;
            job.release(Duration::ZERO).await?;
        }
        ("heartbeat", Some(job)) => {
            job.heartbeat().await?;
            job.release(Duration::ZERO).await?;
        }
        ("error", Some(job)) => assert_eq!(job.error("once").await?, State::Ready),
        ("complete", Some(job)) => job.complete(None).await?,
        (other, _) => anyhow::bail!("{other} has no job"),
    }
    Ok(())
}

#[tokio::test]
async fn single_verbs_survive_a_lost_answer_too() -> Result<()> {
    let stage = Stage::private().await?;
    let queue = stage.queue()?;
    for name in ["put", "next", "progress", "heartbeat", "error", "complete"] {
        if name != "put" {
            queue.put(doc! {}).await?;
        }
        let claimed = match name {
            "put" | "next" => None,
            _ => Some(stage.claim().await?),
        };
        let commands = ["insert", "update", "findAndModify", "commitTransaction", "find", "delete"];
        let fail = FailPoint::on(&stage, closing(&commands), Some(1)).await?;
        verb(&queue, name, claimed).await.context(name)?;
        assert_eq!(fail.off().await?, 1, "{name}");
        let left = queue.list(&Default::default()).await?;
        let left: Vec<(u32, u64)> = left.iter().map(|job| (job.attempts, job.claims)).collect();
        let expected: &[(u32, u64)] = match name {
            "complete" => &[],
            "put" => &[(0, 0)],
            "error" => &[(1, 1)],
            _ => &[(0, 1)],
        };
        assert_eq!(left, expected, "{name}");
        queue.clear().await?;
    }
    stage.end().await
}

#[tokio::test]
async fn a_server_that_is_killed_and_comes_back_finds_its_worker_waiting() -> Result<()> {
    let mut server = server::own().await?;
    let uri = server::with_option(&server.uri(), "serverSelectionTimeoutMS=500");
    let stage = Stage::at(&uri).await?;
    let (runs, gate) = (Runs::default(), Gate::new());
    put(&stage, 10, PutOptions::default()).await?;
    let lease = Duration::from_secs(120);
    let options = WorkerOptions { slots: 4, lease, ..WorkerOptions::default() };
    let mut running = Running::start(worker(&stage, options, counting(&runs, Some(&gate)))?);
    gate.begun(4).await?;
    // A claim may be lost with the server's memory. A put is on disk when it is answered, and with
    // it everything before.
    put(&stage, 1, PutOptions::default()).await?;
    server.kill()?;
    // What ends in the outage is settled after it.
    gate.open(11);
    running.events.until("it is in trouble", trouble).await?;
    server.restart().await?;
    running.events.until("it has recovered", recovered).await?;
    let mut completed = 0;
    while completed < 11 {
        let (outcome, _) = running.events.finished().await?;
        completed += i32::from(matches!(*outcome, Outcome::Completed(_)));
    }
    put(&stage, 1, PutOptions::default()).await?;
    gate.open(1);
    running.events.finished().await?;
    let summary = running.stop().await?;
    assert_eq!((summary.completed, summary.lost, summary.failed), (12, 0, 0));
    assert_once(&runs, 12);
    assert_empty(&stage).await?;
    stage.end().await?;
    Ok(server.stop().await?)
}
