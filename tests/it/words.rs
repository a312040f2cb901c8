//! The library's errors in the words that people read. Those that need a server which is out of
//! order are in `connect`, `servers` and `worker::outage`, those about components in `sandbox`.

use std::fmt::Display;
use std::time::Duration;

use anyhow::{Context, Result};
use bson::{Bson, DateTime, doc};
use mongoqueue::{
    Backoff, ConnectOptions, Failure, IntoPayload, JobId, MongoQueue, NewJob, NextOptions, Payload,
    PutOptions, State, Token, Worker, WorkerOptions, from_fn,
};
use mongoqueue_tests::{FailPoint, Stage};

/// The errors' words, one a line.
#[derive(Default)]
struct Said(Vec<String>);

impl Said {
    fn add<T>(&mut self, answer: Result<T, impl Display>) {
        self.0.push(answer.err().map_or("accepted".to_owned(), |error| error.to_string()));
    }

    fn lines(self) -> String {
        self.0.join("\n")
    }
}

const TOO_LONG: Duration = Duration::MAX;

#[tokio::test]
async fn names_and_ids() -> Result<()> {
    let stage = Stage::new().await?;
    let mut said = Said::default();
    for name in ["", &"x".repeat(101), "a\nb"] {
        said.add(stage.mq.queue(name));
    }
    for name in ["", &"x".repeat(201), "\u{1b}[31m"] {
        said.add(stage.mq.lock(name));
    }
    for id in ["", "a\0b", &"x".repeat(201)] {
        said.add(id.parse::<JobId>());
    }
    said.add("123".parse::<Token>());
    said.add("waiting".parse::<State>());
    said.add(stage.mq.lock("l")?.lease(Duration::from_millis(99)));
    said.add(stage.mq.lock("l")?.lease(TOO_LONG));
    insta::assert_snapshot!(said.lines(), @r#"
invalid queue name: it is empty
invalid queue name: it is longer than 100 bytes
invalid queue name: "a\nb" has control characters
invalid lock name: it is empty
invalid lock name: it is longer than 100 bytes
invalid lock name: "\u{1b}[31m" has control characters
invalid job id: it is empty
invalid job id: it contains a NUL
invalid job id: it has 201 bytes, at most 200 are allowed
invalid token: it is no UUID as `next` prints them
invalid state: "waiting" is none of ready, running, completed, dead, cancelled
invalid lease: a lock needs at least 100 ms
invalid lease: it is longer than a hundred years
"#);
    stage.end().await
}

#[tokio::test]
async fn what_can_not_be_put() -> Result<()> {
    let stage = Stage::new().await?;
    let queue = stage.queue()?;
    let mut said = Said::default();
    let header = |name: &str, value: String| vec![(name.to_owned(), value)];
    let many = (0..65).map(|n| (n.to_string(), String::new())).collect();
    let options = PutOptions::default;
    let second = Duration::from_secs(1);
    for options in [
        PutOptions { max_attempts: Some(0), ..options() },
        PutOptions { timeout: Some(Duration::ZERO), ..options() },
        PutOptions { timeout: Some(TOO_LONG), ..options() },
        PutOptions { delay: TOO_LONG, ..options() },
        PutOptions { retain: Some(TOO_LONG), ..options() },
        PutOptions { backoff: Some(Backoff::exponential(second, TOO_LONG)), ..options() },
        PutOptions { due: Some(DateTime::from_millis(-1)), ..options() },
        PutOptions { unique_key: Some(String::new()), ..options() },
        PutOptions { headers: many, ..options() },
        PutOptions { headers: header("", String::new()), ..options() },
        PutOptions { headers: header("a", "x".repeat(16 * 1024)), ..options() },
        PutOptions { id: Some(JobId::Own("x".repeat(201))), ..options() },
    ] {
        said.add(queue.put(doc! {}).options(options).await);
    }
    let deep = (0..91).fold(Bson::Null, |inner, _| doc! { "a": inner }.into());
    said.add(queue.put(deep.into_payload()?).await);
    said.add(queue.put(Payload::bytes("text/plain", vec![0; (1 << 20) + 1])).await);
    said.add(queue.put(Payload::bytes("x".repeat(256), [])).await);
    said.add(Payload::from_wire("application/json", b"{\"a\": ".to_vec()));
    said.add(Payload::bytes("image/png", []).deserialize::<i32>());
    said.add(Payload::json("text")?.deserialize::<i32>());
    queue.put(doc! {}).id("first".parse()?).unique_key("k").await?;
    said.add(queue.put(doc! {}).unique_key("k").await);
    said.add(stage.mq.queue("other")?.put(doc! {}).id("first".parse()?).await);
    insta::assert_snapshot!(said.lines(), @r#"
invalid max_attempts: a job needs at least 1
invalid timeout: an attempt needs at least 1 ms
invalid timeout: it is longer than a hundred years
invalid delay: it is longer than a hundred years
invalid retention: it is longer than a hundred years
invalid back-off: it is longer than a hundred years
invalid due time: it is not between the years 1970 and 9999
invalid unique key: it has 0 bytes, 1 to 200 are allowed
invalid headers: there are 65, at most 64 are allowed
invalid headers: a name is empty, or a NUL is in one
headers too large: 16385 bytes, the limit is 16384
invalid job: Document failed validation
invalid payload: it is nested deeper than 90
payload too large: 1048577 bytes, the limit is 1048576
invalid content type: it is longer than 255 bytes
invalid payload: EOF while parsing a value at line 1 column 6
invalid payload: it is image/png, not JSON
invalid payload: BSON error. Kind: A deserialization-related error occurred. Message: invalid type: string "text", expected i32.
duplicate: job first of queue "q" is live and has the unique key "k"
invalid job id: first is taken by a job of queue "q" in this collection
"#);
    stage.end().await
}

#[tokio::test]
async fn what_became_of_a_claim() -> Result<()> {
    let stage = Stage::new().await?;
    let queue = stage.queue()?;
    let mut said = Said::default();
    queue.put(doc! {}).id("a".parse()?).await?;
    said.add(queue.next(&NextOptions { lease: Some(TOO_LONG), ..Default::default() }).await);
    said.add(
        queue.next(&NextOptions { consumer: Some(String::new()), ..Default::default() }).await,
    );
    let job = stage.claim().await?;
    said.add(job.attempt().save(&Payload::bytes("x/y", vec![0; (1 << 20) + 1])).await);
    said.add(job.extend(TOO_LONG).await);
    let same = stage.mq.find_lease(&job.job().id, job.token()).await?;
    same.release(Duration::ZERO).await?;
    said.add(job.complete(None).await);
    let job = stage.claim().await?;
    said.add(job.complete(Some(Payload::bytes("x/y", vec![0; (1 << 20) + 1]))).await);
    said.add(queue.get(&"nobody".parse()?).await);
    said.add(stage.mq.find(&"nobody".parse()?).await);
    let held = stage.mq.lock("l")?.try_acquire().await?.context("free")?;
    stage.database.collection::<bson::Document>("jobs.locks").delete_many(doc! {}).await?;
    said.add(held.release().await);
    insta::assert_snapshot!(said.lines(), @r#"
invalid lease: it is longer than a hundred years
invalid consumer name: it is empty
saved state too large: 1048577 bytes, the limit is 1048576
invalid lease: it is longer than a hundred years
lease lost: job a is no longer held by this claim; nothing was written
output too large: 1048577 bytes, the limit is 1048576
no such job: queue "q" has no job nobody
no such job: queue "" has no job nobody
lock lost: "l" is no longer held by this holder
"#);
    stage.end().await
}

#[tokio::test]
async fn workers_and_connections_that_can_never_be() -> Result<()> {
    let stage = Stage::new().await?;
    let mut said = Said::default();
    let handler = || from_fn(async |_| anyhow::Ok(()));
    let options = WorkerOptions::default;
    said.add(Worker::new(&stage.mq, options()).run(std::future::ready(())).await);
    for options in [
        WorkerOptions { slots: 0, ..options() },
        WorkerOptions { lease: Duration::ZERO, ..options() },
    ] {
        let worker = Worker::new(&stage.mq, options).serve(stage.queue()?, handler());
        said.add(worker.run(std::future::ready(())).await);
    }
    let twice = Worker::new(&stage.mq, options()).serve(stage.queue()?, handler());
    said.add(twice.serve(stage.queue()?, handler()).run(std::future::ready(())).await);
    let options = ConnectOptions::default;
    for options in [
        ConnectOptions { database: Some(String::new()), ..options() },
        ConnectOptions { database: Some("x".repeat(64)), ..options() },
        ConnectOptions { collection: String::new(), ..options() },
        ConnectOptions { consumer: Some("\n".to_owned()), ..options() },
        ConnectOptions { payload_limit: 16 << 20, ..options() },
    ] {
        said.add(MongoQueue::connect(stage.uri(), options).await);
    }
    insta::assert_snapshot!(said.lines(), @r#"
invalid worker: it serves no queue
invalid slots: a worker needs at least 1
invalid lease: a worker needs at least 100 ms to renew it
invalid worker: it serves "q" twice
invalid database name: it is empty
invalid database name: it is longer than 63 bytes
invalid collection name: it is empty
invalid consumer name: "\n" has control characters
invalid payload limit: 16777216 bytes is above 15728640
"#);
    stage.end().await
}

#[tokio::test]
async fn a_database_that_does_not_answer() -> Result<()> {
    let stage = Stage::private().await?;
    let queue = stage.queue()?;
    let mut said = Said::default();
    queue.put(doc! {}).await?;
    let closing = |commands: &[&str]| doc! { "failCommands": commands, "closeConnection": true };
    let fail = FailPoint::on(&stage, closing(&["insert"]), None).await?;
    said.add(queue.put(doc! {}).await);
    fail.off().await?;
    let fail = FailPoint::on(&stage, closing(&["find", "aggregate"]), None).await?;
    said.add(queue.stats().await);
    fail.off().await?;
    // 2 BadValue: a refusal.
    let failing = doc! { "failCommands": ["insert"], "errorCode": 2 };
    let fail = FailPoint::on(&stage, failing, None).await?;
    said.add(queue.put(doc! {}).await);
    fail.off().await?;
    // 13 Unauthorized.
    let failing = doc! { "failCommands": ["insert"], "errorCode": 13 };
    let fail = FailPoint::on(&stage, failing, None).await?;
    let answers = queue.put_many(vec![NewJob::new(Payload::json("x")?)]).await;
    said.add(answers);
    fail.off().await?;
    insta::assert_snapshot!(said.lines(), @"
may have happened, or not: to put jobs: I/O error: unexpected end of file
can't reach the database to read jobs: I/O error: unexpected end of file
the database failed to put jobs: Failing command via 'failCommand' failpoint
not allowed to put jobs: Failing command via 'failCommand' failpoint
");
    stage.end().await
}

#[tokio::test]
async fn a_document_that_is_no_job() -> Result<()> {
    let stage = Stage::new().await?;
    let queue = stage.queue()?;
    let mut said = Said::default();
    let base = doc! {
        "queue": "q", "state": "dead", "priority": 0, "payload": {},
        "due": DateTime::from_millis(0),
    };
    for (id, field, value) in [
        ("a", "max_attempts", Bson::from("three")),
        ("b", "headers", "x".into()),
        ("c", "due", "now".into()),
        ("d", "state", "asleep".into()),
        ("e", "errors", doc! {}.into()),
        ("f", "timeout_ms", (-1).into()),
    ] {
        let mut job = base.clone();
        job.extend(doc! { "_id": id, field: value });
        stage.jobs().insert_one(job).bypass_document_validation(true).await?;
        said.add(queue.get(&id.parse()?).await);
    }
    insta::assert_snapshot!(said.lines(), @r#"
unreadable document: the field max_attempts is a String, not a number
unreadable document: the field headers is a String, not a document
unreadable document: the field due is a String, not a date
unreadable document: the field state: invalid state: "asleep" is none of ready, running, completed, dead, cancelled
unreadable document: the field errors is a EmbeddedDocument, not an array
accepted
"#);
    // A failed attempt of a person's own words is no error of the library.
    queue.put(doc! {}).await?;
    assert_eq!(stage.claim().await?.error(Failure::new("no").reject()).await?, State::Dead);
    stage.end().await
}
