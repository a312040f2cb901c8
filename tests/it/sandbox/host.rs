//! What all guests together take of the host.

use std::time::Duration;

use anyhow::{Result, bail};
use mongoqueue::{Attempt, Handler, IntoPayload, Job, Outcome};
use mongoqueue_tests::{Stage, soon};
use mongoqueue_wasmtime::{
    Blame, ComponentHandler, Grants, HostLimits, Limits, LoadError, Sandbox, SandboxOptions,
};
use serde_json::{Value, json};

use super::{HOUR, filtered, outcome, source};

/// A sandbox on a host of its own.
fn on(host: HostLimits) -> Result<Sandbox> {
    Ok(Sandbox::new(SandboxOptions { host, instances: 8, ..SandboxOptions::default() })?)
}

fn attempt(payload: &Value, timeout: Duration) -> Result<Attempt> {
    let mut job = Job::new("q", payload.clone().into_payload()?);
    job.timeout = timeout;
    Ok(Attempt::detached(job))
}

#[tokio::test]
async fn guests_have_their_memory_before_they_start() -> Result<()> {
    let memory = Some(100 << 20);
    let sandbox = on(HostLimits { memory, ..HostLimits::default() })?;
    let small = Limits { memory: 40 << 20, ..Limits::default() };
    let stage = Stage::new().await?;
    let grants = Grants::default().queue("next", stage.mq.queue("next")?);
    let load = |limits: &Limits| {
        let (grants, limits) = (grants.clone(), limits.clone());
        ComponentHandler::load_with(&sandbox, source("misbehave")?, grants, limits)
            .map_err(anyhow::Error::from)
    };
    let (large, small) = (load(sandbox.limits())?, load(&small)?);
    // 64 MiB of the 100, and 40 more are not there: the second waits for half of its time.
    let mut first = large.handle(attempt(&json!({"do": "sleep", "ms": 3_600_000}), HOUR)?);
    assert!(futures_util::poll!(&mut first).is_pending());
    let second = small.handle(attempt(&json!({"do": "ok"}), Duration::from_secs(1))?);
    assert_eq!(soon("it is handed back", second).await?, Outcome::HandedBack);
    drop(first);
    let ended = outcome(&small, &json!({"do": "ok"})).await?;
    assert!(matches!(ended, Outcome::Completed(_)), "{ended:?}");
    // Two small ones have room beside each other.
    let mut first = small.handle(attempt(&json!({"do": "sleep", "ms": 3_600_000}), HOUR)?);
    assert!(futures_util::poll!(&mut first).is_pending());
    let ended = outcome(&small, &json!({"do": "ok"})).await?;
    assert!(matches!(ended, Outcome::Completed(_)), "{ended:?}");
    stage.end().await
}

#[test]
fn who_may_have_more_than_all_together_is_refused() -> Result<()> {
    let memory = Some(32 << 20);
    let sandbox = on(HostLimits { memory, ..HostLimits::default() })?;
    let Err(error) = ComponentHandler::load(&sandbox, source("hello")?, Grants::default()) else {
        bail!("it was not refused")
    };
    assert!(matches!(error, LoadError::HostMemory { .. }));
    assert_eq!(error.blame(), Blame::Operator);
    insta::assert_snapshot!(filtered(&error.to_string()), @r"
    hello may have N bytes of memory, and all guests of this host together have N: give
    it less, or the host more
    ");
    let less = Limits { memory: 32 << 20, ..Limits::default() };
    ComponentHandler::load_with(&sandbox, source("hello")?, Grants::default(), less)?;
    Ok(())
}
