//! Versions of a handler, and the one that does the jobs.

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use mongoqueue::{Attempt, Handler, HandlerFuture};
use mongoqueue_wasmtime::{ComponentHandler, ComponentSource, Grants, Limits, Sandbox};
use tokio::sync::mpsc;

use crate::component::{self, log};
use crate::trouble::{Granting, Result, refused};

/// Loads the versions of one handler, each with the same grants and limits.
pub(super) struct Loader {
    pub(super) sandbox: Sandbox,
    pub(super) grants: Grants,
    pub(super) limits: Limits,
    pub(super) by_options: bool,
    pub(super) sink: mpsc::Sender<log::Line>,
}

impl Loader {
    /// Loads the handler of `queue` from a file.
    ///
    /// # Errors
    /// Why it is refused, and what its operator can do.
    pub(super) async fn load(&self, queue: &str, file: &Path) -> Result<ComponentHandler> {
        let granting = match self.by_options {
            true => Granting::Options { queue: Some(queue) },
            false => Granting::File { queue },
        };
        let source = ComponentSource::file(file);
        let (grants, limits) = (self.grants.clone(), self.limits.clone());
        let handler = component::handler(&self.sandbox, source, grants, limits).await;
        let handler = handler.map_err(|error| refused(&error, granting))?;
        Ok(handler.with_log(log::sink(self.sink.clone(), queue)))
    }
}

/// The version that does the jobs from now on. An attempt ends on the one that it began on, which
/// goes with the last of them.
#[derive(Clone)]
pub(super) struct Current(Arc<RwLock<ComponentHandler>>);

impl Current {
    pub(super) fn new(handler: ComponentHandler) -> Self {
        Self(Arc::new(RwLock::new(handler)))
    }

    pub(super) fn set(&self, handler: ComponentHandler) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = handler;
    }
}

impl Handler for Current {
    fn handle(&self, attempt: Attempt) -> HandlerFuture<'_> {
        let version = self.0.read().unwrap_or_else(PoisonError::into_inner).clone();
        Box::pin(async move { version.handle(attempt).await })
    }
}
