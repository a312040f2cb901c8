//! The index of jobs that are over: there before the first of them is, however that comes, as one
//! that isn't in it is found by nobody.

use std::time::Duration;

use anyhow::{Result, ensure};
use bson::{Document, doc};
use mongoqueue::{
    Attempt, ConnectOptions, Failure, ListOptions, MongoQueue, NextOptions, Queue, State, Worker,
    WorkerEvent, WorkerOptions, from_fn,
};
use mongoqueue_tests::{Running, Stage};

use crate::servers::with_passwords;

const HOUR: Duration = Duration::from_secs(3_600);

async fn is_there(stage: &Stage) -> Result<bool> {
    Ok(stage.jobs().list_index_names().await?.contains(&"finished".to_owned()))
}

/// The queue has one job, in that state, and it is found by all who look for such ones.
async fn found(queue: &Queue, state: State) -> Result<()> {
    let jobs = queue.list(&ListOptions { state: Some(state), limit: 9 }).await?;
    ensure!(jobs.len() == 1, "{jobs:?}");
    let stats = queue.stats().await?;
    let counted = match state {
        State::Completed => stats.completed,
        State::Dead => stats.dead,
        State::Cancelled => stats.cancelled,
        State::Ready | State::Running => 0,
    };
    ensure!(counted == 1, "{stats:?}");
    ensure!(queue.deaths(9).await?.len() == usize::from(state == State::Dead));
    Ok(())
}

/// What `end` does to a job that waits, on a collection where none was over yet, leaves it in that
/// state; who looks is another process.
async fn ends_in(state: State, end: impl AsyncFnOnce(&Stage) -> Result<()>) -> Result<()> {
    let stage = Stage::new().await?;
    let queue = stage.queue()?;
    queue.put(doc! {}).max_attempts(1).await?;
    assert!(!is_there(&stage).await?, "an index that no job needs");
    assert_eq!(queue.list(&ListOptions { state: Some(state), limit: 9 }).await?, []);
    end(&stage).await?;
    assert!(is_there(&stage).await?, "nobody finds a job that is {state}");
    let other = stage.connect("consumer-2").await?;
    found(&other.queue("q")?, state).await?;
    if state == State::Dead {
        assert_eq!(other.queue("q")?.retry_dead().await?, 1);
    }
    assert_eq!(other.queues().await?, ["q"]);
    assert_eq!(other.queue("q")?.clear().await?, 1);
    stage.end().await
}

#[tokio::test]
async fn it_is_made_by_the_last_failure() -> Result<()> {
    ends_in(State::Dead, async |stage| {
        stage.claim().await?.error("it failed").await?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn it_is_made_by_a_reject() -> Result<()> {
    ends_in(State::Dead, async |stage| {
        stage
            .jobs()
            .update_one(doc! { "queue": "q" }, doc! { "$set": { "max_attempts": 9 } })
            .await?;
        stage.claim().await?.error(Failure::new("never").reject()).await?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn it_is_made_by_what_is_retained() -> Result<()> {
    ends_in(State::Completed, async |stage| {
        let retain = doc! { "$set": { "retain_ms": 60_000_i64 } };
        stage.jobs().update_one(doc! { "queue": "q" }, retain).await?;
        Ok(stage.claim().await?.complete(None).await?)
    })
    .await
}

#[tokio::test]
async fn it_is_made_by_a_cancel() -> Result<()> {
    ends_in(State::Cancelled, async |stage| {
        let queue = stage.queue()?;
        let jobs = queue.list(&ListOptions::default()).await?;
        for job in jobs {
            queue.cancel(&job.id).await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn it_is_made_by_the_end_of_what_was_asked_to_stop() -> Result<()> {
    ends_in(State::Cancelled, async |stage| {
        let job = stage.claim().await?;
        stage.queue()?.cancel(&job.job().id).await?;
        Ok(job.release(HOUR).await?)
    })
    .await
}

#[tokio::test]
async fn it_is_made_by_the_last_lease_that_runs_out() -> Result<()> {
    ends_in(State::Dead, async |stage| {
        stage.claim().await?.detach();
        stage.expire_leases().await?;
        assert!(stage.queue()?.next(&NextOptions::default()).await?.is_none());
        Ok(())
    })
    .await
}

#[tokio::test]
async fn it_is_made_by_a_job_whose_lease_is_gone() -> Result<()> {
    ends_in(State::Dead, async |stage| {
        stage.claim().await?.detach();
        stage.leases().delete_many(doc! { "queue": "q" }).await?;
        let options = WorkerOptions { mend: Duration::from_millis(50), ..WorkerOptions::default() };
        let worker = Worker::new(&stage.mq, options)
            .serve(stage.mq.queue("other")?, from_fn(|_: Attempt| async { anyhow::Ok(()) }));
        let mut running = Running::start(worker);
        let mended = |event: &WorkerEvent| match event {
            WorkerEvent::Mended { jobs, .. } => Some(*jobs),
            _ => None,
        };
        assert_eq!(running.events.until("a job is mended", mended).await?, 1);
        running.stop().await?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn it_is_made_by_what_can_not_be_read() -> Result<()> {
    ends_in(State::Dead, async |stage| {
        let wrong = doc! { "$set": { "attempts": "many" } };
        let jobs = stage.jobs();
        let unchecked = jobs.update_one(doc! { "queue": "q" }, wrong);
        unchecked.bypass_document_validation(true).await?;
        assert!(stage.queue()?.next(&NextOptions::default()).await?.is_none());
        Ok(())
    })
    .await
}

/// A failure that is not the last, and a lease that runs out before that, leave a job that waits.
#[tokio::test]
async fn it_is_not_made_by_what_runs_again() -> Result<()> {
    let stage = Stage::new().await?;
    stage.queue()?.put(doc! {}).max_attempts(3).await?;
    stage.claim().await?.error("once").await?;
    stage.claim().await?.detach();
    stage.expire_leases().await?;
    stage.claim().await?.release(Duration::ZERO).await?;
    assert!(!is_there(&stage).await?);
    // The third.
    stage.claim().await?.error("for good").await?;
    found(&stage.queue()?, State::Dead).await?;
    stage.end().await
}

/// As by a tool that copies documents alone.
#[tokio::test]
async fn it_is_made_where_jobs_were_restored_without_it() -> Result<()> {
    let stage = Stage::new().await?;
    stage.queue()?.put(doc! {}).max_attempts(1).await?;
    stage.claim().await?.error("it failed").await?;
    stage.jobs().drop_index("finished").await?;
    let options = ConnectOptions {
        database: Some(stage.database.name().to_owned()),
        ..ConnectOptions::default()
    };
    let mq = MongoQueue::init(stage.uri(), options).await?;
    assert!(is_there(&stage).await?);
    found(&mq.queue("q")?, State::Dead).await?;
    stage.end().await
}

/// Who may write and make no index loses no end of a job by that.
#[tokio::test]
async fn without_the_right_to_make_it_all_is_found_all_the_same() -> Result<()> {
    let (bare, root) = with_passwords().await?;
    let options = || ConnectOptions { database: Some("x".to_owned()), ..ConnectOptions::default() };
    MongoQueue::init(&bare.uri("root:secret@").await?, options()).await?;
    let everything = doc! { "db": "x", "collection": "" };
    let actions = ["find", "insert", "update", "remove", "listIndexes", "listCollections"];
    let rights = [doc! { "resource": everything, "actions": &actions[..] }];
    let none: [Document; 0] = [];
    let role = doc! { "createRole": "writer", "privileges": &rights[..], "roles": &none[..] };
    root.run_command(role).await?;
    let user = doc! { "createUser": "eve", "pwd": "secret", "roles": ["writer"] };
    root.run_command(user).await?;
    let uri = format!("{}&authSource=x", bare.uri("eve:secret@").await?);
    let queue = MongoQueue::connect(&uri, options()).await?.queue("q")?;
    queue.put(doc! {}).max_attempts(1).await?;
    assert_eq!(queue.stats().await?.dead, 0);
    if let Some(job) = queue.next(&NextOptions::default()).await? {
        job.error("it failed").await?;
    }
    found(&queue, State::Dead).await?;
    // For every other process too, until somebody makes it.
    found(&MongoQueue::connect(&uri, options()).await?.queue("q")?, State::Dead).await?;
    let indexes = async || root.collection::<Document>("jobs").list_index_names().await;
    assert_eq!(indexes().await?, ["_id_", "claim"]);
    MongoQueue::init(&bare.uri("root:secret@").await?, options()).await?;
    assert_eq!(indexes().await?, ["_id_", "claim", "finished"]);
    Ok(())
}
