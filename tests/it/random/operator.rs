//! What operators do: cancel, retry, look.

use anyhow::{Result, ensure};
use mongoqueue::{Error, JobId, ListOptions, State};

use super::held::pick;
use super::model::Job;
use super::player::Player;
use super::verbs::QUEUES;

impl Player<'_> {
    /// The job's queue and id, or an id that no job has.
    pub(super) fn some_job(&self, which: usize) -> (String, JobId) {
        // One number in twenty-four is for the one that there is not.
        let job = pick(&self.model.jobs, which).filter(|_| which != 23);
        let named = job.map(|job| (job.queue.clone(), job.id.clone()));
        named.unwrap_or_else(|| (QUEUES[0].to_owned(), JobId::mint()))
    }

    /// The job's queue and its id; any queue for a job that is gone.
    pub(super) fn job_of(&self, id: JobId) -> (String, JobId) {
        let queue = self.model.job(&id).map_or(QUEUES[0].to_owned(), |job| job.queue.clone());
        (queue, id)
    }

    pub(super) async fn cancel(&mut self, (queue, id): (String, JobId)) -> Result<()> {
        let answer = known(self.queue(&queue)?.cancel(&id).await)?;
        let wanted = self.model.cancel(&id);
        ensure!(answer == wanted, "cancelled, {id} is {answer:?}, not {wanted:?}");
        Ok(())
    }

    /// One that is over, if there is any.
    pub(super) async fn retry(&mut self, which: usize) -> Result<()> {
        let over = self.model.jobs.iter().filter(|job| job.state.is_final());
        let over: Vec<_> = over.map(|job| (job.queue.clone(), job.id.clone())).collect();
        let (queue, id) = pick(&over, which).cloned().unwrap_or_else(|| self.some_job(which));
        let answer = known(self.queue(&queue)?.retry(&id).await)?;
        let wanted = self.model.retry(&id);
        ensure!(answer == wanted, "retried {id}: {answer:?}, not {wanted:?}");
        Ok(())
    }

    pub(super) async fn get(&self, queue: &str, which: usize) -> Result<()> {
        let (of, id) = self.some_job(which);
        let job = known(self.queue(queue)?.get(&id).await)?;
        let there = of == queue && self.model.job(&id).is_some();
        ensure!(job.is_some() == there, "{id} of {of} asked of {queue}: {job:?}");
        job.map_or(Ok(()), |job| self.is_as_seen(&job))
    }

    pub(super) async fn list(&self, queue: &str, state: Option<State>, limit: usize) -> Result<()> {
        let jobs = self.queue(queue)?.list(&ListOptions { state, limit }).await?;
        jobs.iter().try_for_each(|job| self.is_as_seen(job))?;
        let limit = if limit == 0 { 100 } else { limit };
        let wanted =
            |job: &&Job| job.queue == queue && state.is_none_or(|state| job.state == state);
        let all = self.model.jobs.iter().filter(wanted).count();
        ensure!(jobs.len() == all.min(limit), "{} listed of {all}", jobs.len());
        let rank = |state: State| match state {
            State::Running => 0,
            State::Ready => 1,
            _ => 2,
        };
        ensure!(jobs.is_sorted_by_key(|job| rank(job.state)), "running, waiting, over: {jobs:#?}");
        if state == Some(State::Ready) {
            let waiting = self.model.waiting(queue);
            ensure!(jobs.iter().map(|job| &job.id).eq(waiting.iter().take(limit)), "{jobs:#?}");
        }
        for one in [State::Completed, State::Dead, State::Cancelled] {
            let of_one = jobs.iter().filter(|job| job.state == one);
            ensure!(of_one.is_sorted_by(|a, b| a.finished_at >= b.finished_at), "latest first");
        }
        let mut ids: Vec<&JobId> = jobs.iter().map(|job| &job.id).collect();
        ids.sort();
        ids.dedup();
        ensure!(ids.len() == jobs.len(), "a job is listed twice");
        Ok(())
    }

    pub(super) async fn count(&self, queue: &str) -> Result<()> {
        let stats = self.queue(queue)?.stats().await?;
        let found = [
            (State::Ready, stats.ready + stats.scheduled),
            (State::Running, stats.running),
            (State::Completed, stats.completed),
            (State::Dead, stats.dead),
            (State::Cancelled, stats.cancelled),
        ];
        for (state, n) in found {
            let wanted = self.model.count(queue, state);
            ensure!(n == wanted, "stats of {queue}: {n} {state}, not {wanted}");
        }
        let due = self.model.due(queue).len() as u64;
        ensure!(stats.ready == due, "stats of {queue}: {} are due, not {due}", stats.ready);
        ensure!(stats.oldest_ready.is_some() == (due > 0), "stats of {queue}: the oldest");
        Ok(())
    }
}

/// `None` for a job that there is not.
fn known<T>(answer: mongoqueue::Result<T>) -> Result<Option<T>> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(Error::NoSuchJob { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
