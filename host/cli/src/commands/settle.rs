//! What becomes of a job that `next` claimed: each command names it by its id and token.

use mongoqueue::{Disposition, Failure, Job, JobId, Lease, Outcome, Progress, State};
use serde_json::{Value, json};

use crate::args::{
    CompleteArgs, FailArgs, Global, LeaseArgs, ProgressArgs, ReleaseArgs, format_duration,
};
use crate::show::time::rfc3339_or_null;
use crate::show::{Show, escape, job};
use crate::trouble::Result;
use crate::{connect, input};

pub(super) async fn complete(global: &Global, show: Show, args: CompleteArgs) -> Result<()> {
    let output = match &args.output {
        Some(output) => Some(input::payload(output, args.content_type.as_deref())?),
        None => None,
    };
    let lease = find(global, show, &args.lease).await?;
    settle(show, lease, Outcome::Completed(output)).await
}

pub(super) async fn fail(global: &Global, show: Show, args: FailArgs) -> Result<()> {
    let mut failure = Failure::new(args.message);
    failure.code = args.code;
    failure.disposition = match (args.reject, args.retry_after) {
        (true, _) => Disposition::Reject,
        (false, Some(delay)) => Disposition::RetryAfter(delay),
        (false, None) => Disposition::Retry,
    };
    let lease = find(global, show, &args.lease).await?;
    settle(show, lease, Outcome::Failed(failure)).await
}

pub(super) async fn release(global: &Global, show: Show, args: ReleaseArgs) -> Result<()> {
    let lease = find(global, show, &args.lease).await?;
    settle(show, lease, Outcome::Released { delay: args.delay.unwrap_or_default() }).await
}

pub(super) async fn progress(global: &Global, show: Show, args: ProgressArgs) -> Result<()> {
    let progress = Progress { count: args.count, total: args.total, note: args.note };
    let lease = find(global, show, &args.lease).await?;
    lease.progress(&progress).await?;
    let mut value = running(lease.job());
    value["progress"] = job::progress(&progress);
    let said = show.answer(&value, || {
        format!("{}{}", job::progress_line(&progress), asked_to_stop(lease.job()))
    });
    lease.detach();
    said
}

pub(super) async fn heartbeat(global: &Global, show: Show, args: LeaseArgs) -> Result<()> {
    let lease = find(global, show, &args).await?;
    lease.heartbeat().await?;
    let said = show
        .answer(&running(lease.job()), || format!("lease extended{}", asked_to_stop(lease.job())));
    lease.detach();
    said
}

async fn find(global: &Global, show: Show, args: &LeaseArgs) -> Result<Lease> {
    Ok(connect::open(global, show).await?.find_lease(&args.id, args.token).await?)
}

async fn settle(show: Show, lease: Lease, outcome: Outcome) -> Result<()> {
    let (id, queue) = (lease.job().id.clone(), lease.job().queue.clone());
    let (attempt, most) = (lease.job().attempt(), lease.job().max_attempts);
    let beside = match &outcome {
        Outcome::Failed(_) => format!(" (attempt {attempt} of {most})"),
        Outcome::Released { delay } if !delay.is_zero() => {
            format!(" in {}", format_duration(*delay))
        }
        _ => String::new(),
    };
    let state = lease.settle(outcome).await?;
    let value = json!({ "id": id.to_string(), "queue": queue, "state": state.name() });
    show.answer(&value, || match state {
        State::Ready | State::Dead => now_is(show, &id, state) + &beside,
        _ => now_is(show, &id, state),
    })
}

/// `6650… is ready`
pub(super) fn now_is(show: Show, id: &JobId, state: State) -> String {
    let state = show.paint(job::tone(state), state.name());
    format!("{} is {state}", escape::line(&id.to_string()))
}

/// What a program that works on the job wants to know: whether it's still wanted.
fn running(job: &Job) -> Value {
    json!({
        "id": job.id.to_string(),
        "queue": job.queue,
        "state": job.state.name(),
        "cancel_at": rfc3339_or_null(job.cancel_at),
    })
}

fn asked_to_stop(job: &Job) -> &'static str {
    if job.cancel_at.is_some() { "; somebody asked this job to stop" } else { "" }
}
