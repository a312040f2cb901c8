//! `queue`: putting jobs on the queues that are granted, and looking at them.

use mongoqueue::{JobId, NewJob, PutOptions, Queue};
use wasmtime::component::Resource;

use super::JobsCtxView;
use super::error::{GuestError, tell, told};
use super::put_options::GuestPutOptions;
use super::translate::{job_info, millis, payload_from_guest, status};
use crate::bindings::{queue, types};

/// A queue that a guest has opened, with what it may do there.
pub struct BoundQueue {
    name: String,
    put: Option<Queue>,
    consume: Option<Queue>,
}

impl BoundQueue {
    /// The name that the guest opened it by.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn to_consume(&self) -> Result<&Queue, GuestError> {
        Ok(self.consume.as_ref().ok_or(types::Error::AccessDenied)?)
    }

    fn to_put(&self) -> Result<&Queue, GuestError> {
        Ok(self.put.as_ref().ok_or(types::Error::AccessDenied)?)
    }

    /// Whoever may put or claim may look.
    fn to_look_at(&self) -> Result<&Queue, GuestError> {
        Ok(self.put.as_ref().or(self.consume.as_ref()).ok_or(types::Error::AccessDenied)?)
    }
}

impl JobsCtxView<'_> {
    pub(super) fn bound(&self, this: &Resource<BoundQueue>) -> Result<&BoundQueue, GuestError> {
        self.table.get(this).map_err(GuestError::trap)
    }

    fn put_options(
        &self,
        options: Option<Resource<GuestPutOptions>>,
    ) -> Result<PutOptions, GuestError> {
        let Some(options) = options else { return Ok(PutOptions::default()) };
        Ok(self.table.get(&options).map_err(GuestError::trap)?.options())
    }

    fn new_job(&self, payload: types::Payload, options: PutOptions) -> Result<NewJob, GuestError> {
        let payload = payload_from_guest(payload, self.ctx.limits().payload_bytes)?;
        Ok(NewJob { payload, options })
    }
}

/// A guest may ask by any text; what can be no id is the id of no job.
fn job_id(id: &str) -> Result<JobId, GuestError> {
    Ok(id.parse().map_err(|_| types::Error::NoSuchJob)?)
}

impl queue::Host for JobsCtxView<'_> {}

impl queue::HostQueue for JobsCtxView<'_> {
    async fn open(&mut self, name: String) -> Result<Resource<BoundQueue>, GuestError> {
        let grants = self.ctx.grants();
        let put = grants.to_put(&name).cloned();
        let consume = grants.to_consume(&name).cloned();
        if put.is_none() && consume.is_none() {
            return Err(types::Error::AccessDenied.into());
        }
        self.table.push(BoundQueue { name, put, consume }).map_err(GuestError::trap)
    }

    async fn put(
        &mut self,
        this: Resource<BoundQueue>,
        payload: types::Payload,
        options: Option<Resource<GuestPutOptions>>,
    ) -> Result<String, GuestError> {
        let queue = self.bound(&this)?.to_put()?.clone();
        let options = self.put_options(options)?;
        self.ctx.book_puts(1, payload.data.len())?;
        let job = self.new_job(payload, options)?;
        self.ctx.admit(&queue, 1).await?;
        let receipt = match self.ctx.rehearsal() {
            Some(rehearsal) => rehearsal.put(&queue, job),
            None => queue.put(job.payload).options(job.options).await,
        };
        let receipt = receipt.map_err(tell)?;
        Ok(receipt.id.to_string())
    }

    async fn put_many(
        &mut self,
        this: Resource<BoundQueue>,
        payloads: Vec<types::Payload>,
        options: Option<Resource<GuestPutOptions>>,
    ) -> Result<Vec<Result<String, types::Error>>, GuestError> {
        let queue = self.bound(&this)?.to_put()?.clone();
        let options = self.put_options(options)?;
        let bytes = payloads.iter().map(|payload| payload.data.len()).sum();
        self.ctx.book_puts(payloads.len(), bytes)?;

        let mut answers = Vec::with_capacity(payloads.len());
        let mut jobs = Vec::new();
        for payload in payloads {
            match self.new_job(payload, options.clone()) {
                Ok(job) => {
                    jobs.push(job);
                    answers.push(None);
                }
                Err(error) => answers.push(Some(error.downcast().map_err(GuestError::trap)?)),
            }
        }
        self.ctx.admit(&queue, jobs.len()).await?;
        let receipts = match self.ctx.rehearsal() {
            Some(rehearsal) => jobs.into_iter().map(|job| rehearsal.put(&queue, job)).collect(),
            None => queue.put_many(jobs).await.map_err(tell)?,
        };
        let mut receipts = receipts.into_iter();
        let answer = |refused: Option<types::Error>| match refused {
            Some(error) => Err(error),
            None => match receipts.next() {
                Some(Ok(receipt)) => Ok(receipt.id.to_string()),
                Some(Err(error)) => Err(told(&error)),
                None => Err(types::Error::Other("the host lost the answer for this job".into())),
            },
        };
        Ok(answers.into_iter().map(answer).collect())
    }

    async fn get(
        &mut self,
        this: Resource<BoundQueue>,
        id: String,
    ) -> Result<queue::JobInfo, GuestError> {
        let queue = self.bound(&this)?.to_look_at()?.clone();
        let id = job_id(&id)?;
        self.ctx.pace_ask().await?;
        let job = match self.ctx.rehearsal() {
            Some(rehearsal) => rehearsal.get(&queue, &id).await,
            None => queue.get(&id).await,
        };
        Ok(job_info(&job.map_err(tell)?))
    }

    async fn cancel(
        &mut self,
        this: Resource<BoundQueue>,
        id: String,
    ) -> Result<types::Status, GuestError> {
        let queue = self.bound(&this)?.to_put()?.clone();
        let id = job_id(&id)?;
        self.ctx.pace_ask().await?;
        let state = match self.ctx.rehearsal() {
            Some(rehearsal) => rehearsal.cancel(&queue, &id).await,
            None => queue.cancel(&id).await,
        };
        Ok(status(state.map_err(tell)?, None))
    }

    async fn stats(&mut self, this: Resource<BoundQueue>) -> Result<queue::Stats, GuestError> {
        let queue = self.bound(&this)?.to_look_at()?.clone();
        self.ctx.pace_ask().await?;
        let stats = queue.stats().await.map_err(tell)?;
        Ok(queue::Stats {
            scheduled: stats.scheduled,
            ready: stats.ready,
            running: stats.running,
            dead: stats.dead,
            oldest_ready: stats.oldest_ready.map(millis),
        })
    }

    async fn drop(&mut self, this: Resource<BoundQueue>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}
