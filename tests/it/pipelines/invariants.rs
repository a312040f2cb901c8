//! What holds for a job's document at any time.

use anyhow::{Context, Result, ensure};
use bson::{Bson, Document, doc};
use mongoqueue::State;
use mongoqueue_tests::Stage;

use super::Model;

/// The document is as the model says, and sound in itself.
pub(super) async fn check(stage: &Stage, job: &Document, model: &Model) -> Result<()> {
    let state: State = job.get_str("state")?.parse()?;
    ensure!(state == model.state, "the model says {}", model.state);
    let number = |field: &str| match job.get(field) {
        Some(Bson::Int32(n)) => Ok(i64::from(*n)),
        Some(Bson::Int64(n)) => Ok(*n),
        other => anyhow::bail!("{field} is {other:?}"),
    };
    let has = |field: &str| job.contains_key(field);
    let running = state == State::Running;
    ensure!(has("claim") == running, "a claim while it runs and only then");
    ensure!(has("finished_at") == state.is_final(), "an end in a final state and only then");
    ensure!(has("expire_at") == (state == State::Completed), "only what is retained expires");
    ensure!(has("cancel_at") == model.cancel_asked, "the wish to stop belongs to one attempt");
    ensure!(!has("unique_key") || !state.is_final(), "only a live job has its key");
    ensure!(number("attempts")? == i64::from(model.attempts), "{} attempts", model.attempts);
    ensure!(model.attempts <= model.max_attempts, "more attempts than allowed");
    ensure!(model.claims == 0 || number("claims")? == i64::try_from(model.claims)?, "claims");
    let records = job.get_array("errors").map_or(0, Vec::len);
    ensure!(records == model.records, "{} records", model.records);
    leased(stage, job, model).await?;
    valid(stage, job).await
}

/// Under one lease while it runs, under none else.
async fn leased(stage: &Stage, job: &Document, model: &Model) -> Result<()> {
    let queue = doc! { "queue": job.get_str("queue")? };
    let count = stage.leases().count_documents(queue).await?;
    let Ok(claim) = job.get_document("claim") else {
        ensure!(count == 0, "{count} leases and no claim");
        return Ok(());
    };
    ensure!(count == 1, "{count} leases");
    let token = claim.get("token").context("a claim has a token")?;
    let Bson::Binary(binary) = token else { anyhow::bail!("the token is {token}") };
    let held = binary.to_uuid()?.to_string();
    ensure!(model.token.map(|token| token.to_string()) == Some(held), "another token");
    let lease = doc! { "_id": token, "jobs": [job.get("_id")], "until": { "$type": "date" } };
    ensure!(stage.leases().count_documents(lease).await? == 1, "no lease has the token");
    Ok(())
}

/// It is what the collection's validator asks of a job, claimed or not.
async fn valid(stage: &Stage, job: &Document) -> Result<()> {
    let invalid = doc! { "_id": job.get("_id"), "$nor": [stage.validator().await?] };
    ensure!(stage.jobs().count_documents(invalid).await? == 0, "the validator would refuse it");
    Ok(())
}
