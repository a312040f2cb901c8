//! Many at once: each job is claimed exactly once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result};
use bson::doc;
use mongoqueue::{
    Attempt, Error, JobId, NewJob, NextOptions, Payload, State, Worker, WorkerOptions, from_fn,
};
use mongoqueue_tests::process::{Process, Role, runs};
use mongoqueue_tests::{Stage, eventually};

use crate::worker::assert_empty;

async fn put(stage: &Stage, n: i32) -> Result<Vec<JobId>> {
    let jobs = (0..n).map(|n| NewJob::new(Payload::Bson(n.into()))).collect();
    let answers = stage.queue()?.put_many(jobs).await?;
    Ok(answers.into_iter().map(|answer| answer.map(|it| it.id)).collect::<Result<_, _>>()?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_claimers_take_each_job_once() -> Result<()> {
    let stage = Stage::new().await?;
    let mut put = put(&stage, 1_000).await?;
    let mut claimers = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let queue = stage.queue()?;
        claimers.spawn(async move {
            let mut claimed = Vec::new();
            loop {
                match queue.next(&NextOptions::default()).await {
                    Ok(Some(job)) => {
                        claimed.push(job.job().id.clone());
                        job.complete(None).await?;
                    }
                    Ok(None) => return Ok(claimed),
                    // Told after many tries; whoever is told so comes again.
                    Err(Error::Contended { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
        });
    }
    let mut claimed = Vec::new();
    while let Some(ended) = claimers.join_next().await {
        claimed.extend(ended??);
    }
    put.sort();
    claimed.sort();
    assert_eq!(claimed.len(), put.len());
    assert_eq!(claimed, put);
    let stats = stage.queue()?.stats().await?;
    assert_eq!((stats.ready, stats.running), (0, 0));
    stage.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_workers_of_one_process_take_each_job_once() -> Result<()> {
    let stage = Stage::new().await?;
    let put = put(&stage, 3_000).await?;
    let seen: Arc<Mutex<HashMap<JobId, u32>>> = Arc::default();
    let mut workers = tokio::task::JoinSet::new();
    for i in 0..8 {
        let seen = seen.clone();
        let handler = from_fn(move |attempt: Attempt| {
            let seen = seen.clone();
            async move {
                let mut seen = seen.lock().unwrap_or_else(|e| e.into_inner());
                *seen.entry(attempt.job().id.clone()).or_default() += 1;
                Ok::<(), Error>(())
            }
        });
        let options = WorkerOptions { until_empty: true, slots: 4, ..WorkerOptions::default() };
        let mq = stage.connect(&format!("consumer-{i}")).await?;
        let worker = Worker::new(&mq, options).serve(mq.queue("q")?, handler);
        workers.spawn(worker.run(std::future::pending()));
    }
    let mut completed = 0;
    while let Some(ended) = workers.join_next().await {
        let summary = ended??;
        completed += summary.completed;
        assert_eq!(summary.lost, 0);
    }
    assert_eq!(completed, 3_000);
    let seen = seen.lock().unwrap_or_else(|e| e.into_inner()).clone();
    assert_eq!(seen.len(), put.len());
    assert!(seen.values().all(|&times| times == 1));
    assert_empty(&stage).await?;
    // They stood in line, and nobody still does.
    let tickets = stage.turn("tickets", doc! { "tickets": "q" }).await?;
    assert!(tickets >= 8, "{tickets}");
    let serving = stage.turn("serving", "q").await?;
    assert!(serving > tickets, "{serving} of {tickets}");
    stage.end().await
}

async fn drained_by_four(role: Role, jobs: i32) -> Result<()> {
    let stage = Stage::new().await?;
    put(&stage, jobs).await?;
    let processes: Result<Vec<Process>> =
        (0..4).map(|i| Process::start(&stage, role, &format!("process-{i}"))).collect();
    for process in processes? {
        process.ended().await?;
    }
    let mut times: HashMap<String, u32> = HashMap::new();
    for run in runs(&stage).await? {
        *times.entry(run.get_str("job")?.to_owned()).or_default() += 1;
    }
    assert_eq!(times.len(), usize::try_from(jobs)?);
    assert!(times.values().all(|&times| times == 1), "some ran twice");
    let stats = stage.queue()?.stats().await?;
    assert_eq!((stats.ready, stats.running, stats.dead), (0, 0, 0));
    stage.end().await
}

#[tokio::test]
async fn four_worker_processes_run_each_job_once() -> Result<()> {
    drained_by_four(Role::Work, 2_000).await
}

#[tokio::test]
async fn four_processes_with_next_run_each_job_once() -> Result<()> {
    drained_by_four(Role::Next, 200).await
}

#[tokio::test]
async fn the_jobs_of_a_killed_process_are_done_by_another() -> Result<()> {
    let stage = Stage::new().await?;
    let jobs = put(&stage, 20).await?;
    let hanging = Process::start(&stage, Role::Hang, "killed").await_begun(&stage).await?;
    let running = stage.queue()?.stats().await?.running;
    hanging.kill().await?;
    // Its lease is still good: nobody else gets what it holds.
    let held: Vec<String> = runs(&stage)
        .await?
        .iter()
        .filter_map(|run| Some(run.get_str("job").ok()?.to_owned()))
        .collect();
    assert!(running >= held.len() as u64 && !held.is_empty());
    stage.expire_leases().await?;
    Process::start(&stage, Role::Work, "heir")?.ended().await?;
    let mut done: Vec<String> = Vec::new();
    for run in runs(&stage).await? {
        if run.get_str("consumer")? == "heir" {
            done.push(run.get_str("job")?.to_owned());
        }
    }
    done.sort();
    let mut all: Vec<String> = jobs.iter().map(JobId::to_string).collect();
    all.sort();
    assert_eq!(done, all);
    assert_eq!(stage.queue()?.stats().await?, Default::default());
    stage.end().await
}

#[tokio::test]
async fn what_a_killed_process_held_says_so_when_it_dies_of_it() -> Result<()> {
    let stage = Stage::new().await?;
    let queue = stage.queue()?;
    let id = queue.put(Payload::Bson(1.into())).max_attempts(1).await?.id;
    Process::start(&stage, Role::Hang, "killed").await_begun(&stage).await?.kill().await?;
    stage.expire_leases().await?;
    assert!(queue.next(&NextOptions::default()).await?.is_none());
    let job = queue.get(&id).await?;
    assert_eq!(job.state, State::Dead);
    let record = job.last_error().context("a record")?;
    assert_eq!(
        (record.kind.as_str(), record.message.as_str()),
        ("lease-expired", "lease expired on killed")
    );
    stage.end().await
}

/// Waiting for the first attempt of a process that has been started.
trait Begun {
    async fn await_begun(self, stage: &Stage) -> Result<Process>;
}

impl Begun for Result<Process> {
    async fn await_begun(self, stage: &Stage) -> Result<Process> {
        let process = self?;
        let begun = async || Ok((!runs(stage).await?.is_empty()).then_some(()));
        eventually("an attempt begins in the process", begun).await?;
        Ok(process)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_and_a_cancel_meet() -> Result<()> {
    let stage = Stage::new().await?;
    let queue = stage.queue()?;
    for n in 0..40 {
        let id = queue.put(Payload::Bson(n.into())).await?.id;
        let claim = async {
            let options =
                NextOptions { lease: Some(Duration::from_secs(60)), ..Default::default() };
            queue.next(&options).await
        };
        let (claimed, state) = tokio::join!(claim, queue.cancel(&id));
        match (claimed?, state?) {
            // The cancel was first; the claim found nothing.
            (None, State::Cancelled) => {}
            // The claim was first; the attempt's end heeds the wish.
            (Some(job), State::Running) => {
                assert_eq!(job.error("stopped").await?, State::Cancelled)
            }
            (other, state) => {
                let claimed = other.map(|job| job.job().id.to_string());
                anyhow::bail!("{id}: claimed {claimed:?}, cancel said {state}");
            }
        }
    }
    stage.end().await
}
