//! Puts jobs at a steady rate, repeats what may not have been put, and cancels some.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;
use mongoqueue::{Error, JobId, MongoQueue, Receipt};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::recorded::{Scene, answer, say};
use super::rest;
use super::work::Draft;
use crate::chance::Chance;
use crate::history::{Event, PutAnswer, Recorder};

/// Puts under way at once: while the database is away they wait, and nothing piles up.
const AT_ONCE: usize = 16;

/// Puts the part's jobs, unless it is told to stop before.
pub(super) async fn play(scene: &Scene, mq: &MongoQueue) -> Result<()> {
    let part = &scene.part;
    let mut chance = Chance::new(part.seed, &part.process());
    let putter = Putter::new(mq.clone(), scene.recorder.clone(), scene.stop.clone());
    let slots = Arc::new(Semaphore::new(AT_ONCE));
    let tasks = TaskTracker::new();
    let (begun, mut put) = (Instant::now(), 0_u64);
    while put < part.jobs && !scene.stop.is_cancelled() {
        let due = begun + Duration::from_secs_f64(put as f64 / part.rate.max(0.001));
        rest(&scene.stop, due.saturating_duration_since(Instant::now())).await;
        let size = if chance.percent(50) { 1 } else { chance.between(2, 20) };
        let drafts: Vec<Draft> = (put..(put + size).min(part.jobs))
            .map(|n| Draft::draw(format!("{}-{n}", part.process()), &mut chance))
            .collect::<Result<_, Error>>()?;
        put += drafts.len() as u64;
        let Some(slot) = scene.stop.run_until_cancelled(slots.clone().acquire_owned()).await else {
            break;
        };
        let (putter, cancels) = (putter.clone(), chance.percent(8));
        let pause = Duration::from_millis(chance.between(0, 1_500));
        tasks.spawn(async move {
            let last = drafts.last().map(|draft| draft.line.clone());
            putter.put(drafts).await;
            drop(slot);
            if let Some(job) = last.filter(|_| cancels) {
                rest(&putter.stop, pause).await;
                putter.cancel(&job.queue, job.id).await;
            }
        });
    }
    tasks.close();
    tasks.wait().await;
    Ok(())
}

/// Puts and cancels, and writes it down.
#[derive(Clone)]
pub(crate) struct Putter {
    mq: MongoQueue,
    recorder: Recorder,
    stop: CancellationToken,
    calls: Arc<AtomicU64>,
}

impl Putter {
    pub(crate) fn new(mq: MongoQueue, recorder: Recorder, stop: CancellationToken) -> Self {
        Self { mq, recorder, stop, calls: Arc::default() }
    }

    /// Puts the jobs, and again those of which it isn't known that they are there, until it is or
    /// the process is told to stop.
    pub(crate) async fn put(&self, mut drafts: Vec<Draft>) {
        // Each command is for one queue.
        drafts.sort_by(|a, b| a.line.queue.cmp(&b.line.queue));
        for drafts in drafts.chunk_by(|a, b| a.line.queue == b.line.queue) {
            let mut drafts = drafts.to_vec();
            let mut pause = Duration::from_millis(50);
            while !drafts.is_empty() {
                drafts = self.try_to_put(drafts).await;
                if drafts.is_empty() || !rest(&self.stop, pause).await {
                    break;
                }
                pause = (pause * 2).min(Duration::from_secs(1));
            }
        }
    }

    /// Answers those to be put again.
    async fn try_to_put(&self, drafts: Vec<Draft>) -> Vec<Draft> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        let jobs = drafts.iter().map(|draft| draft.line.clone()).collect();
        say(&self.recorder, Event::PutCall { call, jobs });
        let answers = self.send(&drafts).await;
        say(&self.recorder, Event::PutAnswer { call, answers: answers.clone() });
        let open = |answer: &PutAnswer| {
            matches!(answer, PutAnswer::Failed { .. } | PutAnswer::MayHaveHappened { .. })
        };
        let open = drafts.into_iter().zip(&answers).filter(|(_, answer)| open(answer));
        open.map(|(draft, _)| draft).collect()
    }

    async fn send(&self, drafts: &[Draft]) -> Vec<PutAnswer> {
        let Some(first) = drafts.first() else { return Vec::new() };
        let queue = match self.mq.queue(&first.line.queue) {
            Ok(queue) => queue,
            Err(error) => return vec![told(Err(error)); drafts.len()],
        };
        if let [draft] = drafts {
            let job = draft.job.clone();
            return vec![told(queue.put(job.payload).options(job.options).await)];
        }
        match queue.put_many(drafts.iter().map(|draft| draft.job.clone()).collect()).await {
            Ok(answers) => answers.into_iter().map(told).collect(),
            Err(error) => vec![told(Err(error)); drafts.len()],
        }
    }

    async fn cancel(&self, queue: &str, job: String) {
        let (Ok(queue), Ok(id)) = (self.mq.queue(queue), job.parse::<JobId>()) else { return };
        say(&self.recorder, Event::CancelCall { job: job.clone() });
        let answer = answer(&queue.cancel(&id).await, |state| Some(*state));
        say(&self.recorder, Event::CancelAnswer { job, answer });
    }
}

fn told(said: Result<Receipt, Error>) -> PutAnswer {
    match said {
        Ok(receipt) if receipt.created => PutAnswer::Created,
        Ok(_) => PutAnswer::Existed,
        Err(error @ Error::MayHaveHappened { .. }) => {
            PutAnswer::MayHaveHappened { why: error.to_string() }
        }
        Err(error @ (Error::Duplicate { .. } | Error::Invalid { .. } | Error::TooLarge { .. })) => {
            PutAnswer::Refused { why: error.to_string() }
        }
        Err(error) => PutAnswer::Failed { why: error.to_string() },
    }
}
