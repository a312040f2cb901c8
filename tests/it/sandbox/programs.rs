//! Components with a loop of their own: a producer, and a worker that pulls its jobs.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use mongoqueue::{Failure, JobId, ListOptions, State};
use mongoqueue_tests::{Stage, eventually, soon};
use mongoqueue_wasmtime::{Command, ComponentHandler, Grants, Limits, LoadError, Source};
use serde_json::{Value, json};

use super::{HOUR, Lines, filtered, sandbox, source};

/// Longer than any of them runs.
const TIME: Duration = Duration::from_secs(60);

fn producer(stage: &Stage, stdin: &str) -> Result<Command> {
    let grants = Grants::default().queue("jobs", stage.queue()?);
    Ok(Command::load(sandbox()?, source("producer")?, grants)?.with_stdin(stdin))
}

/// It claims of `q`.
fn worker(stage: &Stage) -> Result<Command> {
    let grants = Grants::default().consume("jobs", stage.queue()?);
    Ok(Command::load(sandbox()?, source("worker")?, grants)?)
}

async fn run(program: Command) -> Result<(Result<(), Failure>, Lines)> {
    let said = Lines::default();
    let program = program.with_log(said.sink());
    Ok((soon("the program ends", program.run(TIME)).await?, said))
}

#[tokio::test]
async fn a_producer_puts_what_it_reads() -> Result<()> {
    let stage = Stage::new().await?;
    let (ended, said) = run(producer(&stage, "{\"n\": 1}\n\n[2]\n")?).await?;
    assert_eq!(ended, Ok(()));
    let jobs = stage.queue()?.list(&ListOptions::default()).await?;
    let payloads: Vec<Value> = jobs.iter().map(|job| job.payload.to_json()).collect();
    assert_eq!(payloads, [json!({"n": 1}), json!([2])]);
    let mut lines: Vec<String> = jobs.iter().map(|job| job.id.to_string()).collect();
    lines.push("2 ready, 0 scheduled".to_owned());
    assert_eq!(said.of(Source::Stdout), lines);
    assert!(jobs.iter().all(|job| job.headers == [("from".to_owned(), "producer".to_owned())]));
    stage.end().await
}

#[tokio::test]
async fn a_program_that_says_it_failed_has_failed() -> Result<()> {
    let stage = Stage::new().await?;
    let (ended, _) = run(producer(&stage, "{\"n\": \n")?).await?;
    let Err(failure) = ended else { bail!("no JSON was put") };
    assert_eq!((&*failure.kind, failure.backtrace), ("exit", None));
    insta::assert_snapshot!(failure.message, @"the program says that it failed");
    insta::assert_snapshot!(filtered(&failure.stderr.context("nothing on stderr")?), @r"
    Error: invalid argument: invalid payload: EOF while parsing a value at line 1 column
    6 (invalid-argument)
    ");
    // A queue that it was not given.
    let (ended, _) = run(producer(&stage, "1")?.with_args(["secret"])).await?;
    let Err(failure) = ended else { bail!("a queue that was not granted was opened") };
    insta::assert_snapshot!(
        filtered(&failure.stderr.context("nothing on stderr")?),
        @"Error: opening secret: the host grants no queue of this name (access-denied)"
    );
    assert_eq!(stage.queue()?.stats().await?.ready, 0);
    stage.end().await
}

#[tokio::test]
async fn a_worker_does_what_is_due_and_ends_its_leases_in_every_way() -> Result<()> {
    let stage = Stage::new().await?;
    let queue = stage.queue()?;
    let put = async |job: Value| -> Result<JobId> {
        Ok(queue.put(job).max_attempts(1).retain(HOUR).await?.id)
    };
    let quiet = put(json!({"text": "quiet"})).await?;
    let extended = put(json!({"text": "more time", "then": "extend"})).await?;
    let empty = put(json!({"text": ""})).await?;
    let odd = put(json!({"words": 7})).await?;
    let released = put(json!({"text": "later", "then": "release"})).await?;
    let (ended, said) = run(worker(&stage)?).await?;
    assert_eq!(ended, Ok(()));
    assert_eq!(said.of(Source::Stdout), ["2"]);
    assert_eq!(said.of(Source::Log), ["2 jobs completed"]);

    for (id, output) in [(&quiet, "QUIET"), (&extended, "MORE TIME")] {
        let job = queue.get(id).await?;
        assert_eq!(job.state, State::Completed);
        assert_eq!(job.output.map(|output| output.to_json()), Some(json!(output)));
        assert_eq!(job.progress.map(|it| (it.count, it.total)), Some((0, Some(1))));
    }
    for (id, code) in [(&empty, "empty-text"), (&odd, "bad-payload")] {
        let job = queue.get(id).await?;
        assert_eq!((job.state, job.attempts), (State::Dead, 1));
        assert_eq!(job.last_error().and_then(|it| it.code.as_deref()), Some(code));
    }
    let job = queue.get(&released).await?;
    assert_eq!((job.state, job.attempts), (State::Ready, 0));
    assert!(job.due.timestamp_millis() >= job.created_at.timestamp_millis() + 3_600_000);
    assert!(stage.all(&stage.leases()).await?.is_empty());
    stage.end().await
}

#[tokio::test]
async fn a_trapped_worker_leaves_its_job_to_others() -> Result<()> {
    let stage = Stage::new().await?;
    let queue = stage.queue()?;
    let id = queue.put(json!({"text": "x", "then": "trap"})).max_attempts(1).await?.id;
    let (ended, _) = run(worker(&stage)?).await?;
    let Err(failure) = ended else { bail!("it did not trap") };
    assert_eq!(failure.kind, "trap:unreachable");
    assert!(failure.message.ends_with("dying with a lease, as the payload asks"));
    assert!(failure.backtrace.is_some());
    let back = eventually("the job goes back", async || {
        let job = queue.get(&id).await?;
        Ok((job.state == State::Ready).then_some(job))
    });
    let job = back.await?;
    assert_eq!((job.attempts, job.claims), (0, 1));
    stage.end().await
}

#[tokio::test]
async fn a_dropped_lease_goes_back_at_once() -> Result<()> {
    let stage = Stage::new().await?;
    let queue = stage.queue()?;
    let id = queue.put(json!({"text": "x", "then": "drop"})).max_attempts(1).await?.id;
    let program = tokio::spawn(run(worker(&stage)?));
    // The lease lasts 30 s: who claims it three times did not wait for its end.
    let thrice = eventually("it is claimed again and again", async || {
        Ok((queue.get(&id).await?.claims >= 3).then_some(()))
    });
    thrice.await?;
    // Else it goes on and on.
    queue.cancel(&id).await?;
    let (ended, said) = program.await??;
    assert_eq!((ended, said.of(Source::Stdout)), (Ok(()), vec!["0".to_owned()]));
    let job = queue.get(&id).await?;
    assert_eq!((job.state, job.attempts), (State::Cancelled, 0));
    stage.end().await
}

#[tokio::test]
async fn a_program_has_its_time_too() -> Result<()> {
    let stage = Stage::new().await?;
    // It waits a second for a job.
    let ended = worker(&stage)?.run(Duration::from_millis(50)).await;
    let Err(failure) = ended else { bail!("it ended") };
    assert_eq!(failure.kind, "timeout");
    assert_eq!(failure.message, "the attempt took longer than its time-out of 50ms");
    // The operator may shorten the wait.
    let limits = Limits { wait: Duration::ZERO, ..Limits::default() };
    let said = Lines::default();
    let program = worker(&stage)?.with_limits(limits).with_log(said.sink());
    assert_eq!(program.run(TIME).await, Ok(()));
    assert_eq!(said.of(Source::Stdout), ["0"]);
    stage.end().await
}

#[tokio::test]
async fn a_program_is_no_handler_and_a_handler_no_program() -> Result<()> {
    let stage = Stage::new().await?;
    let grants = Grants::default().queue("jobs", stage.queue()?).consume("jobs", stage.queue()?);
    let Err(error) = Command::load(sandbox()?, source("hello")?, grants.clone()) else {
        bail!("a handler was taken for a program")
    };
    assert!(matches!(error, LoadError::WrongKind { .. }));
    insta::assert_snapshot!(filtered(&error.to_string()), @r"
    hello is a handler; a program exports wasi:cli/run@0.2, this exports
    mongoqueue:jobs/handler@0.1.0
    ");
    let handler = ComponentHandler::load(sandbox()?, source("worker")?, grants);
    let Err(error) = handler else { bail!("a program was taken for a handler") };
    insta::assert_snapshot!(filtered(&error.to_string()), @r"
    worker is a program; a handler exports mongoqueue:jobs/handler@0.1, this exports
    wasi:cli/run@0.2.x
    ");
    stage.end().await
}
