//! The queues as they ought to be: some jobs, some leases, and a sort.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use bson::DateTime;
use mongoqueue::{JobId, Payload, Progress, State, Token};

use super::verbs::{End, HOUR, New, output};

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Job {
    pub(super) id: JobId,
    pub(super) queue: String,
    pub(super) state: State,
    pub(super) priority: i32,
    pub(super) payload: Payload,
    pub(super) attempts: u32,
    pub(super) max_attempts: u32,
    pub(super) backoff: bool,
    pub(super) retain: bool,
    pub(super) claims: u64,
    /// The token and the consumer.
    pub(super) claim: Option<(Token, String)>,
    pub(super) progress: Option<Progress>,
    pub(super) saved: Option<Payload>,
    pub(super) output: Option<Payload>,
    pub(super) key: Option<String>,
    /// Somebody asked it to stop.
    pub(super) cancel: bool,
    pub(super) errors: Vec<Record>,
    /// In so many hours; 0 once it is over.
    pub(super) due: i64,
    /// The same to the millisecond, which is the order among those of an hour. The database's clock
    /// chooses it: `None` until it was seen there, and once the job is over.
    pub(super) place: Option<DateTime>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Record {
    pub(super) attempt: u32,
    pub(super) consumer: String,
    pub(super) kind: String,
    pub(super) message: String,
    pub(super) code: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Lease {
    pub(super) token: Token,
    pub(super) queue: String,
    pub(super) consumer: String,
    /// Those it still is for, in the order of the claim.
    pub(super) jobs: Vec<JobId>,
    /// How many it was for.
    pub(super) at_once: usize,
    /// In hours.
    pub(super) length: i64,
    /// How many of them are left.
    pub(super) left: i64,
    /// Those of its jobs that were asked to stop.
    pub(super) cancel: BTreeSet<JobId>,
}

/// What a put answers.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Answer {
    Put(JobId),
    /// The same put was done before.
    There(JobId),
    /// That job has the key.
    Duplicate(JobId),
    /// A job of another queue has the id.
    Taken,
}

#[derive(Default)]
pub(super) struct Model {
    pub(super) jobs: Vec<Job>,
    pub(super) leases: Vec<Lease>,
}

impl Job {
    fn new(queue: &str, id: JobId, payload: Payload, new: &New) -> Self {
        Self {
            id,
            queue: queue.to_owned(),
            state: State::Ready,
            priority: new.priority,
            payload,
            attempts: 0,
            max_attempts: new.max_attempts,
            backoff: new.backoff,
            retain: new.retain,
            claims: 0,
            claim: None,
            progress: None,
            saved: None,
            output: None,
            key: new.key.map(str::to_owned),
            cancel: false,
            errors: Vec::new(),
            due: new.delay,
            place: None,
        }
    }

    fn finish(&mut self, state: State) {
        self.state = state;
        (self.claim, self.cancel) = (None, false);
        self.key = None;
        (self.due, self.place) = (0, None);
    }

    /// It waits again, from `due` on or in its old place, if it may run again.
    fn again(&mut self, due: Option<i64>) {
        if self.cancel {
            return self.finish(State::Cancelled);
        }
        if self.attempts >= self.max_attempts {
            return self.finish(State::Dead);
        }
        self.state = State::Ready;
        self.claim = None;
        if let Some(due) = due {
            (self.due, self.place) = (due, None);
        }
    }

    fn failed(&mut self, consumer: &str, kind: &str, message: &str, code: Option<&str>) {
        self.attempts += 1;
        self.errors.push(Record {
            attempt: self.attempts,
            consumer: consumer.to_owned(),
            kind: kind.to_owned(),
            message: message.to_owned(),
            code: code.map(str::to_owned),
        });
        // The last ten are kept.
        if self.errors.len() > 10 {
            self.errors.remove(0);
        }
    }

    /// After so many failures: an hour, two, four.
    fn wait(&self) -> i64 {
        if self.backoff { [1, 2, 4][self.attempts.clamp(1, 3) as usize - 1] } else { 0 }
    }

    fn retry(&mut self) {
        self.state = State::Ready;
        self.attempts = 0;
        (self.due, self.place) = (0, None);
    }
}

impl Model {
    pub(super) fn job(&self, id: &JobId) -> Option<&Job> {
        self.jobs.iter().find(|job| job.id == *id)
    }

    fn job_mut(&mut self, id: &JobId) -> Option<&mut Job> {
        self.jobs.iter_mut().find(|job| job.id == *id)
    }

    pub(super) fn lease(&mut self, token: Token) -> Option<&mut Lease> {
        self.leases.iter_mut().find(|lease| lease.token == token)
    }

    pub(super) fn holds(&self, token: Token, id: &JobId) -> bool {
        self.job(id).and_then(|job| job.claim.as_ref()).is_some_and(|claim| claim.0 == token)
    }

    fn held(&mut self, token: Token, id: &JobId) -> Option<&mut Job> {
        if self.holds(token, id) { self.job_mut(id) } else { None }
    }

    /// Who has the key now: those that are over have given it up.
    fn holder(&self, queue: &str, key: &str) -> Option<&Job> {
        self.jobs.iter().find(|job| job.queue == queue && job.key.as_deref() == Some(key))
    }

    /// False when the id or the key is taken.
    pub(super) fn put(&mut self, queue: &str, id: JobId, payload: Payload, new: &New) -> bool {
        let taken = new.key.is_some_and(|key| self.holder(queue, key).is_some());
        if taken || self.job(&id).is_some() {
            return false;
        }
        self.jobs.push(Job::new(queue, id, payload, new));
        true
    }

    /// What is said of a put that was none.
    pub(super) fn refusal(&self, queue: &str, id: &JobId, new: &New) -> Answer {
        match new.key.and_then(|key| self.holder(queue, key)) {
            Some(holder) if holder.id != *id => Answer::Duplicate(holder.id.clone()),
            _ if self.job(id).is_some_and(|job| job.queue != queue) => Answer::Taken,
            _ => Answer::There(id.clone()),
        }
    }

    /// Those that can be claimed now, in the order of the claim.
    pub(super) fn due(&self, queue: &str) -> Vec<JobId> {
        let due = |job: &&Job| job.queue == queue && job.state == State::Ready && job.due <= 0;
        in_order(self.jobs.iter().filter(due))
    }

    /// All that wait, in the order of the claim.
    pub(super) fn waiting(&self, queue: &str) -> Vec<JobId> {
        in_order(self.jobs.iter().filter(|job| job.queue == queue && job.state == State::Ready))
    }

    pub(super) fn claim(&mut self, ids: &[JobId], token: Token, consumer: &str, length: i64) {
        let mut queue = String::new();
        for job in self.jobs.iter_mut().filter(|job| ids.contains(&job.id)) {
            job.state = State::Running;
            job.claim = Some((token, consumer.to_owned()));
            job.claims += 1;
            queue = job.queue.clone();
        }
        let (consumer, cancel) = (consumer.to_owned(), BTreeSet::new());
        let (jobs, at_once, left) = (ids.to_vec(), ids.len(), length);
        self.leases.push(Lease { token, queue, consumer, jobs, at_once, length, left, cancel });
    }

    /// Every claim begins by taking back the leases of the queue that have run out.
    pub(super) fn take_back(&mut self, queue: &str) {
        let over = |lease: &Lease| lease.queue == queue && lease.left <= 0;
        let (over, kept) = self.leases.drain(..).partition(over);
        self.leases = kept;
        let over: Vec<Lease> = over;
        for lease in over {
            let message = format!("lease expired on {}", lease.consumer);
            for id in &lease.jobs {
                if let Some(job) = self.held(lease.token, id) {
                    job.failed(&lease.consumer, "lease-expired", &message, None);
                    job.again(None);
                }
            }
        }
    }

    /// The state after it, `None` for a job that is removed. The outer `None`: the lease was lost.
    pub(super) fn end(&mut self, token: Token, id: &JobId, end: End) -> Option<Option<State>> {
        let job = self.held(token, id)?;
        let consumer = job.claim.as_ref().map(|claim| claim.1.clone()).unwrap_or_default();
        match end {
            End::Complete(_) if !job.retain => {
                self.jobs.retain(|job| job.id != *id);
                return Some(None);
            }
            End::Complete(n) => {
                job.output = output(n);
                job.finish(State::Completed);
            }
            End::Fail | End::FailFor(_) | End::Reject => {
                job.failed(&consumer, "failure", "it failed", Some("code"));
                match end {
                    End::Reject => job.finish(State::Dead),
                    End::FailFor(hours) => job.again(Some(hours.max(job.wait()))),
                    _ => job.again(Some(job.wait())),
                }
            }
            End::Release(hours) => job.again(Some(hours)),
            End::HandBack => job.again(None),
        }
        Some(Some(job.state))
    }

    /// The lease is for one job less, and goes with the last one.
    pub(super) fn leave(&mut self, token: Token, id: &JobId) {
        for lease in self.leases.iter_mut().filter(|lease| lease.token == token) {
            lease.jobs.retain(|other| other != id);
        }
        self.leases.retain(|lease| !lease.jobs.is_empty());
    }

    pub(super) fn close(&mut self, token: Token) {
        self.leases.retain(|lease| lease.token != token);
    }

    /// It lasts so many hours from now at least; false when it is gone.
    pub(super) fn renew(&mut self, token: Token, hours: Option<i64>) -> bool {
        let Some(lease) = self.lease(token) else { return false };
        lease.left = lease.left.max(hours.unwrap_or(lease.length));
        true
    }

    pub(super) fn report(&mut self, token: Token, id: &JobId, progress: &Progress) -> bool {
        let Some(job) = self.held(token, id) else { return false };
        job.progress = Some(progress.clone());
        self.renew(token, None)
    }

    pub(super) fn save(&mut self, token: Token, id: &JobId, body: Payload) -> bool {
        let Some(job) = self.held(token, id) else { return false };
        job.saved = Some(body);
        true
    }

    pub(super) fn cancel(&mut self, id: &JobId) -> Option<State> {
        let job = self.job_mut(id)?;
        if job.state == State::Ready {
            job.finish(State::Cancelled);
        }
        job.cancel = job.state == State::Running;
        let (state, token) = (job.state, job.claim.as_ref().map(|claim| claim.0));
        if let Some(lease) = token.and_then(|token| self.lease(token)) {
            lease.cancel.insert(id.clone());
        }
        Some(state)
    }

    pub(super) fn retry(&mut self, id: &JobId) -> Option<bool> {
        let job = self.job_mut(id)?;
        let over = matches!(job.state, State::Dead | State::Cancelled);
        if over {
            job.retry();
        }
        Some(over)
    }

    pub(super) fn retry_dead(&mut self, queue: &str) -> u64 {
        let mut n = 0;
        for job in self.jobs.iter_mut().filter(|job| job.queue == queue) {
            if job.state == State::Dead {
                job.retry();
                n += 1;
            }
        }
        n
    }

    pub(super) fn clear(&mut self, queue: &str) -> u64 {
        let (cleared, kept): (Vec<Job>, _) =
            self.jobs.drain(..).partition(|job| job.queue == queue);
        self.jobs = kept;
        for job in &cleared {
            if let Some((token, _)) = job.claim {
                self.leave(token, &job.id);
            }
        }
        cleared.len() as u64
    }

    /// An hour passes.
    pub(super) fn hour(&mut self) {
        let hour = i64::try_from(HOUR.as_millis()).unwrap_or(0);
        for job in self.jobs.iter_mut().filter(|job| !job.state.is_final()) {
            job.due -= 1;
            let earlier = |at: DateTime| DateTime::from_millis(at.timestamp_millis() - hour);
            job.place = job.place.map(earlier);
        }
        self.leases.iter_mut().for_each(|lease| lease.left -= 1);
    }

    pub(super) fn count(&self, queue: &str, state: State) -> u64 {
        let counted = |job: &&Job| job.queue == queue && job.state == state;
        self.jobs.iter().filter(counted).count() as u64
    }
}

/// The highest priority first, then who is due longest; the database has strings before ObjectIds.
fn in_order<'a>(jobs: impl Iterator<Item = &'a Job>) -> Vec<JobId> {
    let mut jobs: Vec<&Job> = jobs.collect();
    jobs.sort_by_key(|job| {
        let minted = matches!(job.id, JobId::Minted(_));
        (Reverse(job.priority), job.place, minted, job.id.clone())
    });
    jobs.into_iter().map(|job| job.id.clone()).collect()
}
