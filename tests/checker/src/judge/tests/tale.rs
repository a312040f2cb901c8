//! Tells a run, write by write and line by line.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::history::{Answer, Event, History, Line, Phase, PutAnswer, PutJob, Verdict};
use crate::judge::{Judgement, judge};
use crate::server::{Account, Deed, Of, Write};

/// The queue of all jobs.
pub(super) const QUEUE: &str = "q";
/// The length of all leases.
pub(super) const LEASE: i64 = 1_000;
/// When it all began, in milliseconds since 1970.
const BEGIN: i64 = 1_700_000_000_000;

#[derive(Clone)]
struct Kept {
    attempts: i64,
    claims: i64,
    max_attempts: i64,
    records: usize,
}

/// A run as it is told. Each write and each line takes a hundredth of a second.
#[derive(Clone)]
pub(super) struct Tale {
    pub(super) account: Account,
    pub(super) history: History,
    /// Milliseconds since 1970.
    pub(super) now: i64,
    kept: BTreeMap<String, Kept>,
    calls: u64,
    txns: u64,
    txn: Option<String>,
}

impl Tale {
    pub(super) fn new() -> Self {
        let mut tale = Self {
            account: Account::default(),
            history: History::default(),
            now: BEGIN,
            kept: BTreeMap::new(),
            calls: 0,
            txns: 0,
            txn: None,
        };
        tale.say("checker", Event::Run(crate::history::Run { seed: 1, ..Default::default() }));
        tale
    }

    pub(super) fn wait(&mut self, ms: i64) {
        self.now += ms;
    }

    /// Judges it, after what is left was read.
    pub(super) fn judged(&self) -> Judgement {
        let mut account = self.account.clone();
        if account.read_at.is_none() {
            account.read_at = Some(self.now);
            account.left.extend(self.left());
        }
        judge(&self.history, &account)
    }

    /// The names of the invariants that are broken.
    pub(super) fn broken(&self) -> BTreeSet<&'static str> {
        let judgement = self.judged();
        let broken = judgement.invariants.iter().filter(|it| it.violations > 0);
        broken.map(|invariant| invariant.name).collect()
    }

    /// It is good.
    pub(super) fn holds(&self) {
        let judgement = self.judged();
        let broken: Vec<_> = judgement.invariants.iter().filter(|it| it.violations > 0).collect();
        assert!(broken.is_empty(), "{broken:#?}");
        assert!(judgement.missing.is_empty(), "{:?}", judgement.missing);
    }

    /// It breaks these, and only these.
    pub(super) fn breaks(&self, names: &[&str]) {
        let expected: BTreeSet<&str> = names.iter().copied().collect();
        let judgement = self.judged();
        assert_eq!(self.broken(), expected, "{:#?}", judgement.invariants);
        for invariant in judgement.invariants.iter().filter(|it| it.violations > 0) {
            let first = invariant.examples.first();
            assert!(first.is_some_and(|first| !first.lines.is_empty()), "{invariant:#?}");
        }
    }

    /// The documents that the account comes to.
    fn left(&self) -> Vec<Write> {
        let mut docs: BTreeMap<(bool, String), Map<String, Value>> = BTreeMap::new();
        for write in &self.account.writes {
            let key = (write.of == Of::Lease, write.id.clone());
            match &write.deed {
                _ if write.of == Of::Mark => {}
                Deed::Put { doc } => {
                    docs.insert(key, doc.clone());
                }
                Deed::Change { set, unset, .. } => {
                    let doc = docs.entry(key).or_default();
                    doc.extend(set.clone());
                    unset.iter().for_each(|path| drop(doc.remove(path)));
                }
                _ => {
                    docs.remove(&key);
                }
            }
        }
        let left = docs.into_iter().map(|((lease, id), doc)| {
            let of = if lease { Of::Lease } else { Of::Job };
            Write { wall: 0, txn: None, of, id, deed: Deed::Left { doc } }
        });
        left.collect()
    }

    // What the server does.

    /// What is done inside becomes visible together.
    pub(super) fn together(&mut self, inside: impl FnOnce(&mut Self)) {
        self.together_in("s", inside);
    }

    /// The same, in a session.
    pub(super) fn together_in(&mut self, session: &str, inside: impl FnOnce(&mut Self)) {
        self.txns += 1;
        self.txn = Some(format!("{session}:{}", self.txns));
        inside(self);
        self.txn = None;
    }

    fn write(&mut self, of: Of, id: &str, deed: Deed) {
        self.now += 10;
        let txn = self.txn.clone();
        self.account.push(Write { wall: self.now, txn, of, id: id.to_owned(), deed });
    }

    pub(super) fn change(&mut self, of: Of, id: &str, set: Value, unset: &[&str]) {
        let set = set.as_object().cloned().unwrap_or_default();
        let unset = unset.iter().map(|path| (*path).to_owned()).collect();
        self.write(of, id, Deed::Change { set, unset, cut: Map::new() });
    }

    pub(super) fn mark(&mut self, name: &str) {
        self.write(Of::Mark, name, Deed::Put { doc: Map::new() });
    }

    pub(super) fn put_doc(&mut self, job: &str, more: Value) {
        let mut doc = json!({
            "queue": QUEUE, "state": "ready", "priority": 0, "due": self.now, "attempts": 0,
            "max_attempts": 2,
        });
        if let (Value::Object(doc), Value::Object(more)) = (&mut doc, more) {
            doc.extend(more);
        }
        let max_attempts = doc["max_attempts"].as_i64().unwrap_or(0);
        let kept = Kept { attempts: 0, claims: 0, max_attempts, records: 0 };
        self.kept.insert(job.to_owned(), kept);
        let doc = doc.as_object().cloned().unwrap_or_default();
        self.write(Of::Job, job, Deed::Put { doc });
    }

    fn kept(&mut self, job: &str) -> &mut Kept {
        let none = Kept { attempts: 0, claims: 0, max_attempts: 2, records: 0 };
        self.kept.entry(job.to_owned()).or_insert(none)
    }

    pub(super) fn open_lease(&mut self, token: &str, jobs: &[&str]) {
        let doc = json!({
            "queue": QUEUE, "consumer": "c", "until": self.now + LEASE, "length_ms": LEASE,
            "jobs": jobs,
        });
        let doc = doc.as_object().cloned().unwrap_or_default();
        self.write(Of::Lease, token, Deed::Put { doc });
    }

    pub(super) fn renew(&mut self, token: &str) {
        self.change(Of::Lease, token, json!({ "until": self.now + LEASE }), &[]);
    }

    pub(super) fn close_lease(&mut self, token: &str) {
        self.write(Of::Lease, token, Deed::Delete);
    }

    pub(super) fn run(&mut self, token: &str, job: &str) {
        let kept = self.kept(job);
        kept.claims += 1;
        let claims = kept.claims;
        let claim = json!({ "token": token, "consumer": "c", "at": self.now });
        self.change(
            Of::Job,
            job,
            json!({ "state": "running", "claim": claim, "claims": claims }),
            &[],
        );
    }

    /// A claim as it should be.
    pub(super) fn claim(&mut self, token: &str, jobs: &[&str]) {
        self.together(|tale| {
            tale.open_lease(token, jobs);
            jobs.iter().for_each(|job| tale.run(token, job));
        });
    }

    pub(super) fn remove(&mut self, job: &str) {
        self.write(Of::Job, job, Deed::Delete);
    }

    pub(super) fn keep(&mut self, job: &str) {
        let set = json!({
            "state": "completed", "finished_at": self.now, "expire_at": self.now + 60_000,
        });
        self.change(Of::Job, job, set, &["claim"]);
    }

    /// The end of a counted attempt, with its record.
    pub(super) fn count(&mut self, job: &str, kind: &str, state: Option<&str>) {
        let now = self.now;
        let kept = self.kept(job);
        kept.attempts += 1;
        let by_count = if kept.attempts >= kept.max_attempts { "dead" } else { "ready" };
        let state = state.unwrap_or(by_count);
        let record = json!({ "attempt": kept.attempts, "at": now + 10, "kind": kind });
        let mut set = json!({ "state": state, "attempts": kept.attempts });
        set[format!("errors.{}", kept.records)] = record;
        kept.records += 1;
        if state == "ready" {
            set["due"] = (now + 10).into();
        } else {
            set["finished_at"] = now.into();
        }
        self.change(Of::Job, job, set, &["claim", "cancel_at"]);
    }

    pub(super) fn give_back(&mut self, job: &str) {
        self.change(Of::Job, job, json!({ "state": "ready" }), &["claim"]);
    }

    pub(super) fn save(&mut self, job: &str, value: u64) {
        self.change(Of::Job, job, json!({ "saved": value }), &[]);
    }

    /// Takes an expired lease back, as it should be.
    pub(super) fn take_back(&mut self, token: &str, begun: &[&str], waiting: &[&str]) {
        self.together(|tale| {
            tale.close_lease(token);
            begun.iter().for_each(|job| tale.count(job, "lease-expired", None));
            waiting.iter().for_each(|job| tale.give_back(job));
        });
    }

    // What processes say.

    pub(super) fn say(&mut self, process: &str, event: Event) -> usize {
        self.now += 10;
        let n = self.history.lines.iter().filter(|line| &*line.process == process).count();
        let line = Line {
            n: n as u64 + 1,
            process: process.into(),
            at_us: self.now * 1_000,
            mono_us: (self.now - BEGIN).unsigned_abs() * 1_000,
            event,
        };
        // Files come one after the other.
        let same = self.history.lines.iter().rposition(|line| &*line.process == process);
        let at = same.map_or(self.history.lines.len(), |last| last + 1);
        self.history.lines.insert(at, line);
        at
    }

    pub(super) fn put_call(&mut self, job: &str, max_attempts: u32) -> u64 {
        self.calls += 1;
        let job = PutJob {
            id: job.to_owned(),
            queue: QUEUE.to_owned(),
            max_attempts,
            ..PutJob::default()
        };
        self.say("producer", Event::PutCall { call: self.calls, jobs: vec![job] });
        self.calls
    }

    pub(super) fn put_answer(&mut self, call: u64, answer: PutAnswer) {
        self.say("producer", Event::PutAnswer { call, answers: vec![answer] });
    }

    /// A put as it should be, with two attempts.
    pub(super) fn put(&mut self, job: &str) {
        self.put_of(job, 2);
    }

    pub(super) fn put_all(&mut self, jobs: &[&str]) {
        jobs.iter().for_each(|job| self.put(job));
    }

    pub(super) fn put_of(&mut self, job: &str, max_attempts: u32) {
        let call = self.put_call(job, max_attempts);
        self.put_doc(job, json!({ "max_attempts": max_attempts }));
        self.put_answer(call, PutAnswer::Created);
    }

    pub(super) fn has(&mut self, who: &str, (token, job): (&str, &str), attempt: u32) {
        self.has_saved(who, (token, job), (attempt, None));
    }

    pub(super) fn has_saved(
        &mut self,
        who: &str,
        (token, job): (&str, &str),
        (attempt, saved): (u32, Option<u64>),
    ) {
        let (job, token) = (job.to_owned(), token.to_owned());
        let lease_ms = LEASE.unsigned_abs();
        self.say(who, Event::Claimed { job, token, attempt, saved, lease_ms });
    }

    /// A claim of one job, as it should be, and told of: the first attempt.
    pub(super) fn begin(&mut self, who: &str, (token, job): (&str, &str)) {
        self.claim(token, &[job]);
        self.has(who, (token, job), 1);
    }

    pub(super) fn settle(&mut self, who: &str, (token, job): (&str, &str), verdict: Verdict) {
        let (job, token) = (job.to_owned(), token.to_owned());
        self.say(who, Event::SettleCall { job, token, verdict });
    }

    pub(super) fn settled(
        &mut self,
        who: &str,
        (token, job): (&str, &str),
        (verdict, answer): (Verdict, Answer),
    ) {
        let (job, token) = (job.to_owned(), token.to_owned());
        self.say(who, Event::SettleAnswer { job, token, verdict, answer });
    }

    pub(super) fn done(&mut self, who: &str, claim: (&str, &str), verdict: Verdict) {
        self.settled(who, claim, (verdict, Answer::DONE));
    }

    /// The completion of the last job of a lease, as it should be.
    pub(super) fn complete(&mut self, who: &str, (token, job): (&str, &str)) {
        self.settle(who, (token, job), Verdict::Completed);
        self.together(|tale| {
            tale.remove(job);
            tale.close_lease(token);
        });
        self.done(who, (token, job), Verdict::Completed);
    }

    pub(super) fn save_call(&mut self, who: &str, (token, job): (&str, &str), value: u64) {
        let (job, token) = (job.to_owned(), token.to_owned());
        self.say(who, Event::SaveCall { job, token, value });
    }

    pub(super) fn saved(
        &mut self,
        who: &str,
        (token, job): (&str, &str),
        (value, answer): (u64, Answer),
    ) {
        let (job, token) = (job.to_owned(), token.to_owned());
        self.say(who, Event::SaveAnswer { job, token, value, answer });
    }

    pub(super) fn heartbeat(&mut self, who: &str, (token, job): (&str, &str), answer: Answer) {
        let (job, token) = (job.to_owned(), token.to_owned());
        self.say(who, Event::HeartbeatCall { job: job.clone(), token: token.clone() });
        self.say(who, Event::HeartbeatAnswer { job, token, answer });
    }

    pub(super) fn drain(&mut self, phase: Phase) {
        self.say("checker", Event::Drain { phase });
    }
}
