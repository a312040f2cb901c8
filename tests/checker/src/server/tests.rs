//! The account against a real server, and its judgement: what the queue does is good, and what
//! somebody writes past it is not.

use std::time::Duration;

use anyhow::{Context, Result};
use bson::{Document, doc};
use mongoqueue::{
    Failure, Lease, NextOptions, Payload, PutOptions, Queue, Worker, WorkerOptions, from_fn,
};
use mongoqueue_tests::{PATIENCE, Stage};
use tempfile::TempDir;

use super::{Account, Deed, Of, Watch, Write};
use crate::history::{Answer, Event, History, PutAnswer, PutJob, Recorder, Verdict};
use crate::judge::{Judgement, judge};

/// A run in this process: what is done through it is on record.
struct Play {
    stage: Stage,
    queue: Queue,
    folder: TempDir,
    watch: Watch,
    recorder: Recorder,
    calls: u64,
}

const LEASE: Duration = Duration::from_secs(20);

impl Play {
    async fn new() -> Result<Self> {
        let stage = Stage::private().await?;
        let folder = tempfile::tempdir()?;
        let watch = Watch::open(stage.uri(), stage.database.name(), "jobs", folder.path()).await?;
        let recorder = Recorder::open(folder.path(), "player")?;
        let queue = stage.queue()?;
        Ok(Self { stage, queue, folder, watch, recorder, calls: 0 })
    }

    async fn put(&mut self, id: &str, options: PutOptions) -> Result<()> {
        self.calls += 1;
        let call = self.calls;
        let job = PutJob {
            id: id.to_owned(),
            queue: "q".to_owned(),
            max_attempts: options.max_attempts.unwrap_or(3),
            priority: options.priority,
            ..PutJob::default()
        };
        self.recorder.record(Event::PutCall { call, jobs: vec![job] })?;
        let options = PutOptions { id: Some(id.parse()?), max_attempts: Some(3), ..options };
        let receipt = self.queue.put(doc! { "large": "x".repeat(50_000) }).options(options).await?;
        let answer = if receipt.created { PutAnswer::Created } else { PutAnswer::Existed };
        self.recorder.record(Event::PutAnswer { call, answers: vec![answer] })?;
        Ok(())
    }

    /// Claims the next job, when there is one: one that was scheduled, or whose lease ran out.
    async fn claim(&self, lease: Duration) -> Result<Lease> {
        let options = NextOptions { lease: Some(lease), wait: PATIENCE, ..NextOptions::default() };
        let lease = self.queue.next(&options).await?.context("a job is due")?;
        let saved = lease.attempt().saved();
        self.recorder.record(Event::Claimed {
            job: lease.job().id.to_string(),
            token: lease.token().to_string(),
            attempt: lease.job().attempt(),
            saved: saved.and_then(|saved| saved.to_json().as_u64()),
            lease_ms: 20_000,
        })?;
        Ok(lease)
    }

    fn settling(&self, lease: &Lease, verdict: Verdict) -> Result<(String, String)> {
        let (job, token) = (lease.job().id.to_string(), lease.token().to_string());
        let call = Event::SettleCall { job: job.clone(), token: token.clone(), verdict };
        self.recorder.record(call)?;
        Ok((job, token))
    }

    fn settled(&self, (job, token): (String, String), verdict: Verdict) -> Result<()> {
        let answer = Answer::DONE;
        Ok(self.recorder.record(Event::SettleAnswer { job, token, verdict, answer })?)
    }

    async fn complete(&self, lease: Lease) -> Result<()> {
        let names = self.settling(&lease, Verdict::Completed)?;
        lease.complete(Some(Payload::json(&"done")?)).await?;
        self.settled(names, Verdict::Completed)
    }

    async fn save(&self, lease: &Lease, value: u64) -> Result<()> {
        let (job, token) = (lease.job().id.to_string(), lease.token().to_string());
        let call = Event::SaveCall { job: job.clone(), token: token.clone(), value };
        self.recorder.record(call)?;
        lease.attempt().save(&Payload::json(&value)?).await?;
        let answer = Answer::DONE;
        Ok(self.recorder.record(Event::SaveAnswer { job, token, value, answer })?)
    }

    async fn end(self) -> Result<Run> {
        self.recorder.record(Event::Ended { clean: true })?;
        self.watch.finish().await?;
        let (history, account) =
            (History::load(self.folder.path())?, Account::load(self.folder.path())?);
        self.stage.end().await?;
        Ok(Run { history, account })
    }
}

struct Run {
    history: History,
    account: Account,
}

impl Run {
    fn judged(&self) -> Judgement {
        judge(&self.history, &self.account)
    }

    fn broken(&self) -> Vec<&'static str> {
        let judgement = self.judged();
        assert_eq!(judgement.missing, Vec::<String>::new());
        let broken = judgement.invariants.iter().filter(|it| it.violations > 0);
        broken.map(|invariant| invariant.name).collect()
    }

    fn assert_good(&self) {
        let judgement = self.judged();
        assert_eq!(self.broken(), Vec::<&str>::new(), "{:#?}", judgement.invariants);
    }
}

/// Something of everything that a queue does.
async fn a_good_run() -> Result<Play> {
    let mut play = Play::new().await?;
    let kept = PutOptions { retain: Some(Duration::from_secs(600)), ..PutOptions::default() };
    for (id, options) in
        [("done", PutOptions::default()), ("kept", kept), ("failing", PutOptions::default())]
    {
        play.put(id, options).await?;
    }
    play.put("done", PutOptions::default()).await?;
    for _ in 0..2 {
        let lease = play.claim(LEASE).await?;
        play.complete(lease).await?;
    }
    // Fails, saves, is released; its lease runs out; a worker completes it with others.
    let lease = play.claim(LEASE).await?;
    play.save(&lease, 1).await?;
    let names = play.settling(&lease, Verdict::Failed)?;
    lease.error(Failure::new("no")).await?;
    play.settled(names, Verdict::Failed)?;
    let lease = play.claim(LEASE).await?;
    assert_eq!(lease.attempt().saved(), Some(Payload::json(&1_u64)?));
    play.save(&lease, 2).await?;
    lease.heartbeat().await?;
    let names = play.settling(&lease, Verdict::Released)?;
    lease.release(Duration::ZERO).await?;
    play.settled(names, Verdict::Released)?;
    play.claim(Duration::from_millis(100)).await?.detach();
    play.claim(LEASE).await?.detach();
    for n in 0..20 {
        play.put(&format!("batch-{n}"), PutOptions::default()).await?;
    }
    let recorder = play.recorder.clone();
    let handler = from_fn(async move |_| anyhow::Ok(()));
    let options = WorkerOptions { until_empty: true, ..WorkerOptions::default() };
    let worker = Worker::new(&play.stage.mq, options).serve(play.queue.clone(), handler);
    let summary = worker.run(std::future::pending()).await?;
    assert_eq!(summary.completed, 20);
    recorder.record(Event::Note { text: "the worker says nothing".to_owned(), job: None })?;
    Ok(play)
}

#[tokio::test]
async fn what_the_queue_does_is_good() -> Result<()> {
    let run = a_good_run().await?.end().await?;
    run.assert_good();
    let counts = run.judged().counts;
    assert_eq!((counts.claims, counts.settlements.completed), (26, 2));
    assert_eq!((counts.puts.created, counts.puts.existed), (23, 1));
    assert_eq!((counts.left.completed, counts.left.running), (1, 1));
    let ends = counts.ends;
    assert_eq!((ends.completed, ends.failed, ends.expired, ends.returned), (22, 1, 1, 1));
    // Payloads and outputs are not in it.
    let size = run.account.writes.iter().map(|it| format!("{it:?}").len()).max().unwrap_or(0);
    assert!(size < 2_000, "{size}");
    Ok(())
}

/// Each line of the history says something else, or is missing from the account: each time the
/// judge notices.
#[tokio::test]
async fn a_good_run_that_is_told_differently_is_bad() -> Result<()> {
    let run = a_good_run().await?.end().await?;
    let differently = |change: &dyn Fn(&mut Event) -> bool| {
        let mut judged = 0;
        for index in 0..run.history.lines.len() {
            let mut history = run.history.clone();
            if change(&mut history.lines[index].event) {
                judged += 1;
                let told = Run { history, account: run.account.clone() };
                let line = &told.history.lines[index];
                assert!(!told.broken().is_empty(), "it didn't notice {line:?}");
            }
        }
        judged
    };
    let lost = differently(&|event| match event {
        Event::SettleAnswer { answer, .. } | Event::SaveAnswer { answer, .. } => {
            *answer = Answer::LeaseLost;
            true
        }
        _ => false,
    });
    assert_eq!(lost, 6);
    let misnumbered = differently(&|event| match event {
        Event::Claimed { attempt, .. } => {
            *attempt += 1;
            true
        }
        _ => false,
    });
    assert_eq!(misnumbered, 6);
    let refused = differently(&|event| match event {
        Event::PutAnswer { answers, .. } if *answers == [PutAnswer::Created] => {
            *answers = vec![PutAnswer::Failed { why: "no".to_owned() }];
            true
        }
        _ => false,
    });
    assert_eq!(refused, 23);
    // Nothing but a renewal could be missing from the account.
    let mut missed = Vec::new();
    for index in 0..run.account.writes.len() {
        let mut account = run.account.clone();
        let write = account.writes.remove(index);
        let told = Run { history: run.history.clone(), account };
        let judgement = told.judged();
        let noticed = judgement.violations() > 0 || !judgement.missing.is_empty();
        if write.of != Of::Mark && !noticed {
            missed.push(write);
        }
    }
    let harmless = |write: &Write| {
        // Nobody says that a lease that is left over is removed.
        let closed = write.deed == Deed::Delete;
        let renewed = matches!(&write.deed, Deed::Change { set, .. } if set.contains_key("until"));
        write.of == Of::Lease && (closed || renewed)
    };
    missed.retain(|write| !harmless(write));
    assert_eq!(missed, []);
    Ok(())
}

#[tokio::test]
async fn what_is_written_past_the_queue_is_bad() -> Result<()> {
    type Expected = &'static [&'static str];
    let set = |change: Document| doc! { "$set": change };
    let cases: [(Document, Document, Expected); 6] = [
        // A job that runs: what no consumer may do to it.
        (doc! { "_id": "runs" }, set(doc! { "claim.token": "x" }), &["overlap", "no-lease"]),
        (doc! { "_id": "runs" }, set(doc! { "attempts": 2 }), &["attempts"]),
        (doc! { "_id": "runs" }, set(doc! { "state": "ready" }), &["illegal-step"]),
        // One that waits.
        (doc! { "_id": "waits" }, set(doc! { "priority": 5 }), &["illegal-step"]),
        (doc! { "_id": "waits" }, set(doc! { "state": "completed" }), &["illegal-step"]),
        (doc! { "_id": "waits" }, set(doc! { "saved": 3 }), &["illegal-step"]),
    ];
    for (filter, change, expected) in cases {
        let play = running_and_waiting().await?;
        play.stage.jobs().update_one(filter, change.clone()).await?;
        let broken = play.end().await?.broken();
        assert!(expected.iter().all(|name| broken.contains(name)), "{change}: {broken:?}");
    }
    Ok(())
}

#[tokio::test]
async fn what_is_removed_or_put_past_the_queue_is_bad() -> Result<()> {
    let play = running_and_waiting().await?;
    play.stage.leases().delete_many(doc! {}).await?;
    assert_eq!(play.end().await?.broken(), ["no-lease"]);

    let play = running_and_waiting().await?;
    play.stage.jobs().delete_one(doc! { "_id": "waits" }).await?;
    assert_eq!(play.end().await?.broken(), ["lost-put", "illegal-step"]);

    // As a consumer would that had lost it.
    let play = running_and_waiting().await?;
    play.stage.jobs().delete_one(doc! { "_id": "runs" }).await?;
    assert_eq!(play.end().await?.broken(), ["settled-after-loss"]);

    let play = running_and_waiting().await?;
    play.stage.expire_leases().await?;
    assert_eq!(play.end().await?.broken(), ["lease-clock"]);

    let play = running_and_waiting().await?;
    let mut stranger = play.stage.jobs().find_one(doc! { "_id": "waits" }).await?.context("it")?;
    stranger.insert("_id", "stranger");
    play.stage.jobs().insert_one(stranger).await?;
    assert_eq!(play.end().await?.broken(), ["phantom-job"]);
    Ok(())
}

#[tokio::test]
async fn a_dropped_collection_is_a_gap() -> Result<()> {
    let play = running_and_waiting().await?;
    play.stage.leases().drop().await?;
    let judgement = play.end().await?.judged();
    assert!(judgement.invariants.is_empty());
    assert!(judgement.missing.iter().any(|why| why.contains("drop of a whole collection")));
    Ok(())
}

/// One job that runs, and one that waits.
async fn running_and_waiting() -> Result<Play> {
    let mut play = Play::new().await?;
    play.put("runs", PutOptions { priority: 1, ..PutOptions::default() }).await?;
    play.put("waits", PutOptions::default()).await?;
    play.claim(LEASE).await?.detach();
    Ok(play)
}
