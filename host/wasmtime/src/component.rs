//! From a file to code that can be run: what it is, whether it may, compiled or found compiled.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use wasmtime::component::{Component, InstancePre};

use crate::jobs::Grants;
use crate::sandbox::{Guest, Limits, Sandbox, Seat, weight};

mod cache;
mod compile;
mod contract;
mod digest;
mod error;
mod imports;
mod inspect;
mod keys;
mod trust;

pub(crate) use cache::Cache;
pub use compile::{Compiler, compile_for_parent};
pub use digest::{Digest, NoDigest};
pub use error::{Blame, LoadError};
pub use imports::{Import, Need};
pub use inspect::{Inspection, Kind, inspect};
pub use keys::{KeyError, PrivateKey, PublicKey};
use trust::Trust;
pub use trust::{read_signature, signature_path};

/// Where a component comes from, and what it is called in logs and messages.
#[derive(Clone, Debug)]
pub struct ComponentSource {
    name: String,
    bytes: Bytes,
    trust: Trust,
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
        Self { name: name.into_owned(), bytes: Bytes::At(path), trust: Trust::default() }
    }

    /// Bytes that are here already.
    pub fn bytes(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = Bytes::Here(bytes.into());
        Self { name: name.into(), bytes, trust: Trust::default() }
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The same, called by another name: the one that the operator's file has it under.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The same, refused unless its bytes have this digest. Default: any.
    pub fn pinned(mut self, digest: Digest) -> Self {
        self.trust.digest = Some(digest);
        self
    }

    /// The same, refused unless it is signed by one of these keys. The signature of a file lies
    /// beside it ([`signature_path`]), unless it is given here. Default: none is asked for.
    pub fn signed_by(mut self, keys: impl IntoIterator<Item = PublicKey>) -> Self {
        self.trust.signers = Some(keys.into_iter().collect());
        self
    }

    /// The same with its signature: 64 bytes, from wherever they come.
    pub fn with_signature(mut self, signature: impl Into<Vec<u8>>) -> Self {
        self.trust.signature = Some(signature.into());
        self
    }

    /// The bytes, which are those that were asked for.
    fn read(self, limit: usize) -> Result<(String, Vec<u8>), LoadError> {
        let Self { name, bytes, trust } = self;
        let path = match &bytes {
            Bytes::Here(_) => None,
            Bytes::At(path) => Some(path.clone()),
        };
        let too_large = |name: String, size: u64| LoadError::TooLarge { name, size, limit };
        let bytes = match bytes {
            Bytes::Here(bytes) => bytes,
            Bytes::At(path) => {
                let unreadable = |source| LoadError::Unreadable { path: path.clone(), source };
                let about = std::fs::metadata(&path).map_err(unreadable)?;
                if about.len() > limit as u64 {
                    return Err(too_large(name, about.len()));
                }
                if !about.is_file() {
                    // A pipe may never be written to, and a device never end.
                    return Err(unreadable(io::Error::other("it is no regular file")));
                }
                let mut bytes = Vec::new();
                // It may grow meanwhile: a byte more than allowed is enough to tell.
                let most = (limit as u64).saturating_add(1);
                let file = File::open(&path).map_err(unreadable)?;
                file.take(most).read_to_end(&mut bytes).map_err(unreadable)?;
                bytes
            }
        };
        if bytes.len() > limit {
            return Err(too_large(name, bytes.len() as u64));
        }
        trust.check(&name, path.as_deref(), &bytes)?;
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
    pub(crate) version: Option<String>,
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
    error::check_kind(&name, &inspection, wanted.clone())?;
    error::check_imports(&name, &inspection, grants)?;
    error::check_memory(&name, &inspection, limits.memory)?;
    error::check_whole(&name, limits.memory, sandbox.whole_memory())?;

    let full = || LoadError::TooMany { name: name.clone(), limit: sandbox.host().components };
    let seat = sandbox.seat().ok_or_else(full)?;

    let (component, cached) = compiled(sandbox, &name, &bytes, &inspection.digest)?;
    let mismatch = |why| LoadError::Mismatch { name: name.clone(), why };
    contract::check(sandbox.engine(), &component, &wanted).map_err(mismatch)?;
    let pre = sandbox.linker().instantiate_pre(&component);
    let pre = pre.map_err(|error| mismatch(format!("{error:#}")))?;
    let Inspection { digest, version, .. } = inspection;
    Ok(Loaded { name, digest, version, cached, weight: weight(&component), seat, pre })
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
