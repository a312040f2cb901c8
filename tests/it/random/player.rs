//! Does the verbs, to the database and to the model, and compares their answers.

use std::collections::HashMap;

use anyhow::{Context, Result, ensure};
use bson::{Bson, doc};
use mongoqueue::{
    Backoff, Defaults, Error, JobId, MongoQueue, NewJob, NextOptions, Payload, Progress,
    PutOptions, Queue, Receipt, Token,
};
use mongoqueue_tests::Stage;

use super::held::{Batch, Grip, Held, pick, uuid};
use super::look::{compare, seen};
use super::model::{Answer, Model};
use super::verbs::{CONSUMERS, End, HOUR, New, QUEUES, Verb, body, hours};

/// A claim takes back so many expired leases at once, and no more: there are never that many.
const LEASES: usize = 16;

pub(super) struct Player<'a> {
    pub(super) stage: &'a Stage,
    pub(super) model: Model,
    pub(super) held: Vec<Held>,
    pub(super) batches: HashMap<Token, Batch>,
    consumers: &'a [MongoQueue],
    /// Every claim on every job, in the order of time.
    claims: Vec<(&'static str, JobId, Token)>,
    puts: i32,
    steps: usize,
}

/// The connections of all consumers.
pub(super) async fn connect(stage: &Stage) -> Result<Vec<MongoQueue>> {
    let mut all = Vec::new();
    for name in CONSUMERS {
        all.push(stage.connect(name).await?);
    }
    Ok(all)
}

impl<'a> Player<'a> {
    /// On a collection that is made empty.
    pub(super) async fn new(stage: &'a Stage, consumers: &'a [MongoQueue]) -> Result<Self> {
        stage.jobs().delete_many(doc! {}).await?;
        stage.leases().delete_many(doc! {}).await?;
        let (held, batches, claims) = (Vec::new(), HashMap::new(), Vec::new());
        let model = Model::default();
        Ok(Self { stage, model, held, batches, consumers, claims, puts: 0, steps: 0 })
    }

    /// Does it, then looks whether everything is as it ought to be. The queues are counted in turns:
    /// that is most of the commands.
    pub(super) async fn play(&mut self, verb: &Verb) -> Result<()> {
        self.steps += 1;
        self.act(verb).await?;
        compare(self.stage, &mut self.model).await?;
        self.count(QUEUES[self.steps % QUEUES.len()]).await
    }

    async fn act(&mut self, verb: &Verb) -> Result<()> {
        match verb {
            Verb::Put(queue, new) => self.put(queue, new).await,
            Verb::PutMany(queue, news) => self.put_many(queue, news).await,
            Verb::Next { queue, by, lease } => self.next(queue, by, *lease).await.map(|_| ()),
            Verb::Batch { queue, by, jobs, lease } => self.batch((queue, by), *jobs, *lease).await,
            Verb::Report(held, n) => self.report(*held, *n).await,
            Verb::Save(held, n) => self.save(*held, *n).await,
            Verb::Heartbeat(held) => self.heartbeat(*held).await,
            Verb::Extend(held, by) => self.extend(*held, *by).await,
            Verb::End(held, end) => self.end(*held, *end).await,
            Verb::EndBatch(held, ends) => self.end_batch(*held, ends).await,
            Verb::Drop(held) => self.forget(*held).await,
            Verb::Detach(held) => self.detach(*held),
            Verb::Find(claim) => self.find(*claim).await,
            Verb::Cancel(job) => self.cancel(self.some_job(*job)).await,
            Verb::Stop(held) => match self.at(*held) {
                Some(at) => self.cancel(self.job_of(self.held[at].id.clone())).await,
                None => Ok(()),
            },
            Verb::Retry(job) => self.retry(*job).await,
            Verb::RetryDead(queue) => {
                let n = self.queue(queue)?.retry_dead().await?;
                let wanted = self.model.retry_dead(queue);
                ensure!(n == wanted, "retried {n} dead jobs of {wanted}");
                Ok(())
            }
            Verb::Clear(queue) => {
                let n = self.queue(queue)?.clear().await?;
                let wanted = self.model.clear(queue);
                ensure!(n == wanted, "cleared {n} jobs of {wanted}");
                Ok(())
            }
            Verb::Get(queue, job) => self.get(queue, *job).await,
            Verb::List { queue, state, limit } => self.list(queue, *state, *limit).await,
            Verb::Hour => self.hour().await,
            Verb::ExpireAll if self.model.leases.is_empty() => Ok(()),
            Verb::ExpireAll => {
                self.model.leases.iter_mut().for_each(|lease| lease.left = 0);
                self.stage.expire_leases().await
            }
            Verb::Expire(held) => self.expire(*held).await,
        }
    }

    /// Whoever's turn it is: what a verb does is no matter of the connection.
    pub(super) fn queue(&self, name: &str) -> Result<Queue> {
        let by = CONSUMERS[self.steps % CONSUMERS.len()];
        self.queue_of(name, by)
    }

    fn queue_of(&self, name: &str, by: &str) -> Result<Queue> {
        let defaults = Defaults { timeout: HOUR, ..Defaults::default() };
        Ok(self.consumer(by)?.queue(name)?.with_defaults(defaults))
    }

    fn consumer(&self, by: &str) -> Result<&'a MongoQueue> {
        self.consumers.iter().find(|mq| mq.consumer() == by).context("a consumer")
    }

    async fn put(&mut self, queue: &'static str, new: &New) -> Result<()> {
        let job = self.new_job(new);
        let put = self.queue(queue)?.put(job.payload.clone()).options(job.options);
        let answer = put.await;
        self.believe(queue, &[(new, job.payload)], vec![answer])
    }

    async fn put_many(&mut self, queue: &'static str, news: &[New]) -> Result<()> {
        let jobs: Vec<NewJob> = news.iter().map(|new| self.new_job(new)).collect();
        let payloads = jobs.iter().map(|job| job.payload.clone());
        let puts: Vec<(&New, Payload)> = news.iter().zip(payloads).collect();
        let answers = self.queue(queue)?.put_many(jobs).await?;
        self.believe(queue, &puts, answers)
    }

    fn new_job(&mut self, new: &New) -> NewJob {
        self.puts += 1;
        let options = PutOptions {
            id: new.id.map(|id| JobId::Own(id.to_owned())),
            priority: new.priority,
            delay: hours(new.delay),
            max_attempts: Some(new.max_attempts),
            backoff: new.backoff.then(|| Backoff::exponential(HOUR, hours(4))),
            retain: new.retain.then_some(HOUR),
            unique_key: new.key.map(str::to_owned),
            ..PutOptions::default()
        };
        NewJob { payload: Payload::Bson(self.puts.into()), options }
    }

    /// The answers are those of the model. Why a put was refused is asked after all were tried.
    fn believe(
        &mut self,
        queue: &'static str,
        puts: &[(&New, Payload)],
        answers: Vec<mongoqueue::Result<Receipt>>,
    ) -> Result<()> {
        ensure!(puts.len() == answers.len(), "{} answers", answers.len());
        let answers: Vec<Answer> = answers.into_iter().map(told).collect::<Result<_>>()?;
        let mut done = Vec::new();
        for ((new, payload), answer) in puts.iter().zip(&answers) {
            // The library minted it. For a put that it refused any will do.
            let id = match (new.id, answer) {
                (Some(id), _) => JobId::Own(id.to_owned()),
                (None, Answer::Put(id)) => id.clone(),
                (None, _) => JobId::mint(),
            };
            done.push((self.model.put(queue, id.clone(), payload.clone(), new), id));
        }
        for (((new, _), answer), (put, id)) in puts.iter().zip(answers).zip(done) {
            let refusal = || self.model.refusal(queue, &id, new);
            let wanted = if put { Answer::Put(id.clone()) } else { refusal() };
            ensure!(answer == wanted, "{new:?}: the answer is {answer:?}, not {wanted:?}");
        }
        Ok(())
    }

    /// False when nothing is due.
    async fn next(
        &mut self,
        queue: &'static str,
        by: &'static str,
        lease: Option<i64>,
    ) -> Result<bool> {
        if self.is_crowded(queue) {
            return Ok(true);
        }
        let options = NextOptions { lease: lease.map(hours), ..NextOptions::default() };
        let claimed = self.queue_of(queue, by)?.next(&options).await?;
        self.model.take_back(queue);
        let first = self.model.due(queue).first().cloned();
        let id = claimed.as_ref().map(|lease| lease.job().id.clone());
        ensure!(id == first, "{id:?} was claimed, not {first:?}");
        let (Some(claimed), Some(id)) = (claimed, id) else { return Ok(false) };
        let held = Held::pull(claimed, true);
        self.model.claim(std::slice::from_ref(&id), held.token, by, lease.unwrap_or(1));
        self.hold(queue, held)?;
        Ok(true)
    }

    async fn batch(
        &mut self,
        (queue, by): (&'static str, &'static str),
        jobs: usize,
        lease: i64,
    ) -> Result<()> {
        if self.is_crowded(queue) {
            return Ok(());
        }
        self.model.take_back(queue);
        let mut due = self.model.due(queue);
        due.truncate(jobs);
        let on = (self.consumer(by)?, self.queue_of(queue, by)?);
        let (batch, held) = Batch::claim(on, due.len(), lease).await?;
        let Some(token) = held.first().map(|held| held.token) else { return Ok(()) };
        let wrong = held.iter().find(|held| held.token != token || !due.contains(&held.id));
        ensure!(wrong.is_none(), "the worker claimed {:?}, not {due:?}", wrong.map(|it| &it.id));
        self.model.claim(&due, token, by, lease);
        self.batches.extend(batch.map(|batch| (token, batch)));
        for held in held {
            self.hold(queue, held)?;
        }
        Ok(())
    }

    /// What a claim answers is the job.
    fn hold(&mut self, queue: &'static str, held: Held) -> Result<()> {
        self.is_as_seen(held.attempt().job())?;
        self.claims.push((queue, held.id.clone(), held.token));
        self.held.push(held);
        Ok(())
    }

    pub(super) fn is_as_seen(&self, job: &mongoqueue::Job) -> Result<()> {
        let known = self.model.job(&job.id).with_context(|| format!("{} is unknown", job.id))?;
        let seen = seen(job, known.due);
        ensure!(seen == *known, "the library reads\n    {seen:?}, the model has\n    {known:?}");
        Ok(())
    }

    fn is_crowded(&self, queue: &str) -> bool {
        let live = self.model.leases.iter().filter(|it| it.queue == queue && it.left > 0);
        live.count() >= LEASES
    }

    async fn report(&mut self, held: usize, n: u8) -> Result<()> {
        let Some(at) = self.at(held) else { return Ok(()) };
        let total = n.is_multiple_of(2).then_some(9);
        let note = n.is_multiple_of(3).then(|| format!("at {n}"));
        let progress = Progress { count: n.into(), total, note };
        let answer = self.held[at].attempt().progress(&progress).await;
        let Held { token, id, .. } = &self.held[at];
        let wanted = self.model.report(*token, id, &progress);
        self.is_held(at, answer, wanted).await
    }

    async fn save(&mut self, held: usize, n: u8) -> Result<()> {
        let Some(at) = self.at(held) else { return Ok(()) };
        let answer = self.held[at].attempt().save(&body(n)).await;
        let Held { token, id, .. } = &self.held[at];
        let wanted = self.model.save(*token, id, body(n));
        self.is_held(at, answer, wanted).await
    }

    async fn heartbeat(&mut self, held: usize) -> Result<()> {
        let Some(at) = self.at(held) else { return Ok(()) };
        let answer = self.held[at].attempt().heartbeat().await;
        let Held { token, id, .. } = &self.held[at];
        let wanted = self.model.renew(*token, None);
        if let Some(lease) = self.model.lease(*token).filter(|_| !self.held[at].is_push()) {
            let (asked, told) = (lease.cancel.contains(id), self.held[at].attempt().is_cancelled());
            ensure!(asked == told, "{id} was asked to stop: {asked}, and was told: {told}");
        }
        if wanted || !self.held[at].is_push() {
            return self.is_held(at, answer, wanted).await;
        }
        // All of the batch hear of it.
        ensure!(matches!(answer, Err(Error::LeaseLost { .. })), "{answer:?}");
        let token = *token;
        let lost = self.take_pushed(token).len();
        self.cut_off(token, lost).await
    }

    async fn extend(&mut self, held: usize, by: i64) -> Result<()> {
        let Some(at) = self.at(held) else { return Ok(()) };
        let Grip::Pull { lease, .. } = &self.held[at].grip else { return Ok(()) };
        let answer = lease.extend(hours(by)).await;
        let wanted = self.model.renew(self.held[at].token, Some(by));
        self.is_held(at, answer, wanted).await
    }

    /// The lease is lost if the model says so; then that is the end of it.
    async fn is_held(
        &mut self,
        at: usize,
        answer: mongoqueue::Result<()>,
        wanted: bool,
    ) -> Result<()> {
        match (answer, wanted) {
            (Ok(()), true) => Ok(()),
            (Err(Error::LeaseLost { id }), false) if id == self.held[at].id => {
                let held = self.held.remove(at);
                if held.is_push() { self.cut_off(held.token, 1).await } else { Ok(()) }
            }
            (answer, wanted) => anyhow::bail!("{answer:?}, and it is held: {wanted}"),
        }
    }

    fn detach(&mut self, held: usize) -> Result<()> {
        let Some(at) = self.at(held).filter(|&at| !self.held[at].is_push()) else { return Ok(()) };
        if let Grip::Pull { lease, .. } = self.held.remove(at).grip {
            lease.detach();
        }
        Ok(())
    }

    /// A claim that still holds its job is found, as often as one likes.
    async fn find(&mut self, which: usize) -> Result<()> {
        // Of the latest, as most of the others are over.
        let latest = &self.claims[self.claims.len().saturating_sub(8)..];
        let Some((queue, id, token)) = pick(latest, which).cloned() else { return Ok(()) };
        match (self.queue(queue)?.lease(&id, token).await, self.model.holds(token, &id)) {
            (Ok(lease), true) => {
                self.is_as_seen(lease.job())?;
                self.held.push(Held::pull(lease, false));
                Ok(())
            }
            (Err(Error::LeaseLost { .. }), false) => Ok(()),
            (found, held) => anyhow::bail!("{:?}, and it is held: {held}", found.map(|_| ())),
        }
    }

    async fn hour(&mut self) -> Result<()> {
        self.model.hour();
        let hour = i64::try_from(HOUR.as_millis())?;
        let earlier = |field: &str| {
            let sooner = doc! { "$subtract": [format!("${field}"), hour] };
            vec![doc! { "$set": { field: sooner } }]
        };
        self.stage.jobs().update_many(doc! {}, earlier("due")).await?;
        self.stage.leases().update_many(doc! {}, earlier("until")).await?;
        Ok(())
    }

    async fn expire(&mut self, held: usize) -> Result<()> {
        let Some(at) = self.at(held) else { return Ok(()) };
        let token = self.held[at].token;
        if let Some(lease) = self.model.lease(token) {
            lease.left = 0;
        }
        let past = vec![doc! { "$set": { "until": { "$subtract": ["$$NOW", 1_000] } } }];
        self.stage.leases().update_one(doc! { "_id": uuid(token)? }, past).await?;
        Ok(())
    }

    /// Everybody lets go, and all jobs that are left are done, each in its turn.
    pub(super) async fn finish(&mut self) -> Result<()> {
        while !self.held.is_empty() {
            self.play(&Verb::End(0, End::HandBack)).await?;
        }
        ensure!(self.batches.is_empty(), "{} workers have not ended", self.batches.len());
        // Longer than any delay, back-off and lease.
        for _ in 0..8 {
            self.hour().await?;
        }
        for queue in QUEUES {
            while self.next(queue, CONSUMERS[0], None).await? {
                self.end(0, End::Complete(0)).await?;
            }
        }
        compare(self.stage, &mut self.model).await?;
        let left = self.model.jobs.iter().find(|job| !job.state.is_final());
        ensure!(left.is_none(), "nothing is due, and {left:?} is left");
        ensure!(self.model.leases.is_empty(), "leases are left: {:?}", self.model.leases);
        Ok(())
    }
}

fn told(answer: mongoqueue::Result<Receipt>) -> Result<Answer> {
    match answer {
        Ok(Receipt { id, created: true }) => Ok(Answer::Put(id)),
        Ok(Receipt { id, created: false }) => Ok(Answer::There(id)),
        Err(Error::Duplicate { id, .. }) => Ok(Answer::Duplicate(id)),
        Err(Error::Invalid { what: "job id", .. }) => Ok(Answer::Taken),
        Err(error) => Err(error.into()),
    }
}

pub(super) fn to_bson(id: &JobId) -> Bson {
    match id {
        JobId::Minted(id) => (*id).into(),
        JobId::Own(id) => id.as_str().into(),
    }
}
