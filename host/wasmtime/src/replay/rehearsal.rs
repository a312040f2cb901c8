//! What a guest does to queues while nothing may happen to them: kept, and answered as if done.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bson::DateTime;
use mongoqueue::{Job, JobId, NewJob, Queue, Receipt, State};

use super::WouldPut;
use super::trace::{HostCall, Trace};

/// More are answered and not kept.
const CANCELS: usize = 1_000;

/// The queues' part in a replay. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Rehearsal(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    puts: Vec<WouldPut>,
    cancels: BTreeSet<JobId>,
    trace: Option<Trace>,
}

impl Rehearsal {
    pub(crate) fn new(traced: bool) -> Self {
        let trace = traced.then(Trace::new);
        Self(Arc::new(Mutex::new(Kept { trace, ..Kept::default() })))
    }

    /// A put: refused as a real one would be before anything is sent, else answered with a new id.
    /// Whether its unique key is taken is not asked.
    pub(crate) fn put(&self, queue: &Queue, job: NewJob) -> mongoqueue::Result<Receipt> {
        queue.check(&job)?;
        let NewJob { payload, options } = job;
        let id = options.id.clone().unwrap_or_else(JobId::mint);
        let put = WouldPut { id: id.clone(), queue: queue.name().to_owned(), payload, options };
        self.kept().puts.push(put);
        Ok(Receipt { id, created: true })
    }

    /// A job by its id: one that was put here, else the real one.
    pub(crate) async fn get(&self, queue: &Queue, id: &JobId) -> mongoqueue::Result<Job> {
        let here = self.kept().job(queue, id);
        let mut job = match here {
            Some(job) => job,
            None => queue.get(id).await?,
        };
        if self.kept().cancels.contains(id) && job.state == State::Ready {
            job.state = State::Cancelled;
        }
        Ok(job)
    }

    /// The state that a cancel would leave the job in.
    pub(crate) async fn cancel(&self, queue: &Queue, id: &JobId) -> mongoqueue::Result<State> {
        let state = self.get(queue, id).await?.state;
        let mut kept = self.kept();
        if !state.is_final() && kept.cancels.len() < CANCELS {
            kept.cancels.insert(id.clone());
        }
        Ok(state.after(mongoqueue::Event::Cancel).unwrap_or(state))
    }

    /// A host call begins; `None` where calls aren't traced. `arguments` is asked only then.
    pub(super) fn begin(
        &self,
        name: &'static str,
        arguments: impl FnOnce() -> String,
    ) -> Option<u64> {
        Some(self.kept().trace.as_mut()?.begin(name, &arguments()))
    }

    pub(super) fn end(&self, number: u64, answer: &str) {
        if let Some(trace) = &mut self.kept().trace {
            trace.end(number, answer);
        }
    }

    pub(crate) fn take_acts(&self) -> (Vec<WouldPut>, BTreeSet<JobId>) {
        let mut kept = self.kept();
        (std::mem::take(&mut kept.puts), std::mem::take(&mut kept.cancels))
    }

    pub(crate) fn take_calls(&self) -> (Vec<HostCall>, u64) {
        self.kept().trace.as_mut().map(Trace::take).unwrap_or_default()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// A job that was put here, as the queue would have it.
    fn job(&self, queue: &Queue, id: &JobId) -> Option<Job> {
        let put = self.puts.iter().find(|put| put.id == *id && put.queue == queue.name())?;
        let options = &put.options;
        let mut job = Job::new(&put.queue, put.payload.clone());
        (job.id, job.state, job.priority) = (id.clone(), State::Ready, options.priority);
        job.max_attempts = options.max_attempts.unwrap_or(job.max_attempts);
        let delay = i64::try_from(options.delay.as_millis()).unwrap_or(i64::MAX);
        let delayed = DateTime::now().timestamp_millis().saturating_add(delay);
        let delayed = DateTime::from_millis(delayed);
        job.due = options.due.map_or(delayed, |due| due.max(delayed));
        Some(job)
    }
}
