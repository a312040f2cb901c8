//! What a guest may: nothing that its operator has not granted.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use bson::doc;
use mongoqueue::{Backoff, Failure, Handler, Job, ListOptions, Outcome, State};
use mongoqueue_tests::Stage;
use mongoqueue_wasmtime::{
    Blame, Command, ComponentHandler, ComponentSource, Grants, Limits, LoadError,
};
use serde_json::{Value, json};

use super::{HOUR, WISHFUL, filtered, misbehave, outcome, sandbox, source, work};

fn refused(guest: &str, grants: Grants) -> Result<LoadError> {
    match ComponentHandler::load(sandbox()?, source(guest)?, grants) {
        Err(error) => Ok(error),
        Ok(_) => bail!("{guest} was not refused"),
    }
}

#[tokio::test]
async fn what_no_guest_gets_is_refused_by_name() -> Result<()> {
    let wishful = || anyhow::Ok(ComponentSource::bytes("wishful", wat::parse_str(WISHFUL)?));
    let refused = |grants| match ComponentHandler::load(sandbox()?, wishful()?, grants) {
        Err(error) => Ok(error),
        Ok(_) => bail!("it was not refused"),
    };
    let error = refused(Grants::default())?;
    assert_eq!(error.blame(), Blame::Component);
    insta::assert_snapshot!(error.to_string(), @"");
    // Whatever else is granted.
    let stage = Stage::new().await?;
    let error = refused(Grants::default().queue("next", stage.queue()?))?;
    assert!(matches!(error, LoadError::MissingGrants { .. }));
    stage.end().await
}

#[tokio::test]
async fn files_and_sockets_are_imported_and_denied() -> Result<()> {
    let handler = ComponentHandler::load(sandbox()?, source("outside")?, Grants::default())?;
    let hosts = ["127.0.0.1:27017", "localhost:80", "[::1]:80", "10.0.0.1:443"];
    let wishes = json!({ "files": ["/etc/passwd", "."], "hosts": hosts });
    let Outcome::Completed(Some(seen)) = outcome(&handler, &wishes).await? else {
        bail!("it ended in another way")
    };
    let seen: Value = seen.deserialize()?;
    insta::assert_snapshot!(serde_json::to_string_pretty(&seen)?, @"");
    Ok(())
}

#[tokio::test]
async fn a_missing_grant_is_told_with_the_line_to_add() -> Result<()> {
    let stage = Stage::new().await?;
    let error = refused("pipeline", Grants::default())?;
    assert_eq!(error.blame(), Blame::Operator);
    insta::assert_snapshot!(filtered(&error.to_string()), @r#"
    pipeline imports more than it is granted:
      mongoqueue:jobs/queue@0.1.0
        to grant it, add under [handler.pipeline]: queues = { next = "emails" }  # its
    name for a queue = that queue
    "#);
    // To put is not to claim.
    let grants = Grants::default().queue("jobs", stage.queue()?);
    let Err(error) = Command::load(sandbox()?, source("worker")?, grants) else {
        bail!("a worker that may only put was not refused")
    };
    assert_eq!(error.blame(), Blame::Operator);
    insta::assert_snapshot!(filtered(&error.to_string()), @r#"
    worker imports more than it is granted:
      mongoqueue:jobs/consumer@0.1.0
        to grant it, add under [handler.worker]: consume = { work = "emails" }  # its
    name for a queue = that queue
    "#);
    stage.end().await
}

#[tokio::test]
async fn a_handler_puts_follow_ups_where_it_is_granted() -> Result<()> {
    let stage = Stage::new().await?;
    let words = stage.mq.queue("words")?;
    let grants = Grants::default().queue("next", words.clone());
    let handler = ComponentHandler::load(sandbox()?, source("pipeline")?, grants)?;
    let id = stage.queue()?.put(json!({"text": "so it is!"})).retain(HOUR).await?.id;
    let claimed = stage.claim().await?;
    // The same attempt twice, as it happens when a host dies: nothing is put twice.
    for (put, found) in [(3, 0), (0, 3)] {
        let outcome = handler.handle(claimed.attempt().clone()).await;
        let Outcome::Completed(Some(output)) = outcome else { bail!("{outcome:?}") };
        assert_eq!(output.to_json(), json!({"put": put, "found": found}));
    }
    claimed.complete(None).await?;

    let jobs = words.list(&ListOptions::default()).await?;
    let said: Vec<Value> = jobs.iter().map(|job| job.payload.to_json()).collect();
    let word = |word: &str| json!({ "word": word });
    // The urgent one first.
    assert_eq!(said, [word("is!"), word("so"), word("it")]);
    let priorities: Vec<i32> = jobs.iter().map(|job| job.priority).collect();
    assert_eq!(priorities, [10, 0, 0]);
    let waits = Backoff::exponential(Duration::from_millis(200), Duration::from_secs(60));
    for job in &jobs {
        assert_eq!((job.max_attempts, job.timeout), (5, Duration::from_secs(10)));
        assert_eq!((job.backoff, job.queue.as_str()), (waits, "words"));
        assert_eq!(job.headers, [("parent".to_owned(), id.to_string())]);
    }
    let key = jobs.first().and_then(|job| job.unique_key.clone());
    assert_eq!(key, Some(format!("{id}/2")));
    stage.end().await
}

/// The failure that the guest reports.
async fn denied(handler: &ComponentHandler, job: Value) -> Result<Failure> {
    match outcome(handler, &job).await? {
        Outcome::Failed(failure) => Ok(failure),
        other => bail!("{job}: {other:?}"),
    }
}

/// What the guest outputs.
async fn output(handler: &ComponentHandler, job: Value) -> Result<Value> {
    match outcome(handler, &job).await? {
        Outcome::Completed(Some(output)) => Ok(output.to_json()),
        other => bail!("{job}: {other:?}"),
    }
}

#[tokio::test]
async fn what_is_not_granted_is_denied_whether_or_not_it_is_there() -> Result<()> {
    let stage = Stage::new().await?;
    stage.mq.queue("secret")?.put(doc! {}).await?;
    stage.mq.queue("next")?.put(doc! {}).await?;
    let grants = Grants::default().queue("mine", stage.mq.queue("next")?);
    let handler = ComponentHandler::load(sandbox()?, source("misbehave")?, grants)?;
    let mut answers = Vec::new();
    // The queue's own name is not the guest's for it.
    for name in ["secret", "next", "nowhere", "", "../mine", &"x".repeat(10_000)] {
        let failure = denied(&handler, json!({"do": "open", "queue": name})).await?;
        answers.push((failure.code, failure.message));
    }
    let same =
        (Some("access-denied".to_owned()), "the host grants no queue of this name".to_owned());
    assert_eq!(answers, vec![same; 6]);
    output(&handler, json!({"do": "put", "queue": "mine", "payload": 1})).await?;
    assert_eq!(stage.mq.queue("next")?.stats().await?.ready, 2);
    stage.end().await
}

#[tokio::test]
async fn jobs_of_other_queues_are_not_there() -> Result<()> {
    let stage = Stage::new().await?;
    let handler = misbehave(&stage)?;
    let next = stage.mq.queue("next")?;
    let own = next.put(doc! {}).max_attempts(7).await?.id.to_string();
    let secret = stage.mq.queue("secret")?.put(doc! {}).await?.id;
    let (theirs, long) = (secret.to_string(), "x".repeat(10_000));
    let unknown = mongoqueue::JobId::mint().to_string();
    for id in [theirs.as_str(), &unknown, "", "$ne", "nul\0", &long] {
        for verb in ["get", "cancel"] {
            let failure = denied(&handler, json!({"do": verb, "queue": "next", "id": id})).await?;
            assert_eq!(failure.code.as_deref(), Some("no-such-job"), "{verb} {id:?}");
        }
    }
    assert_eq!(stage.mq.queue("secret")?.get(&secret).await?.state, State::Ready);

    let seen = output(&handler, json!({"do": "get", "queue": "next", "id": own})).await?;
    let ready = json!({
        "id": own, "status": "Status::Ready", "attempt": 1, "max_attempts": 7, "last_error": null,
    });
    assert_eq!(seen, ready);
    let seen = output(&handler, json!({"do": "cancel", "queue": "next", "id": own})).await?;
    assert_eq!(seen, json!({"status": "Status::Cancelled"}));
    assert_eq!(next.get(&own.parse()?).await?.state, State::Cancelled);
    stage.end().await
}

#[tokio::test]
async fn puts_are_counted_and_weighed() -> Result<()> {
    let stage = Stage::new().await?;
    let limits = Limits { puts: 20, put_bytes: 1_000, ..Limits::default() };
    let handler = misbehave(&stage)?.with_limits(limits);
    let storm = output(&handler, json!({"do": "put-storm", "queue": "next"})).await?;
    assert_eq!((&storm["put"], &storm["refused"]), (&json!(20), &json!("limit-exceeded")));
    let many = output(&handler, json!({"do": "put-many", "queue": "next", "count": 20})).await?;
    assert_eq!(many["put"], 20);
    // All or none, and a new attempt counts from nothing.
    let many = json!({"do": "put-many", "queue": "next", "count": 21});
    let failure = denied(&handler, many).await?;
    assert_eq!(failure.message, "over a limit of the host: more than 20 jobs put in one attempt");
    let heavy = denied(&handler, json!({"do": "big-put", "queue": "next", "bytes": 999})).await?;
    assert_eq!(heavy.message, "over a limit of the host: more than 1000 bytes put in one attempt");
    let bad = denied(&handler, json!({"do": "put-bad-json", "queue": "next"})).await?;
    assert_eq!(bad.code.as_deref(), Some("invalid-argument"));
    assert_eq!(stage.mq.queue("next")?.stats().await?.ready, 40);
    stage.end().await
}

#[tokio::test]
async fn a_guest_sees_nothing_of_its_host() -> Result<()> {
    let stage = Stage::new().await?;
    let put = stage.queue()?.put(json!({"do": "describe"})).header("trace", "one");
    let id = put.max_attempts(4).retain(HOUR).await?.id;
    let look = stage.queue()?.put(json!({"do": "look"})).retain(HOUR).await?.id;
    work(&stage, misbehave(&stage)?).await?;
    let job: Job = stage.queue()?.get(&id).await?;
    let seen = job.output.clone().with_context(|| format!("{job:?}"))?.to_json();
    let told = json!({
        "id": id.to_string(),
        "queue": "q",
        "headers": [["trace", "one"]],
        "attempt": 1,
        "max_attempts": 4,
        "created_at": job.created_at.timestamp_millis(),
    });
    assert_eq!(seen, told);
    let job = stage.queue()?.get(&look).await?;
    let seen = job.output.clone().with_context(|| format!("{job:?}"))?.to_json();
    for (what, nothing) in [
        ("args", json!([])),
        ("env", json!({})),
        ("stdin_bytes", json!(0)),
        ("stdin_error", json!(null)),
        ("clock_stands_still", json!(false)),
    ] {
        assert_eq!(seen[what], nothing, "{what}");
    }
    stage.end().await
}
