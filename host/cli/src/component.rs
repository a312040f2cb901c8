//! Components on their way into a sandbox, for every command that runs one.

use std::path::{Path, PathBuf};
use std::{fs, io};

use indicatif::ProgressBar;
use mongoqueue::MongoQueue;
use mongoqueue_mongod::Places;
use mongoqueue_wasmtime::{
    Command, Compiler, ComponentHandler, ComponentSource, Grants, Limits, LoadError, Sandbox,
    compile_for_parent,
};

use crate::show::{Show, bar, escape};
use crate::trouble::{Exit, Trouble};

pub(crate) mod log;

/// Where compiled components are kept; without a home folder nowhere.
pub(crate) fn cache() -> Option<PathBuf> {
    Places::from_env().ok().map(|places| places.cache.join("components"))
}

/// This very program, which compiles components in processes of their own. Where it can't be named
/// they are compiled here.
pub(crate) fn compiler() -> Compiler {
    // Stays the same program when another version has taken its place on the disk.
    let running = PathBuf::from("/proc/self/exe");
    let program = if running.exists() { Some(running) } else { std::env::current_exe().ok() };
    program.map_or(Compiler::Here, |path| Compiler::program(path, ["compile-component"]))
}

/// Compiles a component for the process that started this one for it.
pub(crate) fn compile() -> Result<(), Trouble> {
    let (input, output) = (std::io::stdin().lock(), std::io::stdout().lock());
    compile_for_parent(input, output).map_err(|error| Trouble::misuse(error.to_string()))
}

/// The bytes of a component's file, which has at most `limit` of them.
pub(crate) fn read(path: &Path, limit: usize) -> Result<Vec<u8>, Trouble> {
    let shown = path.display();
    let unreadable = |error: io::Error| Trouble::misuse(format!("can't read {shown}: {error}"));
    let about = fs::metadata(path).map_err(unreadable)?;
    if !about.is_file() {
        // A pipe may never be written to, and a device never end.
        return Err(unreadable(io::Error::other("it is no regular file")));
    }
    let size = about.len();
    if size > limit as u64 {
        let message = format!("{shown} has {size} bytes, the limit is {limit}");
        return Err(Trouble::new(Exit::Refused, "too-large", message));
    }
    fs::read(path).map_err(unreadable)
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
    limits: Limits,
) -> Result<ComponentHandler, LoadError> {
    let (sandbox, source) = (sandbox.clone(), source.into());
    let name = source.name().to_owned();
    beside(name, move || ComponentHandler::load_with(&sandbox, source, grants, limits)).await
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
