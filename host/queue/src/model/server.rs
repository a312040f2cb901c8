//! The interpreter against a real server: every transition on many documents, done by both.

use std::time::Duration;

use anyhow::{Context, Result};
use bson::{Bson, DateTime, Document, doc};
use futures_util::TryStreamExt;
use mongodb::{Client, Collection};
use mongoqueue_mongod::{Data, Mongod, Options, Places, find};

use super::documents::{QUEUE, token};
use super::mongo;
use crate::job::{JobId, Progress};
use crate::outcome::Failure;
use crate::payload::{IntoPayload, Payload};
use crate::store::{Store, Target, due_filter, expired_filter, held_filter};
use crate::transition::{self as t, AsFound, Held, Transition};

const HOUR: Duration = Duration::from_secs(3600);

/// Dates that are this near to each other are the same: the server's now is not quite ours.
const NEAR: i64 = 60_000;

fn far_off() -> DateTime {
    DateTime::from_millis(4_000_000_000_000)
}

fn long_ago() -> DateTime {
    DateTime::from_millis(1_000_000_000_000)
}

/// Every combination of what a transition asks for or works with.
fn jobs() -> Vec<Document> {
    let record = |n: i32| doc! { "attempt": n, "kind": "failure" };
    let mut jobs = vec![doc! { "queue": QUEUE, "priority": 1 }];
    let mut vary = |ways: &[Document]| {
        let with = |job: &Document, way: &Document| job.clone().into_iter().chain(way.clone());
        jobs =
            jobs.iter().flat_map(|job| ways.iter().map(move |w| with(job, w).collect())).collect();
    };
    let claim = |number| {
        let token = token(number).to_bson();
        doc! { "token": token, "consumer": "ada", "at": long_ago() }
    };
    vary(&[
        doc! { "state": "ready", "due": long_ago() },
        doc! { "state": "ready", "due": far_off() },
        doc! { "state": "running", "due": long_ago(), "claim": claim(1) },
        doc! { "state": "running", "due": long_ago(), "claim": claim(2) },
        doc! { "state": "running", "due": long_ago() },
        doc! { "state": "completed", "due": long_ago(), "finished_at": long_ago() },
        doc! { "state": "dead", "due": long_ago(), "finished_at": long_ago() },
    ]);
    vary(&[
        doc! {},
        doc! { "attempts": 0, "max_attempts": 1, "claims": 1_i64, "unique_key": "k" },
        doc! { "attempts": 1, "max_attempts": 3, "claims": 2_i64, "errors": [record(1)] },
        doc! { "attempts": 12_i64, "errors": (1..=10).map(record).collect::<Vec<_>>() },
    ]);
    vary(&[
        doc! {},
        doc! { "cancel_at": long_ago(), "progress": { "count": 1_i64, "note": "n" }, "saved": "s" },
    ]);
    jobs
}

fn leases() -> Vec<Document> {
    let mut leases = Vec::new();
    for until in [long_ago(), far_off()] {
        for jobs in [vec!["0"], vec!["0", "1"], vec!["1"]] {
            for cancel in [None, Some(vec!["1"]), Some(vec!["0"])] {
                let mut lease = doc! { "queue": QUEUE, "until": until, "jobs": &jobs };
                if let Some(cancel) = cancel {
                    lease.insert("cancel", cancel);
                }
                leases.push(lease);
            }
        }
    }
    leases
}

fn writes_on_jobs(id: &JobId) -> Vec<Transition> {
    let (token, ids) = (token(1), || vec![id.to_bson()]);
    let held = Held { queue: QUEUE, token, id };
    let (text, json) =
        (Payload::bytes("text/plain", "$x"), doc! { "a": "$b" }.into_payload().expect("a payload"));
    let failure = Failure::new("$m").code("c");
    let progress = Progress { count: 7, total: Some(9), note: None };
    vec![
        t::claim(QUEUE, AsFound { ids: ids(), due: long_ago(), claims: 0 }, token, "bob"),
        t::claim(QUEUE, AsFound { ids: ids(), due: long_ago(), claims: 2 }, token, "bob"),
        t::complete_and_remove(QUEUE, token, ids()),
        t::complete_and_keep(&held, Some(&text), HOUR),
        t::complete_and_keep(&held, Some(&json), HOUR),
        t::fail(&held, "ada", &failure, HOUR),
        t::fail(&held, "ada", &failure.clone().reject(), HOUR),
        t::release(&held, HOUR),
        t::hand_back(QUEUE, token, ids()),
        t::expire(QUEUE, token, ids(), "ada"),
        t::expire_orphans(QUEUE, token.to_bson(), ids(), "ada"),
        t::expire_orphans(QUEUE, Bson::Null, ids(), "ada"),
        t::cancel_ready(QUEUE, id),
        t::ask_to_stop(QUEUE, id),
        t::retry(QUEUE, id),
        t::progress(&held, &progress),
        t::save(&held, &text),
        t::save(&held, &json),
    ]
}

/// A lease is found by its token; here each has one of its own.
fn writes_on_leases(number: u8) -> Vec<Transition> {
    let (token, id) = (token(number), JobId::Own("0".to_owned()));
    vec![
        t::open_lease(QUEUE, token, ("bob", vec![id.to_bson()]), (HOUR, 3)),
        t::renew_lease(QUEUE, token, HOUR),
        t::note_cancel(QUEUE, token, &id),
        t::close_lease(QUEUE, token),
        t::close_lease_of_one(QUEUE, token, &id),
        t::leave_lease(QUEUE, token, &id),
        t::take_back_lease(QUEUE, token),
    ]
}

/// Each of `documents` with an id of its own, and one write for each.
async fn agree(
    (store, all): (&Store, &Collection<Document>),
    documents: &[(Bson, Document)],
    write: impl Fn(usize) -> Transition,
) -> Result<()> {
    all.delete_many(doc! {}).await?;
    let with_id = |(id, rest): &(Bson, Document)| {
        let id = doc! { "_id": id.clone() };
        id.into_iter().chain(rest.clone()).collect::<Document>()
    };
    let before: Vec<Document> = documents.iter().map(with_id).collect();
    all.insert_many(&before).await?;
    for (number, before) in before.iter().enumerate() {
        let write = write(number);
        let wrote = store.write("compare", Target::Jobs, &write).await;
        wrote.with_context(|| format!("{write:?}"))?;
        let ours = mongo::write(&write, before, DateTime::now());
        let ours = ours.unwrap_or_else(|| Some(before.clone()));
        let theirs = all.find_one(doc! { "_id": { "$eq": &before["_id"] } }).await?;
        let bson = |it: &Option<Document>| it.clone().map_or(Bson::Null, Bson::Document);
        let agree = same(&bson(&ours), &bson(&theirs));
        assert!(agree, "{write:#?}\n of {before}\n {ours:?}\n {theirs:?}");
    }
    Ok(())
}

fn same(a: &Bson, b: &Bson) -> bool {
    match (a, b) {
        (Bson::DateTime(a), Bson::DateTime(b)) => {
            (a.timestamp_millis() - b.timestamp_millis()).abs() < NEAR
        }
        (Bson::Document(a), Bson::Document(b)) => {
            let both =
                |(name, value): (&String, &Bson)| b.get(name).is_some_and(|b| same(value, b));
            a.len() == b.len() && a.iter().all(both)
        }
        (Bson::Array(a), Bson::Array(b)) => {
            // The server promises no order of a set.
            a.len() == b.len() && a.iter().all(|a| b.iter().any(|b| same(a, b)))
        }
        (a, b) => a == b,
    }
}

async fn finds_the_same(all: &Collection<Document>, filter: Document) -> Result<()> {
    let documents: Vec<Document> = all.find(doc! {}).await?.try_collect().await?;
    let found: Vec<Document> = all.find(filter.clone()).await?.try_collect().await?;
    let ours = documents.into_iter().filter(|it| mongo::matches(&filter, it, DateTime::now()));
    assert_eq!(ours.collect::<Vec<_>>(), found, "{filter}");
    assert!(!found.is_empty(), "{filter}");
    Ok(())
}

#[tokio::test]
async fn the_interpreter_agrees_with_a_server() -> Result<()> {
    let places = Places::from_env()?;
    let program = find(&places, &mut |_| {}).await?;
    let mongod = Mongod::start(&program, Data::Temporary(places.temp), Options::default()).await?;
    let client = Client::with_uri_str(mongod.uri()).await?;
    let all = client.database("model").collection::<Document>("jobs");
    let store = Store::new(client, "model", "jobs", 0);
    let id = |number: usize| JobId::Own(number.to_string());
    let jobs: Vec<_> =
        jobs().into_iter().enumerate().map(|(n, job)| (id(n).to_bson(), job)).collect();
    for which in 0..writes_on_jobs(&id(0)).len() {
        agree((&store, &all), &jobs, |n| writes_on_jobs(&id(n)).swap_remove(which)).await?;
    }
    // Writes nothing, and leaves them there.
    agree((&store, &all), &jobs, |n| t::cancel_ready("other", &id(n))).await?;
    for filter in filters_of_jobs() {
        finds_the_same(&all, filter).await?;
    }
    let leases: Vec<_> =
        (1..).zip(leases()).map(|(n, lease)| (token(n).to_bson(), lease)).collect();
    for which in 0..writes_on_leases(0).len() {
        agree((&store, &all), &leases, |n| writes_on_leases(n as u8 + 1).swap_remove(which))
            .await?;
    }
    agree((&store, &all), &leases, |_| t::close_lease("other", token(1))).await?;
    finds_the_same(&all, expired_filter(QUEUE)).await?;
    // Nothing there: only an upsert makes something.
    all.delete_many(doc! {}).await?;
    let open = writes_on_leases(1).swap_remove(0);
    store.write("compare", Target::Jobs, &open).await?;
    let theirs = all.find_one(doc! {}).await?.context("a lease")?;
    let ours = mongo::insert(&open, DateTime::now()).context("a lease of ours")?;
    assert!(same(&ours.clone().into(), &theirs.clone().into()), "{ours}\n{theirs}");
    mongod.stop().await?;
    Ok(())
}

fn filters_of_jobs() -> Vec<Document> {
    let ids = (0..30).map(|n: usize| n.to_string().into()).collect();
    vec![due_filter(QUEUE), held_filter(QUEUE, token(1), ids), t::running_for(HOUR)]
}
