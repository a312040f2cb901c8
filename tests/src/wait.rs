//! Waiting: for a condition, with a bound.

use std::future::Future;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

/// How long anything may take that is waited for, on a machine that is busy with other tests.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// Asks until the answer is something.
///
/// # Errors
/// The question's own, and one that names `what` when nothing came within [`PATIENCE`].
pub async fn eventually<T>(
    what: &str,
    mut question: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let begun = Instant::now();
    loop {
        if let Some(answer) = question().await? {
            return Ok(answer);
        }
        ensure!(begun.elapsed() < PATIENCE, "waited in vain: {what}");
        tokio::time::sleep(LOOK).await;
    }
}

/// Awaits what is to end by itself.
///
/// # Errors
/// One that names `what` when it did not end within [`PATIENCE`].
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> Result<T> {
    let waited = tokio::time::timeout(PATIENCE, future).await;
    waited.with_context(|| format!("waited in vain: {what}"))
}
