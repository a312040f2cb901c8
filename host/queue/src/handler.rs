//! The seam between the worker's loop and whatever does the work.

use std::future::Future;
use std::pin::Pin;

use crate::lease::{Attempt, catch_panic};
use crate::outcome::Outcome;

/// What [`Handler::handle`] returns.
pub type HandlerFuture<'a> = Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

/// Does the jobs of a queue: a closure ([`from_fn`]), or a sandbox.
///
/// The worker drops the future when the attempt's deadline passes, its lease is lost, or the
/// worker's grace is over: everything that must not be cut off belongs into a task of its own.
pub trait Handler: Send + Sync + 'static {
    /// Makes one attempt. Called for several jobs at once.
    fn handle(&self, attempt: Attempt) -> HandlerFuture<'_>;
}

impl<H: Handler + ?Sized> Handler for std::sync::Arc<H> {
    fn handle(&self, attempt: Attempt) -> HandlerFuture<'_> {
        (**self).handle(attempt)
    }
}

/// A handler in plain Rust. What it returns becomes the [`Outcome`]: `Ok(())` or `Ok(payload)`
/// completes, any error fails the attempt ([`Failure`](crate::Failure) says how), a panic fails it
/// under the kind `panic`.
///
/// ```
/// use mongoqueue::{Attempt, Failure, from_fn};
///
/// let handler = from_fn(async |attempt: Attempt| {
///     let name: String = attempt.job().payload.deserialize()?;
///     if name.is_empty() {
///         return Err(Failure::new("nobody to greet").reject().into());
///     }
///     Ok::<(), mongoqueue::BoxError>(())
/// });
/// # fn takes(_: impl mongoqueue::Handler) {}
/// # takes(handler);
/// ```
pub fn from_fn<F, Fut>(work: F) -> impl Handler
where
    F: Fn(Attempt) -> Fut + Send + Sync + 'static,
    Fut: Future<Output: Into<Outcome>> + Send + 'static,
{
    FromFn(work)
}

struct FromFn<F>(F);

impl<F, Fut> Handler for FromFn<F>
where
    F: Fn(Attempt) -> Fut + Send + Sync + 'static,
    Fut: Future<Output: Into<Outcome>> + Send + 'static,
{
    fn handle(&self, attempt: Attempt) -> HandlerFuture<'_> {
        Box::pin(async move {
            match catch_panic((self.0)(attempt)).await {
                Ok(ended) => ended.into(),
                Err(panic) => Outcome::Failed(panic.into()),
            }
        })
    }
}
