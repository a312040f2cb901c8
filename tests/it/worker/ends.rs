//! What becomes of a job by how its attempt ends.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use bson::doc;
use mongoqueue::{
    Attempt, BoxError, ErrorRecord, Failure, Outcome, Payload, PutOptions, State, Summary,
    WorkerEvent, WorkerOptions, from_fn,
};
use mongoqueue_tests::{Running, Stage, every};

use super::{Gate, HOUR, assert_empty, drain, put, until_empty, worker};

/// One job, once attempted by `handler`.
async fn once<F, Fut>(
    stage: &Stage,
    options: PutOptions,
    handler: F,
) -> Result<(Summary, mongoqueue::Job)>
where
    F: Fn(Attempt) -> Fut + Send + Sync + 'static,
    Fut: Future<Output: Into<Outcome>> + Send + 'static,
{
    let options = PutOptions { max_attempts: Some(1), retain: Some(HOUR), ..options };
    let id = put(stage, 1, options).await?.remove(0);
    let summary = drain(stage, until_empty(1), from_fn(handler)).await?;
    Ok((summary, stage.queue()?.get(&id).await?))
}

fn record(job: &mongoqueue::Job) -> Result<&ErrorRecord> {
    job.last_error().context("a record")
}

#[tokio::test]
async fn an_output_is_kept() -> Result<()> {
    let stage = Stage::new().await?;
    let handler = async |attempt: Attempt| Ok::<_, BoxError>(attempt.job().payload.clone());
    let (summary, job) = once(&stage, PutOptions::default(), handler).await?;
    assert_eq!(summary, Summary { completed: 1, ..Summary::default() });
    assert_eq!((job.state, job.output), (State::Completed, Some(Payload::Bson(0.into()))));
    stage.end().await
}

#[tokio::test]
async fn an_error_has_its_chain_and_its_own_failure_all_it_says() -> Result<()> {
    let stage = Stage::new().await?;
    let handler = async |_| Err::<(), _>(anyhow!("cause").context("effect"));
    let (summary, job) = once(&stage, PutOptions::default(), handler).await?;
    assert_eq!(summary, Summary { failed: 1, dead: 1, ..Summary::default() });
    assert_eq!((job.state, record(&job)?.message.as_str()), (State::Dead, "effect: cause"));
    assert_eq!((record(&job)?.kind.as_str(), &*record(&job)?.consumer), ("failure", "consumer-1"));

    let handler = async |_| {
        let mut failure = Failure::new("$message").code("$code").reject();
        failure.evidence.version = Some("$version".to_owned());
        failure.evidence.memory = Some(u64::MAX);
        failure.stderr = Some("$$ROOT".to_owned());
        failure.backtrace = Some("0: main".to_owned());
        Err::<(), _>(failure)
    };
    let (_, job) = once(&stage, PutOptions::default(), handler).await?;
    let record = record(&job)?;
    assert_eq!((record.message.as_str(), record.code.as_deref()), ("$message", Some("$code")));
    assert_eq!(record.stderr.as_deref(), Some("$$ROOT"));
    assert_eq!(record.backtrace.as_deref(), Some("0: main"));
    let evidence = &record.evidence;
    assert_eq!(evidence.version.as_deref(), Some("$version"));
    assert_eq!((evidence.memory, evidence.cpu), (Some(i64::MAX.unsigned_abs()), None));
    // The worker's own, whatever handler it has.
    assert!(evidence.wall.is_some() && evidence.worker.is_some(), "{evidence:?}");
    assert_eq!((&evidence.digest, &evidence.log), (&None, &None));
    stage.end().await
}

#[tokio::test]
async fn a_panic_is_a_record_and_the_worker_goes_on() -> Result<()> {
    let stage = Stage::new().await?;
    put(&stage, 20, PutOptions { max_attempts: Some(1), ..PutOptions::default() }).await?;
    let handler = from_fn(async |attempt: Attempt| {
        let n: i32 = attempt.job().payload.deserialize()?;
        assert!(n % 2 == 0, "{n} is odd");
        Ok::<(), BoxError>(())
    });
    let summary = drain(&stage, until_empty(4), handler).await?;
    assert_eq!(summary, Summary { completed: 10, failed: 10, dead: 10, ..Summary::default() });
    let options = mongoqueue::ListOptions { state: Some(State::Dead), limit: 0 };
    for job in stage.queue()?.list(&options).await? {
        let n: i32 = job.payload.deserialize()?;
        assert_eq!(
            (&*record(&job)?.kind, &*record(&job)?.message),
            ("panic", &*format!("{n} is odd"))
        );
        assert!(record(&job)?.backtrace.as_deref().is_some_and(|it| it.contains("worker/ends.rs")));
    }
    stage.end().await
}

#[tokio::test]
async fn the_deadline_cuts_an_attempt_off() -> Result<()> {
    let stage = Stage::new().await?;
    let options = PutOptions { timeout: Some(Duration::from_millis(200)), ..PutOptions::default() };
    let handler = async |_| {
        std::future::pending::<()>().await;
        anyhow::Ok(())
    };
    let (summary, job) = once(&stage, options, handler).await?;
    assert_eq!(summary, Summary { failed: 1, dead: 1, ..Summary::default() });
    assert_eq!(record(&job)?.kind, "timeout");
    assert_eq!(record(&job)?.message, "the attempt took longer than its time-out of 200ms");
    stage.end().await
}

#[tokio::test]
async fn an_output_over_the_limit_fails_for_good() -> Result<()> {
    let stage = Stage::new().await?;
    let handler =
        async |_| Ok::<_, BoxError>(Payload::bytes("text/plain", vec![0; 1024 * 1024 + 1]));
    let (summary, job) = once(&stage, PutOptions::default(), handler).await?;
    assert_eq!(summary, Summary { failed: 1, dead: 1, ..Summary::default() });
    assert_eq!(record(&job)?.kind, "limit:output");
    assert_eq!(record(&job)?.message, "output too large: 1048577 bytes, the limit is 1048576");
    // A mebibyte is none too many, nor are several in one batch.
    let large =
        from_fn(async |_| Ok::<_, BoxError>(Payload::bytes("text/plain", vec![0; 1 << 20])));
    put(&stage, 20, PutOptions { retain: Some(HOUR), ..PutOptions::default() }).await?;
    assert_eq!(drain(&stage, until_empty(20), large).await?.completed, 20);
    stage.end().await
}

#[tokio::test]
async fn release_retry_after_reject_and_retry() -> Result<()> {
    let stage = Stage::new().await?;
    let queue = stage.queue()?;
    let ids = put(&stage, 4, PutOptions { max_attempts: Some(2), ..PutOptions::default() }).await?;
    let handler = from_fn(async |attempt: Attempt| match attempt.job().payload.deserialize() {
        Ok(0) => Outcome::Released { delay: HOUR },
        Ok(1) => Outcome::Failed(Failure::new("later").retry_after(HOUR)),
        Ok(2) => Outcome::Failed(Failure::new("never").reject()),
        Ok(_) => Outcome::Failed(Failure::new("again")),
        Err(error) => Outcome::Failed(Failure::from_error(&error)),
    });
    let running = worker(&stage, until_empty(1), handler)?;
    let mut running = Running::start(running);
    let mut seen = Vec::new();
    for _ in 0..5 {
        let end = |event: &WorkerEvent| match event {
            WorkerEvent::Finished { id, attempt, state, queue, .. } => {
                Some((id.clone(), *attempt, state.map(State::name), queue.clone()))
            }
            _ => None,
        };
        seen.push(running.events.until("an attempt ends", end).await?);
    }
    let summary = running.ended().await?;
    assert_eq!(summary, Summary { released: 1, failed: 4, dead: 2, ..Summary::default() });
    seen.sort();
    let end = |n: usize, attempt, state: State| {
        (ids[n].clone(), attempt, Some(state.name()), "q".to_owned())
    };
    let mut expected = vec![
        end(0, 1, State::Ready),
        end(1, 1, State::Ready),
        end(2, 1, State::Dead),
        end(3, 1, State::Ready),
        end(3, 2, State::Dead),
    ];
    expected.sort();
    assert_eq!(seen, expected);
    let attempts = async |n: usize| queue.get(&ids[n]).await.map(|job| (job.attempts, job.state));
    assert_eq!(attempts(0).await?, (0, State::Ready));
    assert_eq!(attempts(1).await?, (1, State::Ready));
    assert_eq!(attempts(2).await?, (1, State::Dead));
    assert_eq!(attempts(3).await?, (2, State::Dead));
    assert_eq!(queue.stats().await?.scheduled, 2);
    stage.end().await
}

#[tokio::test]
async fn reports_and_saves_reach_the_job_and_the_next_attempt() -> Result<()> {
    let stage = Stage::new().await?;
    let id = put(&stage, 1, PutOptions { retain: Some(HOUR), ..PutOptions::default() }).await?;
    let handler = from_fn(async |attempt: Attempt| {
        let so_far: i32 = match attempt.saved() {
            Some(saved) => saved.deserialize()?,
            None => 0,
        };
        let next = so_far + 1;
        attempt.save(&Payload::json(&next)?).await?;
        let count = next.try_into()?;
        attempt.progress(&mongoqueue::Progress { count, total: Some(3), note: None }).await?;
        assert_eq!(attempt.last_progress().map(|it| it.count), Some(count));
        match next {
            3 => Ok::<Payload, BoxError>(Payload::json(&attempt.job().attempt())?),
            _ => Err("not yet".into()),
        }
    });
    let summary = drain(&stage, until_empty(1), handler).await?;
    assert_eq!((summary.completed, summary.failed), (1, 2));
    let job = stage.queue()?.get(&id[0]).await?;
    assert_eq!(job.output, Some(Payload::json(&3_u32)?));
    assert_eq!(job.progress.map(|it| it.count), Some(3));
    stage.end().await
}

#[tokio::test]
async fn a_running_job_that_is_cancelled_hears_of_it() -> Result<()> {
    let stage = Stage::new().await?;
    let id = put(&stage, 1, PutOptions::default()).await?.remove(0);
    let lease = Duration::from_secs(3);
    let options = WorkerOptions { lease, ..until_empty(1) };
    let handler = from_fn(async |attempt: Attempt| {
        attempt.cancelled().await;
        Err::<(), _>(anyhow!("stopped"))
    });
    let mut running = Running::start(worker(&stage, options, handler)?);
    let claimed = |event: &WorkerEvent| matches!(event, WorkerEvent::Claimed { .. }).then_some(());
    running.events.until("it is claimed", claimed).await?;
    assert_eq!(stage.queue()?.cancel(&id).await?, State::Running);
    let (_, state) = running.events.finished().await?;
    assert_eq!(state, Some(State::Cancelled));
    running.ended().await?;
    assert_eq!(stage.queue()?.get(&id).await?.state, State::Cancelled);
    assert_eq!(stage.leases().count_documents(every()).await?, 0);
    stage.end().await
}

#[tokio::test]
async fn nothing_is_left_of_what_is_done() -> Result<()> {
    let stage = Stage::new().await?;
    put(&stage, 1_200, PutOptions::default()).await?;
    let summary = drain(&stage, until_empty(64), from_fn(async |_| anyhow::Ok(()))).await?;
    assert_eq!(summary, Summary { completed: 1_200, ..Summary::default() });
    assert_empty(&stage).await?;
    stage.end().await
}

/// The lease is renewed too seldom for the worker to hear of it before the end.
#[tokio::test]
async fn a_cancel_that_the_worker_did_not_hear_of_is_told_with_the_end() -> Result<()> {
    let stage = Stage::new().await?;
    let queue = stage.queue()?;
    let ids = put(&stage, 4, PutOptions { max_attempts: Some(1), ..PutOptions::default() }).await?;
    let gate = Gate::new();
    let handler = {
        let gate = gate.clone();
        from_fn(move |attempt: Attempt| {
            let gate = gate.clone();
            async move {
                gate.pass().await;
                match attempt.job().payload.deserialize() {
                    Ok(0) => Outcome::Released { delay: HOUR },
                    Ok(1) => Outcome::Failed(Failure::new("its last").retry_after(HOUR)),
                    Ok(2) => Outcome::Failed(Failure::new("never").reject()),
                    _ => Outcome::Failed(Failure::new("nobody cancelled it")),
                }
            }
        })
    };
    let mut running = Running::start(worker(&stage, until_empty(4), handler)?);
    gate.begun(4).await?;
    for id in &ids[..3] {
        queue.cancel(id).await?;
    }
    gate.open(4);
    let mut told = HashMap::new();
    for _ in 0..4 {
        let end = |event: &WorkerEvent| match event {
            WorkerEvent::Finished { id, state, .. } => Some((id.clone(), *state)),
            _ => None,
        };
        let (id, state) = running.events.until("an attempt ends", end).await?;
        told.insert(id, state);
    }
    let summary = running.ended().await?;
    assert_eq!(summary, Summary { released: 1, failed: 3, dead: 2, ..Summary::default() });
    for (id, state) in
        ids.iter().zip([State::Cancelled, State::Cancelled, State::Dead, State::Dead])
    {
        assert_eq!((told[id], queue.get(id).await?.state), (Some(state), state));
    }
    stage.end().await
}
