//! `job.run(closure)`: the claimed job as a scope that always ends in a settlement; and panics as
//! failures.

use std::any::Any;
use std::backtrace::Backtrace;
use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Once;
use std::time::Instant;

use futures_util::FutureExt;

use super::{Attempt, Lease};
use crate::error::Error;
use crate::outcome::{BoxError, Failure};

/// Why [`Lease::run`] has no value to give.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The closure returned this error; the job has its record.
    #[error("{0}")]
    Failed(BoxError),
    /// The closure panicked with this message; the job has its record.
    #[error("the closure panicked: {0}")]
    Panicked(String),
    /// The lease was lost while the closure ran, which was cut off; or the job could not be
    /// settled.
    #[error(transparent)]
    Unsettled(#[from] Error),
}

impl Lease {
    /// Runs `work` on the job, with heartbeats beside it, and settles by how it ends: `Ok`
    /// completes the job; `Err` or a panic is an error of it, with the message, the chain of its
    /// causes and a backtrace. The value or the error is given back.
    ///
    /// ```no_run
    /// # async fn example(emails: mongoqueue::Queue) -> anyhow::Result<()> {
    /// # async fn send(to: &str) -> std::io::Result<()> { Ok(()) }
    /// if let Some(job) = emails.next(&Default::default()).await? {
    ///     job.run(async |attempt| {
    ///         let to: String = attempt.job().payload.deserialize()?;
    ///         send(&to).await?;
    ///         anyhow::Ok(())
    ///     })
    ///     .await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// See [`RunError`].
    pub async fn run<T, E, F>(self, work: F) -> Result<T, RunError>
    where
        F: AsyncFnOnce(Attempt) -> Result<T, E>,
        E: Into<BoxError>,
    {
        let started = Instant::now();
        let attempt = self.attempt().clone();
        let work = catch_panic(work(attempt.clone()));
        let hold = self.hold().clone();
        let heartbeats = async {
            loop {
                tokio::time::sleep(hold.length() / 3).await;
                // A database that doesn't answer is asked again; the settlement will tell.
                let _ = hold.renew().await;
            }
        };
        let ended = tokio::select! {
            ended = work => ended,
            never = heartbeats => never,
            () = attempt.lost() => {
                let lost = attempt.lease_lost();
                self.detach();
                return Err(lost.into());
            }
        };
        match ended {
            Ok(Ok(value)) => {
                self.complete(None).await?;
                Ok(value)
            }
            Ok(Err(error)) => {
                let error = error.into();
                self.failed(Failure::from_error(error.as_ref()), started).await?;
                Err(RunError::Failed(error))
            }
            Err(panic) => {
                let message = panic.message.clone();
                self.failed(Failure::from(panic), started).await?;
                Err(RunError::Panicked(message))
            }
        }
    }

    async fn failed(self, mut failure: Failure, started: Instant) -> Result<(), Error> {
        failure.evidence.of_worker(started.elapsed());
        self.error(failure).await.map(drop)
    }
}

/// A panic that was caught.
#[derive(Debug)]
pub(crate) struct Panic {
    message: String,
    backtrace: Option<String>,
}

impl From<Panic> for Failure {
    fn from(panic: Panic) -> Self {
        let mut failure = Self::of_kind("panic", panic.message);
        failure.backtrace = panic.backtrace;
        failure
    }
}

thread_local! {
    static CATCHING: Cell<bool> = const { Cell::new(false) };
    static BACKTRACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// A future's panics as values, with the backtrace of where they started.
pub(crate) async fn catch_panic<F: Future>(inner: F) -> Result<F::Output, Panic> {
    listen_to_panics();
    let mut inner = pin!(AssertUnwindSafe(inner).catch_unwind());
    let ended = poll_fn(|cx| {
        let before = CATCHING.replace(true);
        let polled = inner.as_mut().poll(cx);
        CATCHING.set(before);
        polled
    });
    ended
        .await
        .map_err(|panic| Panic { message: message(panic.as_ref()), backtrace: BACKTRACE.take() })
}

/// Only the panic hook sees the stack of a panic. Ours notes it where a panic is about to be
/// caught here, and leaves everything else to the hook that was there.
fn listen_to_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if CATCHING.get() {
                let place = panic.location().map(|at| format!("panicked at {at}\n"));
                let trace = Backtrace::force_capture();
                BACKTRACE.set(Some(format!("{}{trace}", place.unwrap_or_default())));
            } else {
                before(panic);
            }
        }));
    });
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned())
}
