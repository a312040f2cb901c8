//! What the consumers hold: leases of jobs they claimed themselves, and attempts of workers.

use std::collections::HashMap;

use anyhow::{Context, Result, ensure};
use bson::doc;
use mongoqueue::{
    Attempt, Error, JobId, Lease, MongoQueue, Outcome, Queue, State, Token, Worker, WorkerEvent,
    WorkerOptions, from_fn,
};
use mongoqueue_tests::{Running, eventually, soon};
use tokio::sync::{mpsc, oneshot};

use super::player::Player;
use super::verbs::{End, HOUR, hours, output};

/// Somebody's hold on a job. It may have been lost meanwhile.
pub(super) struct Held {
    pub(super) id: JobId,
    pub(super) token: Token,
    pub(super) grip: Grip,
}

pub(super) enum Grip {
    /// `ours`: this is who claimed it, so that dropping it hands it back.
    Pull { lease: Lease, ours: bool },
    /// A worker runs it until it is told the outcome.
    Push { attempt: Attempt, answer: oneshot::Sender<Outcome> },
}

impl Held {
    pub(super) fn pull(lease: Lease, ours: bool) -> Self {
        let (id, token) = (lease.job().id.clone(), lease.token());
        Self { id, token, grip: Grip::Pull { lease, ours } }
    }

    pub(super) fn attempt(&self) -> &Attempt {
        match &self.grip {
            Grip::Pull { lease, .. } => lease.attempt(),
            Grip::Push { attempt, .. } => attempt,
        }
    }

    pub(super) fn is_push(&self) -> bool {
        matches!(self.grip, Grip::Push { .. })
    }
}

/// A worker that made one claim, and makes no other.
pub(super) struct Batch {
    running: Running,
    /// Attempts that are not over.
    open: usize,
}

impl Batch {
    /// Starts a worker on as many jobs as are due, so that it has no reason to look for more before
    /// it is stopped.
    pub(super) async fn claim(
        (mq, queue): (&MongoQueue, Queue),
        n: usize,
        lease: i64,
    ) -> Result<(Option<Self>, Vec<Held>)> {
        let (to_test, mut attempts) = mpsc::unbounded_channel();
        let handler = from_fn(move |attempt: Attempt| {
            let to_test = to_test.clone();
            async move {
                let (answer, told) = oneshot::channel();
                // A test that has failed listens no more.
                let _ = to_test.send((attempt, answer));
                told.await.unwrap_or(Outcome::HandedBack)
            }
        });
        let options = WorkerOptions {
            slots: n.max(1),
            lease: hours(lease),
            prefetch: 0,
            watch: false,
            grace: HOUR,
            mend: HOUR,
            until_empty: n == 0,
            ..WorkerOptions::default()
        };
        let mut running = Running::start(Worker::new(mq, options).serve(queue, handler));
        if n == 0 {
            running.ended().await?;
            ensure!(attempts.recv().await.is_none(), "the worker found a job that isn't due");
            return Ok((None, Vec::new()));
        }
        let mut held = Vec::new();
        while held.len() < n {
            let (attempt, answer) =
                soon("a worker's attempts", attempts.recv()).await?.context("a worker ended")?;
            let (id, token) = (attempt.job().id.clone(), attempt.token());
            held.push(Held { id, token, grip: Grip::Push { attempt, answer } });
        }
        running.ask_to_stop();
        Ok((Some(Self { running, open: n }), held))
    }

    /// Waits for the ends of `n` attempts: the state after it, or that it was lost.
    async fn ends(&mut self, n: usize) -> Result<HashMap<JobId, Option<Option<State>>>> {
        let mut ends = HashMap::new();
        for _ in 0..n {
            let end = self.running.events.until("an attempt is over", |event| match event {
                WorkerEvent::Finished { id, state, .. } => Some((id.clone(), Some(*state))),
                WorkerEvent::LeaseLost { id, .. } => Some((id.clone(), None)),
                _ => None,
            });
            ends.extend([end.await?]);
        }
        self.open -= n;
        Ok(ends)
    }
}

impl Player<'_> {
    pub(super) async fn end(&mut self, held: usize, end: End) -> Result<()> {
        let Some(held) = self.take(held) else { return Ok(()) };
        match held.grip {
            Grip::Push { .. } => self.end_pushed(held.token, vec![(held, end)]).await,
            Grip::Pull { lease, .. } => self.end_pulled(lease, end).await,
        }
    }

    async fn end_pulled(&mut self, lease: Lease, end: End) -> Result<()> {
        let (id, token) = (lease.job().id.clone(), lease.token());
        let answer = match end {
            End::Complete(n) => lease.complete(output(n)).await.map(|()| None),
            End::Release(n) => lease.release(hours(n)).await.map(|()| None),
            End::HandBack => lease.settle(end.outcome()).await.map(Some),
            End::Fail | End::FailFor(_) | End::Reject => match end.outcome() {
                Outcome::Failed(failure) => lease.error(failure).await.map(Some),
                outcome => lease.settle(outcome).await.map(Some),
            },
        };
        let wanted = self.model.end(token, &id, end);
        if wanted.is_some() {
            self.model.leave(token, &id);
        }
        match (answer, wanted) {
            (Ok(None), Some(_)) => Ok(()),
            (Ok(state), Some(wanted)) if state == wanted => Ok(()),
            (Err(Error::LeaseLost { id: lost }), None) if lost == id => Ok(()),
            (answer, wanted) => anyhow::bail!("the end of {id}: {answer:?}, not {wanted:?}"),
        }
    }

    /// Those of one worker, told at the same time.
    async fn end_pushed(&mut self, token: Token, all: Vec<(Held, End)>) -> Result<()> {
        let mut told = Vec::new();
        for (held, end) in all {
            if let Grip::Push { answer, .. } = held.grip {
                // One that was cut off doesn't listen.
                let _ = answer.send(end.outcome());
            }
            told.push((held.id, end));
        }
        let batch = self.batches.get_mut(&token).context("a worker")?;
        let answers = batch.ends(told.len()).await?;
        for (id, end) in told {
            // A worker hears of a wish to stop with its next heartbeat; the database heeds it
            // before that.
            let asked = self.model.job(&id).is_some_and(|job| job.cancel);
            let wanted = self.model.end(token, &id, end);
            let answer = answers.get(&id).context("an end that was not told")?;
            let same = *answer == wanted || (asked && answer.is_some() && wanted.is_some());
            ensure!(same, "the end of {id}: the worker says {answer:?}, not {wanted:?}");
        }
        self.bury(token).await
    }

    pub(super) async fn end_batch(&mut self, held: usize, ends: &[End]) -> Result<()> {
        let pushed: Vec<Token> =
            self.held.iter().filter(|held| held.is_push()).map(|held| held.token).collect();
        let Some(token) = pick(&pushed, held).copied() else { return Ok(()) };
        let all = self.take_pushed(token).into_iter().zip(ends.iter().copied().cycle());
        self.end_pushed(token, all.collect()).await
    }

    /// An attempt of a worker that was told that its lease is lost is cut off. Nothing is written
    /// to its job.
    pub(super) async fn cut_off(&mut self, token: Token, n: usize) -> Result<()> {
        let batch = self.batches.get_mut(&token).context("a worker")?;
        let ends = batch.ends(n).await?;
        ensure!(ends.values().all(Option::is_none), "cut off, and yet {ends:?}");
        self.bury(token).await
    }

    /// A worker whose attempts are over ends, and so does its lease, whatever became of the jobs.
    async fn bury(&mut self, token: Token) -> Result<()> {
        if self.batches.get(&token).is_some_and(|batch| batch.open == 0)
            && let Some(batch) = self.batches.remove(&token)
        {
            self.model.close(token);
            batch.running.ended().await?;
        }
        Ok(())
    }

    /// What a worker still runs.
    pub(super) fn take_pushed(&mut self, token: Token) -> Vec<Held> {
        let of_batch = |held: &mut Held| held.is_push() && held.token == token;
        self.held.extract_if(.., of_batch).collect()
    }

    /// Dropped unfinished. It is handed back in the background; a worker's is at once.
    pub(super) async fn forget(&mut self, held: usize) -> Result<()> {
        let Some(held) = self.take(held) else { return Ok(()) };
        let Held { id, token, grip } = held;
        let (lease, ours) = match grip {
            Grip::Pull { lease, ours } => (lease, ours),
            grip => {
                let held = Held { id, token, grip };
                return self.end_pushed(token, vec![(held, End::HandBack)]).await;
            }
        };
        drop(lease);
        if ours && self.model.end(token, &id, End::HandBack).is_some() {
            self.model.leave(token, &id);
            let leases = self.stage.leases();
            let left = doc! { "jobs": super::player::to_bson(&id), "_id": uuid(token)? };
            eventually("a lease is handed back", async || {
                Ok((leases.count_documents(left.clone()).await? == 0).then_some(()))
            })
            .await?;
        }
        Ok(())
    }

    fn take(&mut self, held: usize) -> Option<Held> {
        self.at(held).map(|at| self.held.remove(at))
    }

    /// The place of one that is held.
    pub(super) fn at(&self, held: usize) -> Option<usize> {
        place(self.held.len(), held)
    }
}

pub(super) fn uuid(token: Token) -> Result<bson::Uuid> {
    Ok(bson::Uuid::parse_str(token.to_string())?)
}

/// One of those that are there, 0 the latest.
pub(super) fn pick<T>(all: &[T], which: usize) -> Option<&T> {
    all.get(place(all.len(), which)?)
}

fn place(n: usize, which: usize) -> Option<usize> {
    let back = which.checked_rem(n)?;
    Some(n - 1 - back)
}
