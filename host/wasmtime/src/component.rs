//! From a file to code that can be run: what it is, whether it may, compiled or found compiled.

use std::path::PathBuf;

use wasmtime::component::{Component, InstancePre};

use crate::jobs::Grants;
use crate::sandbox::{Guest, Limits, Sandbox, Seat, weight};

mod cache;
mod compile;
mod error;
mod imports;
mod inspect;

pub(crate) use cache::Cache;
pub use compile::{Compiler, compile_for_parent};
pub use error::{Blame, LoadError};
pub use imports::{Import, Need};
pub use inspect::{Inspection, Kind, inspect};

/// Where a component comes from, and what it is called in logs and messages.
#[derive(Clone, Debug)]
pub struct ComponentSource {
    name: String,
    bytes: Bytes,
}

#[derive(Clone, Debug)]
enum Bytes {
    Here(Vec<u8>),
    At(PathBuf),
}

impl ComponentSource {
    /// A file; called by its name without the extension.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let name = path.file_stem().map_or_else(|| "component".into(), |s| s.to_string_lossy());
        Self { name: name.into_owned(), bytes: Bytes::At(path) }
    }

    /// Bytes that are here already.
    pub fn bytes(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { name: name.into(), bytes: Bytes::Here(bytes.into()) }
    }

    /// The same, called by another name: the one that the operator's file has it under.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    fn read(self, limit: usize) -> Result<(String, Vec<u8>), LoadError> {
        let Self { name, bytes } = self;
        let too_large = |name: String, size: u64| LoadError::TooLarge { name, size, limit };
        let bytes = match bytes {
            Bytes::Here(bytes) => bytes,
            Bytes::At(path) => {
                let unreadable = |source| LoadError::Unreadable { path: path.clone(), source };
                let size = std::fs::metadata(&path).map_err(unreadable)?.len();
                if size > limit as u64 {
                    return Err(too_large(name, size));
                }
                std::fs::read(&path).map_err(unreadable)?
            }
        };
        if bytes.len() > limit {
            return Err(too_large(name, bytes.len() as u64));
        }
        Ok((name, bytes))
    }
}

impl From<&std::path::Path> for ComponentSource {
    fn from(path: &std::path::Path) -> Self {
        Self::file(path)
    }
}

impl From<PathBuf> for ComponentSource {
    fn from(path: PathBuf) -> Self {
        Self::file(path)
    }
}

/// A component that may be run: checked against its grants, compiled, its imports found.
pub(crate) struct Loaded {
    pub(crate) name: String,
    pub(crate) digest: String,
    /// Nothing had to be compiled.
    pub(crate) cached: bool,
    /// The sandbox's slots that an instance takes.
    pub(crate) weight: u32,
    pub(crate) seat: Seat,
    pub(crate) pre: InstancePre<Guest>,
}

/// Reads, checks, compiles. `wanted` is what the component has to be.
pub(crate) fn load(
    sandbox: &Sandbox,
    source: ComponentSource,
    grants: &Grants,
    limits: &Limits,
    wanted: Kind,
) -> Result<Loaded, LoadError> {
    let (name, bytes) = source.read(limits.component_bytes)?;
    let inspection = inspect(&bytes);
    error::check_kind(&name, &inspection, wanted)?;
    error::check_imports(&name, &inspection, grants)?;
    error::check_memory(&name, &inspection, limits.memory)?;
    error::check_whole(&name, limits.memory, sandbox.whole_memory())?;

    let full = || LoadError::TooMany { name: name.clone(), limit: sandbox.host().components };
    let seat = sandbox.seat().ok_or_else(full)?;

    let (component, cached) = compiled(sandbox, &name, &bytes, &inspection.digest)?;
    let pre = sandbox
        .linker()
        .instantiate_pre(&component)
        .map_err(|error| LoadError::Mismatch { name: name.clone(), why: format!("{error:#}") })?;
    Ok(Loaded { name, digest: inspection.digest, cached, weight: weight(&component), seat, pre })
}

fn compiled(
    sandbox: &Sandbox,
    name: &str,
    bytes: &[u8],
    digest: &str,
) -> Result<(Component, bool), LoadError> {
    let find = || sandbox.cache().and_then(|cache| cache.find(sandbox.engine(), digest));
    if let Some(component) = find() {
        return Ok((component, true));
    }
    let _turn = sandbox.compiling();
    // Somebody may have compiled it before it was our turn.
    if let Some(component) = find() {
        return Ok((component, true));
    }
    let component = compile::compile(sandbox, name, bytes)?;
    if let Some(cache) = sandbox.cache() {
        // A full disk costs time at the next start, and nothing now.
        let _ = cache.keep(&component, digest);
    }
    Ok((component, false))
}
