//! The folders that are used, and where programs are looked for.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{env, fs};

use crate::Error;

/// Where things are. Nothing else in this crate looks at the environment, except that the programs
/// it starts inherit it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// Holds what can be fetched again: a downloaded mongod. Made when needed.
    pub cache: PathBuf,
    /// Holds what must last: the background server's data. Made when needed.
    pub data: PathBuf,
    /// Holds temporary data folders. Exists.
    pub temp: PathBuf,
    /// Folders to look for programs in, in the form of the variable `PATH`.
    pub path: OsString,
}

impl Places {
    /// Reads the environment, the only function here that does: `XDG_CACHE_HOME` (default
    /// `~/.cache`) and `XDG_DATA_HOME` (default `~/.local/share`), in each a folder `mongoqueue`;
    /// `TMPDIR` (default `/tmp`); `PATH`; `HOME`, for the defaults.
    ///
    /// # Errors
    /// [`Error::NoHome`] if a default is needed and the home folder is not known.
    pub fn from_env() -> Result<Places, Error> {
        Ok(Places {
            cache: base("XDG_CACHE_HOME", ".cache")?.join("mongoqueue"),
            data: base("XDG_DATA_HOME", ".local/share")?.join("mongoqueue"),
            temp: env::temp_dir(),
            path: env::var_os("PATH").unwrap_or_default(),
        })
    }

    /// Every program of this name on the path, in its order.
    pub(crate) fn programs(&self, name: &str) -> Vec<PathBuf> {
        env::split_paths(&self.path)
            .filter(|folder| !folder.as_os_str().is_empty())
            // mongod is started in another folder: a relative path would lead nowhere there.
            .filter_map(|folder| std::path::absolute(folder.join(name)).ok())
            .filter(|program| is_executable(program))
            .collect()
    }

    /// The first program of this name on the path.
    pub(crate) fn program(&self, name: &str) -> Option<PathBuf> {
        self.programs(name).into_iter().next()
    }
}

/// A base folder of the XDG specification, which says that a relative one is to be ignored.
fn base(variable: &str, default: &str) -> Result<PathBuf, Error> {
    match env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute()) {
        Some(path) => Ok(path),
        None => Ok(env::home_dir()
            .filter(|home| home.is_absolute())
            .ok_or(Error::NoHome)?
            .join(default)),
    }
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

/// Makes a folder that only its owner can enter, parents included.
pub(crate) fn private_folder(path: &Path) -> Result<(), Error> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(Error::io(format!("making the folder {}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_come_in_the_order_of_the_path() {
        let places = Places {
            cache: PathBuf::new(),
            data: PathBuf::new(),
            temp: PathBuf::new(),
            path: OsString::from("/nowhere::/bin:/usr/bin"),
        };
        assert_eq!(places.program("sh"), Some(PathBuf::from("/bin/sh")));
        assert_eq!(places.program("no-program-has-this-name"), None);
    }
}
