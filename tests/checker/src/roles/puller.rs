//! Consumers that claim one job after the other with `next`, careful ones and careless ones.

use std::time::Duration;

use anyhow::Result;
use mongoqueue::{
    Attempt, Failure, Lease, MongoQueue, NextOptions, Outcome, Queue, RunError, State,
};
use tokio::task::JoinSet;

use super::recorded::{Scene, answer, claimed, refusal, say, verdict};
use super::work::{End, Work};
use super::{Role, rest};
use crate::chance::Chance;
use crate::history::{Answer, Event, Recorder, Verdict};

/// Pulls with so many consumers at once, until it is told to stop or, in the calm phase, until
/// nothing is left.
pub(super) async fn play(scene: &Scene, mq: &MongoQueue, consumers: usize) -> Result<()> {
    let calm = scene.part.role == Role::CalmPuller;
    let mut pulling = JoinSet::new();
    for number in 0..consumers {
        let part = format!("{} {} {number}", scene.part.name, scene.part.life);
        let [name] = scene.part.role.queues() else { anyhow::bail!("a puller has one queue") };
        let puller = Puller {
            queue: mq.queue(name)?,
            recorder: scene.recorder.clone(),
            stop: scene.stop.clone(),
            chance: Chance::new(scene.part.seed, &part),
            lease: scene.part.lease(),
            calm,
        };
        pulling.spawn(puller.pull());
    }
    while let Some(ended) = pulling.join_next().await {
        ended?;
    }
    Ok(())
}

struct Puller {
    queue: Queue,
    recorder: Recorder,
    stop: tokio_util::sync::CancellationToken,
    chance: Chance,
    lease: Duration,
    calm: bool,
}

impl Puller {
    async fn pull(mut self) {
        while !self.stop.is_cancelled() {
            let options = NextOptions {
                wait: Duration::from_secs(1),
                lease: Some(self.lease),
                ..NextOptions::default()
            };
            match self.queue.next(&options).await {
                Ok(Some(lease)) => {
                    say(&self.recorder, claimed(lease.attempt(), self.lease));
                    self.handle(lease).await;
                }
                Ok(None) if self.calm => return,
                Ok(None) => {}
                Err(error) => {
                    let text = format!("next: {error}");
                    say(&self.recorder, Event::Note { text, job: None });
                    rest(&self.stop, Duration::from_millis(200)).await;
                }
            }
        }
    }

    async fn handle(&mut self, lease: Lease) {
        let job = lease.job();
        let Ok(work) = job.payload.deserialize::<Work>() else {
            return self.settle(lease, Outcome::Failed(Failure::new("no work").reject())).await;
        };
        let end = work.end(job.attempt(), job.claims);
        let manner = if self.calm { 99 } else { self.chance.below(100) };
        match (manner, end) {
            // Sleeps over its lease, and settles all the same.
            (0..12, _) => {
                let over = self.chance.between(50, 350);
                let asleep = self.lease.mul_f64(over as f64 / 100.0);
                rest(&self.stop, asleep).await;
                // Every other one asks before whether the job is still its own.
                if self.chance.percent(50) {
                    self.heartbeat(&lease).await;
                }
                self.settle(lease, outcome(end)).await;
            }
            (12..17, _) => self.drop(lease),
            (17..27, End::Complete | End::Fail | End::Panic) => self.run(lease, work, end).await,
            (27..35, _) => self.find_again(lease, outcome(end)).await,
            _ => {
                if self.work(&lease, work).await {
                    self.settle(lease, outcome(end)).await;
                } else {
                    // Nothing can be written under it any more; to try must do no harm.
                    self.settle(lease, Outcome::Completed(None)).await;
                }
            }
        }
    }

    /// Works with heartbeats beside it; false when the claim is lost.
    async fn work(&self, lease: &Lease, work: Work) -> bool {
        let heartbeats = async {
            loop {
                tokio::time::sleep(self.lease / 3).await;
                if !self.heartbeat(lease).await {
                    return false;
                }
            }
        };
        tokio::select! {
            held = work.work(&self.recorder, lease.attempt()) => held,
            held = heartbeats => held,
        }
    }

    async fn heartbeat(&self, lease: &Lease) -> bool {
        let (job, token) = names(lease.attempt());
        say(&self.recorder, Event::HeartbeatCall { job: job.clone(), token: token.clone() });
        let answer = answer(&lease.heartbeat().await, |()| None);
        let kept = answer != Answer::LeaseLost;
        say(&self.recorder, Event::HeartbeatAnswer { job, token, answer });
        kept
    }

    async fn settle(&self, lease: Lease, outcome: Outcome) {
        let (job, token) = names(lease.attempt());
        let verdict = verdict(&outcome);
        self.call(&job, &token, verdict);
        let said = match outcome {
            Outcome::Completed(output) => lease.complete(output).await.map(|()| None),
            Outcome::Released { delay } => lease.release(delay).await.map(|()| None),
            outcome => lease.settle(outcome).await.map(Some),
        };
        let answer = answer(&said, |state: &Option<State>| *state);
        say(&self.recorder, Event::SettleAnswer { job, token, verdict, answer });
    }

    /// Dropped, it is handed back; nobody says when.
    fn drop(&self, lease: Lease) {
        let (job, token) = names(lease.attempt());
        self.call(&job, &token, Verdict::HandedBack);
        drop(lease);
    }

    /// Lets go of it and finds it again by its id and token, as another process would.
    async fn find_again(&self, lease: Lease, outcome: Outcome) {
        let (id, token) = (lease.job().id.clone(), lease.token());
        lease.detach();
        match self.queue.lease(&id, token).await {
            Ok(found) => self.settle(found, outcome).await,
            // It runs out.
            Err(error) => {
                let text = format!("finding a lease again: {error}");
                say(&self.recorder, Event::Note { text, job: Some(id.to_string()) });
            }
        }
    }

    /// As a scope that always settles.
    async fn run(&self, lease: Lease, work: Work, end: End) {
        let (job, token) = names(lease.attempt());
        let recorder = &self.recorder;
        let verdict = match end {
            End::Complete => Verdict::Completed,
            _ => Verdict::Failed,
        };
        let ran = lease
            .run(async |attempt| {
                work.work(recorder, &attempt).await;
                self.call(&job, &token, verdict);
                match end {
                    End::Complete => Ok(()),
                    End::Panic => panic!("panicking, as asked"),
                    _ => Err(Failure::new("failed, as asked")),
                }
            })
            .await;
        let answer = match ran {
            Err(RunError::Unsettled(error)) => refusal(&error),
            _ => Answer::DONE,
        };
        say(recorder, Event::SettleAnswer { job, token, verdict, answer });
    }

    fn call(&self, job: &str, token: &str, verdict: Verdict) {
        let (job, token) = (job.to_owned(), token.to_owned());
        say(&self.recorder, Event::SettleCall { job, token, verdict });
    }
}

fn names(attempt: &Attempt) -> (String, String) {
    (attempt.job().id.to_string(), attempt.token().to_string())
}

/// What a puller makes of an end: it has no deadline of its own, so it calls a hang a failure.
fn outcome(end: End) -> Outcome {
    match end {
        End::Complete => Outcome::Completed(None),
        End::Reject => Outcome::Failed(Failure::new("rejected, as asked").reject()),
        End::Release => Outcome::Released { delay: Duration::from_millis(150) },
        End::Fail | End::Panic | End::Hang => Outcome::Failed(Failure::new("failed, as asked")),
    }
}
