//! Settling what is held: the ends of attempts, renewals, reports.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use bson::{Bson, Document, doc};
use mongodb::options::ReturnDocument;

use super::Store;
use super::extras::Extra;
use super::transact::{Aborted, Safety, Step, Target};
use crate::error::{Error, Result};
use crate::job::{JobId, State, Token};
use crate::outcome::Failure;
use crate::payload::Payload;
use crate::transition::{self, Change, Held, Transition};

/// The end of one claim on one job.
#[derive(Clone, Debug)]
pub(crate) struct Settlement {
    pub(crate) queue: Arc<str>,
    pub(crate) id: JobId,
    pub(crate) token: Token,
    pub(crate) verdict: Verdict,
}

/// How it ended, with all that the write needs to know.
#[derive(Clone, Debug)]
pub(crate) enum Verdict {
    Remove,
    Keep {
        output: Option<Payload>,
        retain: Duration,
    },
    /// `last`: the job is dead of it.
    Fail {
        consumer: Arc<str>,
        failure: Failure,
        wait: Duration,
        last: bool,
    },
    Release {
        delay: Duration,
    },
    HandBack,
}

impl Settlement {
    fn held(&self) -> Held<'_> {
        Held { queue: &self.queue, token: self.token, id: &self.id }
    }

    /// The write, for verdicts that are not gathered by token.
    fn transition(&self) -> Transition {
        let id = || vec![self.id.to_bson()];
        match &self.verdict {
            Verdict::Remove => transition::complete_and_remove(&self.queue, self.token, id()),
            Verdict::Keep { output, retain } => {
                transition::complete_and_keep(&self.held(), output.as_ref(), *retain)
            }
            Verdict::Fail { consumer, failure, wait, .. } => {
                transition::fail(&self.held(), consumer, failure, *wait)
            }
            Verdict::Release { delay } => transition::release(&self.held(), *delay),
            Verdict::HandBack => transition::hand_back(&self.queue, self.token, id()),
        }
    }
}

/// What a renewal found.
pub(crate) enum Renewed {
    /// The lease is kept; these of its jobs should stop.
    Kept(Vec<JobId>),
    /// The lease is gone.
    Lost,
}

/// What became of a batch.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    /// Their positions: their tokens hold nothing any more, nothing was written.
    pub(crate) lost: Vec<usize>,
    /// Of the others, those that are neither completed nor gone.
    pub(crate) states: HashMap<JobId, State>,
}

const SETTLING: &str = "settle jobs";

impl Store {
    /// Settles a batch in one transaction, and closes the leases that it empties.
    pub(crate) async fn settle(
        &self,
        batch: &[Settlement],
        emptied: &[(Arc<str>, Token)],
    ) -> Result<Settled> {
        self.index_for_ends(batch).await?;
        let mut left: Vec<usize> = (0..batch.len()).collect();
        let mut settled = Settled::default();
        loop {
            let held: Vec<&Settlement> = left.iter().filter_map(|&i| batch.get(i)).collect();
            let steps = steps(&held, emptied);
            if steps.is_empty() {
                return Ok(settled);
            }
            match self.transact(SETTLING, Safety::Majority, &steps).await {
                Ok(answers) => {
                    self.ring_for(&held);
                    settled.states.extend(answers.into_iter().flat_map(|answer| answer.states));
                    return Ok(settled);
                }
                Err(Aborted::Failed(error)) => return Err(error),
                Err(Aborted::Unmet) => {}
            }
            // Some are no longer held: which? Each turn of this loop has fewer left.
            let still = self.still_held(&held).await?;
            let (kept, gone): (Vec<usize>, Vec<usize>) = left.into_iter().partition(|&i| {
                batch.get(i).is_some_and(|s| still.contains(&(s.id.clone(), s.token)))
            });
            if gone.is_empty() {
                // All are held (again): somebody's write was in between.
                left = kept;
                continue;
            }
            settled.lost.extend(gone);
            left = kept;
        }
    }

    /// Closes leases under which nothing is left. What fails is no harm: such a lease runs out.
    pub(crate) async fn close_leases(&self, leases: &[(Arc<str>, Token)]) {
        for (queue, token) in leases {
            let close = transition::close_lease(queue, *token);
            let _ = self.write(SETTLING, Target::Leases, &close).await;
        }
    }

    /// Settles one job and says what state it went to; `None` for one that was removed.
    pub(crate) async fn settle_one(&self, settlement: &Settlement) -> Result<Option<State>> {
        self.index_for_ends(std::slice::from_ref(settlement)).await?;
        match self.transact(SETTLING, Safety::Majority, &steps_of_one(settlement)).await {
            Ok(answers) => {
                self.ring_for(&[settlement]);
                Ok(answers.first().and_then(|answer| answer.states.get(&settlement.id).copied()))
            }
            Err(Aborted::Unmet) => Err(Error::LeaseLost { id: settlement.id.clone() }),
            Err(Aborted::Failed(error)) => Err(error),
        }
    }

    /// Jobs that came back may be claimed by others.
    fn ring_for(&self, settled: &[&Settlement]) {
        let now = self.now_if_known();
        for settlement in settled {
            let wait = match &settlement.verdict {
                Verdict::Remove | Verdict::Keep { .. } => continue,
                // Some of these are dead: to look for them costs little.
                Verdict::Fail { wait, .. } => *wait,
                Verdict::Release { delay } => *delay,
                Verdict::HandBack => Duration::ZERO,
            };
            let due = now.filter(|_| !wait.is_zero()).map(|now| now.saturating_add_duration(wait));
            self.ring_beside(&settlement.queue, &[due]);
        }
    }

    /// The indexes that these ends need are there: what is over is found, and what is kept for a
    /// while goes when that is over, also where the job was put by somebody who didn't see to it.
    async fn index_for_ends(&self, settlements: &[Settlement]) -> Result<()> {
        let keeps = |it: &Settlement| matches!(it.verdict, Verdict::Keep { .. });
        let dies = |it: &Settlement| matches!(it.verdict, Verdict::Fail { last: true, .. });
        if settlements.iter().any(|it| keeps(it) || dies(it)) {
            self.before_finish().await?;
        }
        if !settlements.iter().any(keeps) {
            return Ok(());
        }
        match self.ensure(Extra::Expire).await {
            // To keep a job too long is better than to lose its end.
            Err(Error::NotAllowed { .. }) => Ok(()),
            made => made,
        }
    }

    /// Which of these are held by their tokens now.
    pub(crate) async fn still_held(
        &self,
        settlements: &[&Settlement],
    ) -> Result<HashSet<(JobId, Token)>> {
        let failed = |e| Error::from_driver(SETTLING, e);
        let queues: HashSet<&str> = settlements.iter().map(|s| s.queue.as_ref()).collect();
        let ids: Vec<Bson> = settlements.iter().map(|s| s.id.to_bson()).collect();
        let queues: Vec<&str> = queues.into_iter().collect();
        let filter = doc! { "_id": { "$in": ids }, "queue": { "$in": queues } };
        let jobs = self.confirmed(filter, settlements.len()).projection(doc! { "claim.token": 1 });
        let mut found = jobs.await.map_err(failed)?;
        let mut held = HashSet::new();
        while found.advance().await.map_err(failed)? {
            if let (Some(id), Some(token)) = crate::job::read_holder(found.current()) {
                held.insert((id, token));
            }
        }
        Ok(held)
    }

    /// The lease lasts at least `length` from now, if it is still there.
    pub(crate) async fn renew(
        &self,
        queue: &str,
        token: Token,
        length: Duration,
    ) -> Result<Renewed> {
        let renew = transition::renew_lease(queue, token, length);
        let Change::Update(update) = renew.change else { return Ok(Renewed::Lost) };
        let lease = self
            .inner
            .leases
            .find_one_and_update(renew.filter, update)
            .projection(doc! { "cancel": 1 })
            .return_document(ReturnDocument::After)
            .await
            .map_err(|e| Error::from_driver("renew a lease", e))?;
        let Some(lease) = lease else { return Ok(Renewed::Lost) };
        let cancel =
            lease.get_array("cancel").map(|ids| ids.iter().filter_map(JobId::from_bson).collect());
        Ok(Renewed::Kept(cancel.unwrap_or_default()))
    }

    /// How long the lease was made for; `None` when it is gone.
    pub(crate) async fn lease_length(&self, queue: &str, token: Token) -> Result<Option<Duration>> {
        let filter = doc! { "_id": token.to_bson(), "queue": queue };
        let lease = self.inner.leases.find_one(filter).await;
        let lease = lease.map_err(|e| Error::from_driver("read a lease", e))?;
        let length = lease.and_then(|lease| lease.get_i64("length_ms").ok());
        Ok(length.map(|length| Duration::from_millis(length.max(0).unsigned_abs())))
    }

    /// A report or a saved state; false when the token no longer holds the job.
    pub(crate) async fn note(&self, doing: &'static str, note: &Transition) -> Result<bool> {
        Ok(self.write(doing, Target::Jobs, note).await? == 1)
    }

    /// A dead or cancelled job runs again; false when it is in another state.
    pub(crate) async fn retry(&self, queue: &str, id: &JobId) -> Result<bool> {
        let retry = transition::retry(queue, id);
        let retried = self.write("retry a job", Target::Jobs, &retry).await? == 1;
        self.ring(queue, &[None]).await;
        Ok(retried)
    }

    /// All dead jobs of the queue run again.
    pub(crate) async fn retry_dead(&self, queue: &str) -> Result<u64> {
        if !self.any_finished().await? {
            return Ok(0);
        }
        let retry = transition::retry_dead(queue);
        let retried = self.write("retry dead jobs", Target::Jobs, &retry).await?;
        self.ring(queue, &[None]).await;
        Ok(retried)
    }

    /// Cancels a job that waits, or asks a running one to stop. False when it was in neither
    /// state at the moment of either write.
    pub(crate) async fn cancel(&self, queue: &str, id: &JobId) -> Result<bool> {
        const DOING: &str = "cancel a job";
        self.before_finish().await?;
        if self.write(DOING, Target::Jobs, &transition::cancel_ready(queue, id)).await? == 1 {
            return Ok(true);
        }
        let ask = transition::ask_to_stop(queue, id);
        let Change::Update(update) = ask.change else { return Ok(false) };
        let jobs = self.inner.jobs.clone_with_type::<Document>();
        let asked = jobs.find_one_and_update(ask.filter, update).await;
        let Some(job) = asked.map_err(|e| Error::from_write(DOING, e))? else {
            return Ok(false);
        };
        // Only so that the worker hears of it with its next heartbeat: the end of the attempt
        // heeds `cancel_at` in any case.
        if let Ok(claim) = job.get_document("claim")
            && let Some(Bson::Binary(token)) = claim.get("token")
            && let Ok(token) = token.to_uuid()
        {
            let note = transition::note_cancel(queue, Token(token), id);
            self.write(DOING, Target::Leases, &note).await?;
        }
        Ok(true)
    }
}

/// The lease goes with its only job; a lease of several is left by this one.
pub(crate) fn steps_of_one(settlement: &Settlement) -> [Step; 3] {
    let Settlement { queue, id, token, .. } = settlement;
    let write = settlement.transition();
    let stays = matches!(write.change, Change::Update(_));
    let mut write = Step::new(Target::Jobs, write).expect(1..=1);
    if stays {
        write = write.telling(vec![id.to_bson()]);
    }
    [
        write,
        Step::new(Target::Leases, transition::close_lease_of_one(queue, *token, id)),
        Step::new(Target::Leases, transition::leave_lease(queue, *token, id)),
    ]
}

/// One delete command for all removals (a statement a token), one update command for the rest,
/// one delete command for the leases.
pub(crate) fn steps(settlements: &[&Settlement], emptied: &[(Arc<str>, Token)]) -> Vec<Step> {
    let mut removals: HashMap<(&str, Token), Vec<Bson>> = HashMap::new();
    let mut returns: HashMap<(&str, Token), Vec<Bson>> = HashMap::new();
    let (mut updates, mut telling) = (Vec::new(), Vec::new());
    for settlement in settlements {
        if !matches!(settlement.verdict, Verdict::Remove | Verdict::Keep { .. }) {
            telling.push(settlement.id.to_bson());
        }
        let key = (settlement.queue.as_ref(), settlement.token);
        match settlement.verdict {
            Verdict::Remove => removals.entry(key).or_default().push(settlement.id.to_bson()),
            Verdict::HandBack => returns.entry(key).or_default().push(settlement.id.to_bson()),
            _ => updates.push(settlement.transition()),
        }
    }
    let removed = removals.values().map(Vec::len).sum::<usize>() as u64;
    let updated = settlements.len() as u64 - removed;
    let removals = removals
        .into_iter()
        .map(|((queue, token), ids)| transition::complete_and_remove(queue, token, ids));
    updates.extend(
        returns.into_iter().map(|((queue, token), ids)| transition::hand_back(queue, token, ids)),
    );
    let leases = emptied.iter().map(|(queue, token)| transition::close_lease(queue, *token));
    [
        Step::of_many(Target::Jobs, removals.collect()).expect(removed..=removed),
        Step::of_many(Target::Jobs, updates).expect(updated..=updated).telling(telling),
        Step::of_many(Target::Leases, leases.collect()),
    ]
    .into_iter()
    .filter(|step| !step.writes.is_empty())
    .collect()
}
