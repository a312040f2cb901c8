//! Compiled components on disk. What lies here is machine code that will be run, so it lies in a
//! private folder, each file says in its name what its bytes must hash to, and nothing from
//! anywhere else is ever taken for one.

use std::fs::{self, DirBuilder, File};
use std::hash::{Hash, Hasher};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::sandbox::SandboxError;

const EXTENSION: &str = "cwasm";

/// Files kept: those of old versions are swept out some day, oldest first.
const MOST_FILES: usize = 200;

/// What files are called until they are whole. One of this age was left by a process that died.
const UNFINISHED: &str = ".unfinished-";
const ABANDONED: Duration = Duration::from_secs(3_600);

/// The folder, and which engine the files of this process are for.
pub(crate) struct Cache {
    folder: PathBuf,
    engine: String,
    most_bytes: u64,
}

impl Cache {
    /// The folder, made with mode 0700 where it is missing, and the bytes that may lie there.
    pub(crate) fn open(
        folder: PathBuf,
        engine: &Engine,
        most_bytes: u64,
    ) -> Result<Self, SandboxError> {
        if let Err(why) = private(&folder) {
            return Err(SandboxError::CacheFolder { path: folder, why });
        }
        let mut hasher = Sha(Sha256::new());
        engine.precompile_compatibility_hash().hash(&mut hasher);
        // Half a hash tells engines apart.
        let engine = short(&hasher.0.finalize());
        Ok(Self { folder, engine, most_bytes })
    }

    /// The compiled component of this digest. A file that is not what its name says is removed.
    pub(crate) fn find(&self, engine: &Engine, digest: &str) -> Option<Component> {
        let prefix = self.prefix(digest);
        for entry in fs::read_dir(&self.folder).ok()?.flatten() {
            let name = entry.file_name();
            let Some(rest) = name.to_str().and_then(|name| name.strip_prefix(&prefix)) else {
                continue;
            };
            match read_verified(&entry.path(), rest).and_then(|code| revive(engine, &code).ok()) {
                Some(component) => {
                    // Used now: swept later. Where that can't be noted it is compiled again.
                    let _ =
                        File::open(entry.path()).and_then(|f| f.set_modified(SystemTime::now()));
                    return Some(component);
                }
                None => {
                    let _ = fs::remove_file(entry.path());
                }
            }
        }
        None
    }

    /// Keeps a compiled component. Several processes may do so at once: each writes a file of its
    /// own and moves it into place.
    pub(crate) fn keep(&self, component: &Component, digest: &str) -> io::Result<()> {
        let code = component.serialize().map_err(io::Error::other)?;
        let mut file = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(&self.folder)?;
        file.write_all(&code)?;
        let hash = long(&Sha256::digest(&code));
        let kept = self.folder.join(format!("{}{hash}.{EXTENSION}", self.prefix(digest)));
        file.persist(&kept)?;
        self.sweep(&kept)
    }

    fn prefix(&self, digest: &str) -> String {
        format!("{digest}-{}-", self.engine)
    }

    /// Removes what is too much, the longest unused first; never `kept`, which is about to be used.
    fn sweep(&self, kept: &Path) -> io::Result<()> {
        let mut files = Vec::new();
        let mut bytes = 0;
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            // Another process may sweep, too.
            let Ok(about) = entry.metadata() else { continue };
            let (path, modified) = (entry.path(), about.modified()?);
            if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
                if modified.elapsed().is_ok_and(|age| age > ABANDONED) {
                    let _ = fs::remove_file(path);
                }
            } else if path.extension().is_some_and(|extension| extension == EXTENSION) {
                bytes += about.len();
                if path != kept {
                    files.push((modified, about.len(), path));
                }
            }
        }
        files.sort();
        let mut left = files.len() + 1;
        for (_, size, path) in files {
            if left <= MOST_FILES && bytes <= self.most_bytes {
                break;
            }
            (left, bytes) = (left - 1, bytes.saturating_sub(size));
            let _ = fs::remove_file(path);
        }
        Ok(())
    }
}

/// The bytes, if they are those that the rest of the file's name, `<hash>.cwasm`, promises.
fn read_verified(path: &Path, rest: &str) -> Option<Vec<u8>> {
    let hash = rest.strip_suffix(EXTENSION)?.strip_suffix('.')?;
    let mut code = Vec::new();
    File::open(path).ok()?.read_to_end(&mut code).ok()?;
    (long(&Sha256::digest(&code)) == hash).then_some(code)
}

/// Code that this program made, here, in its cache or in a child, as a component.
#[expect(unsafe_code, reason = "wasmtime trusts what it revives; see the comment")]
pub(super) fn revive(engine: &Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: `Component::deserialize` asks for bytes that `Component::serialize` made, or
    // `Engine::precompile_component`. These come from the pipe of a child that was started for it
    // (`compile`), whose program whoever embeds this names as one of its own build; or from a file
    // in a folder that only this user can write to (`private`), under a name that only `keep`
    // gives, and hash to what that name says. They are a copy in memory, so that nobody can change
    // them between that check and their use, nor later, as could be done with a mapped file.
    // wasmtime itself refuses those of another version or with other settings.
    unsafe { Component::deserialize(engine, code) }
}

/// Makes the folder, and says why it can't be trusted where others may write to it.
fn private(folder: &Path) -> Result<(), String> {
    let mut make = DirBuilder::new();
    make.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut make, 0o700);
    make.create(folder).map_err(|e| e.to_string())?;
    // Also says whether it can be written to, and who we are.
    let own = tempfile::NamedTempFile::new_in(folder).map_err(|e| e.to_string())?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let folder = fs::metadata(folder).map_err(|e| e.to_string())?;
        let own = own.as_file().metadata().map_err(|e| e.to_string())?;
        if folder.uid() != own.uid() {
            return Err("it belongs to another user".into());
        }
        if folder.mode() & 0o077 != 0 {
            return Err(format!(
                "others have access to it (mode {:o}); make it private by `chmod 700`",
                folder.mode() & 0o777
            ));
        }
    }
    own.close().map_err(|e| e.to_string())
}

fn long(hash: &[u8]) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn short(hash: &[u8]) -> String {
    hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// Hashes what implements `Hash` so that it means the same in another process.
struct Sha(Sha256);

impl Hasher for Sha {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        // Asked by nobody: the digest itself is taken.
        0
    }
}

#[cfg(test)]
mod tests;
