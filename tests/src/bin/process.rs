//! A consumer in a process of its own: `ROLE URI DATABASE CONSUMER`. See `mongoqueue_tests::process`.

use anyhow::{Context, Result};
use bson::{Document, doc};
use mongodb::{Client, Collection};
use mongoqueue::{
    Attempt, ConnectOptions, Job, MongoQueue, NextOptions, Queue, Worker, WorkerOptions, from_fn,
};
use mongoqueue_tests::process::Role;

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [role, uri, database, consumer] = arguments.as_slice() else {
        anyhow::bail!("usage: ROLE URI DATABASE CONSUMER");
    };
    let role = Role::ALL.into_iter().find(|(_, word)| word == role);
    let (role, _) = role.context("no such role")?;
    let options = ConnectOptions {
        database: Some(database.clone()),
        consumer: Some(consumer.clone()),
        ..ConnectOptions::default()
    };
    let mq = MongoQueue::connect(uri, options).await?;
    let database = Client::with_uri_str(uri).await?.database(database);
    let runs = Runs { runs: database.collection("runs"), consumer: consumer.clone() };
    match role {
        Role::Work => work(&mq, runs, false).await,
        Role::Hang => work(&mq, runs, true).await,
        Role::Next => next(&mq.queue("q")?, &runs).await,
    }
}

#[derive(Clone)]
struct Runs {
    runs: Collection<Document>,
    consumer: String,
}

impl Runs {
    async fn note(&self, job: &Job) -> Result<()> {
        let run = doc! { "job": job.id.to_string(), "consumer": &self.consumer };
        self.runs.insert_one(run).await?;
        Ok(())
    }
}

async fn work(mq: &MongoQueue, runs: Runs, hang: bool) -> Result<()> {
    let handler = from_fn(move |attempt: Attempt| {
        let runs = runs.clone();
        async move {
            runs.note(attempt.job()).await?;
            if hang {
                std::future::pending::<()>().await;
            }
            anyhow::Ok(())
        }
    });
    let options = WorkerOptions { until_empty: !hang, slots: 8, ..WorkerOptions::default() };
    Worker::new(mq, options).serve(mq.queue("q")?, handler).run(std::future::pending()).await?;
    Ok(())
}

async fn next(queue: &Queue, runs: &Runs) -> Result<()> {
    while let Some(job) = queue.next(&NextOptions::default()).await? {
        runs.note(job.job()).await?;
        job.complete(None).await?;
    }
    Ok(())
}
