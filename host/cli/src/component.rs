//! Components on their way into a sandbox, for every command that runs one.

use std::path::{Path, PathBuf};

use indicatif::ProgressBar;
use mongoqueue::MongoQueue;
use mongoqueue_mongod::Places;
use mongoqueue_wasmtime::{Command, ComponentHandler, ComponentSource, Grants, LoadError, Sandbox};

use crate::show::{Show, bar, escape};

pub(crate) mod log;

/// Where compiled components are kept; without a home folder nowhere.
pub(crate) fn cache() -> Option<PathBuf> {
    Places::from_env().ok().map(|places| places.cache.join("components"))
}

/// The queues that a component may put on and claim from, by the names that it knows them by.
pub(crate) fn grants<'a>(
    mq: &MongoQueue,
    put: impl IntoIterator<Item = (&'a String, &'a String)>,
    claim: impl IntoIterator<Item = (&'a String, &'a String)>,
) -> mongoqueue::Result<Grants> {
    let mut grants = Grants::default();
    for (name, queue) in put {
        grants = grants.queue(name, mq.queue(queue)?);
    }
    for (name, queue) in claim {
        grants = grants.consume(name, mq.queue(queue)?);
    }
    Ok(grants)
}

/// Loads the handler of a queue.
pub(crate) async fn handler(
    sandbox: &Sandbox,
    source: impl Into<ComponentSource>,
    grants: Grants,
) -> Result<ComponentHandler, LoadError> {
    let (sandbox, source) = (sandbox.clone(), source.into());
    let name = source.name().to_owned();
    beside(name, move || ComponentHandler::load(&sandbox, source, grants)).await
}

/// Loads a program with a loop of its own.
pub(crate) async fn program(
    sandbox: &Sandbox,
    file: &Path,
    grants: Grants,
) -> Result<Command, LoadError> {
    let (sandbox, source) = (sandbox.clone(), ComponentSource::file(file));
    let name = source.name().to_owned();
    beside(name, move || Command::load(&sandbox, source, grants)).await
}

/// Loads beside the runtime: a large component is compiled for seconds.
async fn beside<T: Send + 'static>(
    name: String,
    load: impl FnOnce() -> Result<T, LoadError> + Send + 'static,
) -> Result<T, LoadError> {
    tokio::task::spawn_blocking(load)
        .await
        .unwrap_or_else(|error| Err(LoadError::CompilerFailed { name, why: error.to_string() }))
}

/// What a person sees while a component is compiled.
pub(crate) fn compiling(show: Show, file: &Path) -> ProgressBar {
    let name = file.file_name().unwrap_or(file.as_os_str()).to_string_lossy();
    let waiting = bar::bar(None, "", !show.json);
    waiting.set_message(format!("compiling {}", escape::line(&name)));
    waiting
}
