//! The core dump and the profile, as files that only their owner may read: the one has the memory
//! of a tenant's guest.

use std::fs::{OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use mongoqueue_wasmtime::Replayed;

use crate::args::ReplayArgs;
use crate::trouble::{Result, Trouble};

/// For their owner alone.
const PRIVATE: u32 = 0o600;

/// A file that was asked for.
pub(super) struct Asked {
    pub(super) path: PathBuf,
    /// Bytes in the file, or why there is none.
    pub(super) written: Result<usize, String>,
    /// The path can't be written to.
    unwritable: bool,
}

#[derive(Default)]
pub(super) struct Files {
    pub(super) coredump: Option<Asked>,
    pub(super) profile: Option<Asked>,
    /// How often the stack was looked at, and whether that ended before the attempt did.
    pub(super) samples: Option<(u64, bool)>,
}

impl Files {
    /// Writes what there is.
    pub(super) fn write(args: &ReplayArgs, replayed: &mut Replayed) -> Self {
        let mut files = Self::default();
        if let (Some(path), Some(dump)) = (&args.coredump, replayed.coredump.take()) {
            files.coredump = Some(Asked::write(path, dump));
        }
        if let (Some(path), Some(profile)) = (&args.profile, replayed.profile.take()) {
            files.samples = profile.as_ref().ok().map(|profile| (profile.samples, profile.cut));
            files.profile = Some(Asked::write(path, profile.map(|profile| profile.json)));
        }
        files
    }

    /// The misuse, where a path can't be written to.
    pub(super) fn unwritten(&self) -> Result<()> {
        let mut all = self.coredump.iter().chain(&self.profile).filter(|asked| asked.unwritable);
        match all.next() {
            Some(Asked { path, written: Err(why), .. }) => {
                Err(Trouble::misuse(format!("can't write {}: {why}", path.display())))
            }
            _ => Ok(()),
        }
    }
}

impl Asked {
    fn write(path: &Path, content: Result<Vec<u8>, String>) -> Self {
        let path = path.to_owned();
        match content {
            Ok(bytes) => {
                let written = private(&path, &bytes).map(|()| bytes.len());
                let unwritable = written.is_err();
                Self { path, written: written.map_err(|error| error.to_string()), unwritable }
            }
            Err(why) => Self { path, written: Err(why), unwritable: false },
        }
    }
}

fn private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(PRIVATE).open(path)?;
    // One that was there keeps its mode.
    if file.metadata()?.is_file() {
        file.set_permissions(Permissions::from_mode(PRIVATE))?;
    }
    file.write_all(bytes)
}
