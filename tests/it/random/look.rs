//! What is in the database, in the model's words, and whether it is what the model has.

use std::collections::BTreeSet;
use std::fmt::Debug;

use anyhow::{Context, Result, ensure};
use bson::{Bson, Document, doc};
use mongoqueue::{IntoPayload, JobId, Payload, Progress, State, Token};
use mongoqueue_tests::Stage;

use super::model::{Job, Lease, Model, Record};
use super::verbs::HOUR;

/// Compares every document with the model, which learns the exact due times that are new to it.
pub(super) async fn compare(stage: &Stage, model: &mut Model) -> Result<()> {
    let jobs = documents(stage, "jobs", "due").await?;
    let jobs: Vec<Job> = jobs.iter().map(read_job).collect::<Result<_>>()?;
    for known in model.jobs.iter_mut().filter(|job| job.place.is_none()) {
        known.place = jobs.iter().find(|job| job.id == known.id).and_then(|job| job.place);
    }
    same("jobs", &jobs, &model.jobs)?;
    let leases = documents(stage, "jobs.leases", "until").await?;
    let leases: Vec<Lease> = leases.iter().map(read_lease).collect::<Result<_>>()?;
    same("leases", &leases, &model.leases)?;
    sound(model)
}

/// The order is no matter.
fn same<T: Debug + PartialEq>(what: &str, found: &[T], wanted: &[T]) -> Result<()> {
    let wrong: Vec<&T> = found.iter().filter(|it| !wanted.contains(it)).collect();
    let missing: Vec<&T> = wanted.iter().filter(|it| !found.contains(it)).collect();
    ensure!(
        wrong.is_empty() && missing.is_empty() && found.len() == wanted.len(),
        "{what}: the database has {}, the model {}",
        lines(&wrong),
        lines(&missing),
    );
    Ok(())
}

/// A line each, as some differ in one word.
fn lines(all: &[impl Debug]) -> String {
    all.iter().map(|one| format!("\n    {one:?}")).collect()
}

/// What holds whatever was done. The database is as the model, so this holds for both.
fn sound(model: &Model) -> Result<()> {
    for job in &model.jobs {
        let id = &job.id;
        let tokens: Vec<Token> = model
            .leases
            .iter()
            .filter(|lease| lease.queue == job.queue && lease.jobs.contains(id))
            .map(|lease| lease.token)
            .collect();
        if let Some((token, _)) = job.claim {
            let held = tokens.iter().filter(|other| **other == token).count();
            ensure!(held == 1, "{held} leases hold {id}, which runs");
        }
        ensure!(job.claim.is_some() == (job.state == State::Running), "{id}: {job:?}");
        ensure!(job.attempts <= job.max_attempts, "{id} had more attempts than it may");
        let spent = job.attempts == job.max_attempts;
        ensure!(!spent || job.state.is_final(), "{id} is spent, and {}", job.state);
        let rivals = model
            .jobs
            .iter()
            .filter(|other| job.key.is_some() && other.key == job.key && other.queue == job.queue);
        ensure!(rivals.count() <= 1, "{id} shares its key");
    }
    Ok(())
}

/// The documents of a collection; `ms` is how far that time of theirs is from now.
async fn documents(stage: &Stage, collection: &str, time: &str) -> Result<Vec<Document>> {
    use futures_util::TryStreamExt;
    let ms = doc! { "$subtract": [format!("${time}"), "$$NOW"] };
    let all = stage.database.collection::<Document>(collection);
    let found = all.aggregate(vec![doc! { "$addFields": { "ms": ms } }]).await?;
    Ok(found.try_collect().await?)
}

/// All that a job's document may have.
const FIELDS: [&str; 25] = [
    "_id",
    "queue",
    "state",
    "priority",
    "due",
    "payload",
    "attempts",
    "max_attempts",
    "timeout_ms",
    "backoff",
    "retain_ms",
    "claims",
    "claim",
    "progress",
    "saved",
    "saved_type",
    "output",
    "output_type",
    "unique_key",
    "errors",
    "cancel_at",
    "created_at",
    "finished_at",
    "expire_at",
    // Not in it: see `documents`.
    "ms",
];

fn read_job(document: &Document) -> Result<Job> {
    for name in document.keys() {
        ensure!(FIELDS.contains(&name.as_str()), "{name} is no field of a job: {document}");
    }
    let has = |name: &str| document.contains_key(name);
    let state: State = document.get_str("state")?.parse()?;
    let over = state.is_final();
    ensure!(has("finished_at") == over, "the end of a job in a final state, and only there");
    ensure!(has("expire_at") == (state == State::Completed), "what is retained expires");
    ensure!(number(document, "timeout_ms")? == HOUR.as_millis() as i64, "its time-out");
    let errors = document.get_array("errors").map(Vec::as_slice).unwrap_or_default();
    Ok(Job {
        id: id(document.get("_id"))?,
        queue: document.get_str("queue")?.to_owned(),
        state,
        priority: document.get_i32("priority")?,
        payload: body(document, "payload")?.context("a payload")?,
        attempts: number(document, "attempts")?.try_into()?,
        max_attempts: number(document, "max_attempts")?.try_into()?,
        backoff: has("backoff"),
        retain: has("retain_ms"),
        claims: number(document, "claims")?.try_into()?,
        claim: document.get_document("claim").ok().map(claim).transpose()?,
        progress: document.get_document("progress").ok().map(progress).transpose()?,
        saved: body(document, "saved")?,
        output: body(document, "output")?,
        key: document.get_str("unique_key").ok().map(str::to_owned),
        cancel: has("cancel_at"),
        errors: errors.iter().map(record).collect::<Result<_>>()?,
        due: if over { 0 } else { hours(document)? },
        place: if over { None } else { Some(*document.get_datetime("due")?) },
    })
}

/// The library's own view of a job; that knows no hours.
pub(super) fn seen(job: &mongoqueue::Job, due: i64) -> Job {
    let record = |error: &mongoqueue::ErrorRecord| Record {
        attempt: error.attempt,
        consumer: error.consumer.clone(),
        kind: error.kind.clone(),
        message: error.message.clone(),
        code: error.code.clone(),
    };
    Job {
        id: job.id.clone(),
        queue: job.queue.clone(),
        state: job.state,
        priority: job.priority,
        payload: job.payload.clone(),
        attempts: job.attempts,
        max_attempts: job.max_attempts,
        backoff: job.backoff != mongoqueue::Backoff::NONE,
        retain: job.retain.is_some(),
        claims: job.claims,
        claim: job.claim.as_ref().map(|claim| (claim.token, claim.consumer.clone())),
        progress: job.progress.clone(),
        saved: job.saved.clone(),
        output: job.output.clone(),
        key: job.unique_key.clone(),
        cancel: job.cancel_at.is_some(),
        errors: job.errors.iter().map(record).collect(),
        due,
        place: Some(job.due).filter(|_| !job.state.is_final()),
    }
}

fn read_lease(document: &Document) -> Result<Lease> {
    let ids = |name: &str| -> Result<Vec<JobId>> {
        let ids = document.get_array(name).map(Vec::as_slice).unwrap_or_default();
        ids.iter().map(|value| id(Some(value))).collect()
    };
    let hour = i64::try_from(HOUR.as_millis())?;
    Ok(Lease {
        token: token(document.get("_id"))?,
        queue: document.get_str("queue")?.to_owned(),
        consumer: document.get_str("consumer")?.to_owned(),
        jobs: ids("jobs")?,
        at_once: number(document, "at_once")?.try_into()?,
        length: number(document, "length_ms")? / hour,
        left: hours(document)?,
        cancel: ids("cancel")?.into_iter().collect::<BTreeSet<JobId>>(),
    })
}

/// To the nearest hour: a case takes minutes at the most, and back-off is shorter by up to a tenth.
fn hours(document: &Document) -> Result<i64> {
    let hour = i64::try_from(HOUR.as_millis())?;
    Ok((document.get_i64("ms")? + hour / 2).div_euclid(hour))
}

/// 0 for one that is missing.
fn number(document: &Document, name: &str) -> Result<i64> {
    match document.get(name) {
        None => Ok(0),
        Some(Bson::Int32(n)) => Ok((*n).into()),
        Some(Bson::Int64(n)) => Ok(*n),
        Some(other) => anyhow::bail!("{name} is {other}"),
    }
}

fn id(value: Option<&Bson>) -> Result<JobId> {
    match value {
        Some(Bson::ObjectId(id)) => Ok(JobId::Minted(*id)),
        Some(Bson::String(id)) => Ok(JobId::Own(id.clone())),
        other => anyhow::bail!("an id is {other:?}"),
    }
}

fn token(value: Option<&Bson>) -> Result<Token> {
    match value {
        Some(Bson::Binary(binary)) => Ok(binary.to_uuid()?.to_string().parse()?),
        other => anyhow::bail!("a token is {other:?}"),
    }
}

fn claim(claim: &Document) -> Result<(Token, String)> {
    claim.get_datetime("at")?;
    Ok((token(claim.get("token"))?, claim.get_str("consumer")?.to_owned()))
}

fn progress(progress: &Document) -> Result<Progress> {
    let total = progress.contains_key("total").then(|| number(progress, "total")).transpose()?;
    Ok(Progress {
        count: number(progress, "count")?.try_into()?,
        total: total.map(u64::try_from).transpose()?,
        note: progress.get_str("note").ok().map(str::to_owned),
    })
}

fn body(document: &Document, name: &str) -> Result<Option<Payload>> {
    Ok(match (document.get(name), document.get_str(format!("{name}_type"))) {
        (None, Err(_)) => None,
        (Some(Bson::Binary(binary)), Ok(kind)) => Some(Payload::bytes(kind, binary.bytes.clone())),
        (Some(value), Err(_)) => Some(value.clone().into_payload()?),
        (value, kind) => anyhow::bail!("{name} is {value:?} of type {kind:?}"),
    })
}

fn record(record: &Bson) -> Result<Record> {
    let record = record.as_document().context("a record")?;
    let text = |name: &str| record.get_str(name).map(str::to_owned);
    Ok(Record {
        attempt: number(record, "attempt")?.try_into()?,
        consumer: text("consumer")?,
        kind: text("kind")?,
        message: text("message")?,
        code: text("code").ok(),
    })
}
