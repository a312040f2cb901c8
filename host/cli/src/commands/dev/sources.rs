//! What a handler is made of, told from what is made of it.

use std::ffi::OsStr;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Component, Path};

/// Folders that tools fill.
const MADE: [&str; 6] = ["build", "dist", "target", "node_modules", "__pycache__", "bindings"];

/// Larger files are told apart by size and time of change.
const READ: u64 = 1 << 20;

/// Folders in folders: deeper ones are left out.
const DEEP: usize = 32;

/// True of a path in a handler's folder that lies where tools put what they make, or is hidden.
pub(super) fn is_made(path: &Path) -> bool {
    let hidden = |name: &OsStr| name.to_string_lossy().starts_with('.');
    path.components().any(|part| match part {
        Component::Normal(name) => hidden(name) || MADE.iter().any(|made| name == *made),
        _ => false,
    })
}

/// A number that is another one when a file below the folder is another one. Only what `wanted` says
/// yes to is looked at, folders too. Links are not followed.
pub(super) fn fingerprint(folder: &Path, wanted: &dyn Fn(&Path) -> bool) -> u64 {
    let mut hasher = DefaultHasher::new();
    look(folder, (wanted, DEEP), &mut hasher);
    hasher.finish()
}

fn look(
    folder: &Path,
    (wanted, deep): (&dyn Fn(&Path) -> bool, usize),
    hasher: &mut DefaultHasher,
) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let mut entries: Vec<_> = entries.filter_map(Result::ok).collect();
    entries.sort_by_key(std::fs::DirEntry::path);
    for entry in entries {
        let (path, kind) = (entry.path(), entry.file_type());
        let made = is_made(Path::new(&entry.file_name()));
        let Ok(kind) = kind else { continue };
        if kind.is_dir() && deep > 0 && !made && wanted(&path) {
            look(&path, (wanted, deep - 1), hasher);
        } else if kind.is_file() && wanted(&path) {
            path.hash(hasher);
            content(&path).hash(hasher);
        }
    }
}

/// What stands for a file's content.
pub(super) fn content(path: &Path) -> Option<u64> {
    let about = std::fs::metadata(path).ok()?;
    let mut hasher = DefaultHasher::new();
    match about.len() <= READ {
        true => std::fs::read(path).ok()?.hash(&mut hasher),
        false => (about.len(), about.modified().ok()?).hash(&mut hasher),
    }
    Some(hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tools_make_is_no_source() {
        for made in
            [".git/HEAD", "target/x", "a/node_modules/b/c.js", ".venv/bin/python", "build/h"]
        {
            assert!(is_made(Path::new(made)), "{made}");
        }
        for source in ["src/lib.rs", "Cargo.toml", "src/builder.rs", "wit/world.wit"] {
            assert!(!is_made(Path::new(source)), "{source}");
        }
    }

    #[test]
    fn another_content_is_another_fingerprint() -> std::io::Result<()> {
        let folder = tempfile::tempdir()?;
        let of = || fingerprint(folder.path(), &|_| true);
        let file = folder.path().join("src/a.rs");
        std::fs::create_dir(folder.path().join("src"))?;
        std::fs::create_dir(folder.path().join("target"))?;
        std::fs::write(&file, "one")?;
        let one = of();
        std::fs::write(&file, "one")?;
        std::fs::write(folder.path().join("target/a"), "made")?;
        assert_eq!(of(), one);
        std::fs::write(&file, "two")?;
        assert_ne!(of(), one);
        std::fs::remove_file(&file)?;
        assert_ne!(of(), one);
        Ok(())
    }
}
