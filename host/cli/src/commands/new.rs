//! `mongoqueue new`: a folder with a handler that builds and runs as it stands.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use include_dir::{Dir, DirEntry, include_dir};
use serde_json::json;

use crate::args::{Language, NewArgs};
use crate::show::{Show, Tone, escape};
use crate::trouble::{Result, Trouble};

mod c;

/// The name of the handler in the templates.
const NAME: &str = "my-handler";

/// The longest name: a queue's, less some room.
const LONGEST: usize = 64;

static WIT: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../wit");
static RUST: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../guest/rust/template");
static RUST_SDK: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../guest/rust/src");
static JS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../guest/javascript/template/js");
static TS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../guest/javascript/template/ts");
static JS_SDK: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../guest/javascript/mongoqueue");
static PYTHON: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../guest/python/template");
static PYTHON_SDK: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../guest/python/sdk");
static C: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../guest/c/template");
static C_SDK: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../guest/c/mongoqueue");

/// The path of a file in the new folder, and what is in it.
type File = (PathBuf, Cow<'static, [u8]>);

/// What a handler's folder is made of, and where in it each part lies.
fn parts(language: Language) -> [(&'static str, &'static Dir<'static>); 3] {
    const CONTRACT: &str = "wit/deps/mongoqueue-jobs";
    match language {
        Language::Rust => [("", &RUST), ("vendor/mongoqueue-guest/src", &RUST_SDK), ("wit", &WIT)],
        Language::Js => [("", &JS), ("mongoqueue", &JS_SDK), (CONTRACT, &WIT)],
        Language::Ts => [("", &TS), ("mongoqueue", &JS_SDK), (CONTRACT, &WIT)],
        Language::Python => [("", &PYTHON), ("src", &PYTHON_SDK), (CONTRACT, &WIT)],
        Language::C => [("", &C), ("mongoqueue", &C_SDK), ("wit", &WIT)],
    }
}

/// All files of a handler's folder.
fn files(language: Language) -> Result<Vec<File>> {
    let mut files = Vec::new();
    for (at, part) in parts(language) {
        gather(part, Path::new(at), &mut files);
    }
    if language == Language::C {
        let bindings = c::bindings(&WIT).map_err(|why| Trouble::misuse(format!("wit/: {why}")))?;
        let at = Path::new("mongoqueue/bindings");
        files.extend(bindings.into_iter().map(|(name, it)| (at.join(name), Cow::Owned(it))));
    }
    Ok(files)
}

pub(super) fn run(show: Show, args: &NewArgs) -> Result<()> {
    let name = name(&args.folder)?;
    if fs::read_dir(&args.folder).is_ok_and(|mut entries| entries.next().is_some()) {
        let folder = args.folder.display();
        return Err(Trouble::misuse(format!(
            "{folder} is there, and is not empty: nothing written"
        )));
    }
    let files = files(args.lang)?;
    write(&args.folder, &name, &files)?;
    let folder = args.folder.display().to_string();
    let readme = fs::read_to_string(args.folder.join("README.md")).unwrap_or_default();
    let steps = first_block(&readme);
    let value = json!({
        "name": name, "folder": folder, "lang": args.lang.name(), "files": files.len(),
        "next": steps,
    });
    show.answer(&value, || {
        let made = show.paint(Tone::Good, "made");
        let cd = format!("  cd {}", escape::line(&folder));
        let steps = steps.iter().map(|step| format!("  {step}"));
        let steps: Vec<String> = std::iter::once(cd).chain(steps).collect();
        format!("{made} {}, a handler; next:\n{}", escape::line(&folder), steps.join("\n"))
    })
}

/// The last part of the path: the name of a package in any of the languages, and of a queue.
fn name(folder: &Path) -> Result<String> {
    let name = folder.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = name.unwrap_or_default();
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let is_name = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.len() <= LONGEST
        && name.chars().all(plain)
        && !name.ends_with('-');
    if is_name {
        return Ok(name);
    }
    Err(Trouble::misuse(format!(
        "{name:?} is no name of a handler: it begins with a letter from a to z, and has {LONGEST} \
         such letters, digits and single - at the most, as in resize-images"
    )))
}

/// All files below a folder, with their paths in the new one.
fn gather(dir: &'static Dir<'static>, at: &Path, files: &mut Vec<File>) {
    for entry in dir.entries() {
        match entry {
            DirEntry::Dir(inner) => {
                let name = inner.path().file_name().unwrap_or_default();
                gather(inner, &at.join(name), files);
            }
            DirEntry::File(file) => {
                let name = file.path().file_name().unwrap_or_default();
                files.push((at.join(own_name(name)), Cow::Borrowed(file.contents())));
            }
        }
    }
}

/// Under its own name it would be about the repository's files, or a second package of the name.
fn own_name(name: &OsStr) -> &OsStr {
    match name.to_str() {
        Some("gitignore") => ".gitignore".as_ref(),
        Some("manifest.toml") => "Cargo.toml".as_ref(),
        _ => name,
    }
}

/// Beside it first, so that a folder is there as a whole or not at all.
fn write(folder: &Path, name: &str, files: &[File]) -> Result<()> {
    let failed = |path: &Path, error: std::io::Error| {
        Trouble::misuse(format!("can't write {}: {error}", path.display()))
    };
    let mut beside = folder.as_os_str().to_owned();
    beside.push(format!(".new-{}", std::process::id()));
    let beside = PathBuf::from(beside);
    let written = files.iter().try_for_each(|(path, bytes)| {
        let path = beside.join(path);
        let parent = path.parent().unwrap_or(&beside);
        fs::create_dir_all(parent).map_err(|error| failed(parent, error))?;
        let named = std::str::from_utf8(bytes).map(|text| text.replace(NAME, name));
        let bytes = named.as_deref().map_or(bytes.as_ref(), str::as_bytes);
        fs::write(&path, bytes).map_err(|error| failed(&path, error))
    });
    // An empty folder gives way to it.
    let moved =
        written.and_then(|()| fs::rename(&beside, folder).map_err(|error| failed(folder, error)));
    if moved.is_err() {
        // What could not be made is not left half made.
        let _ = fs::remove_dir_all(&beside);
    }
    moved
}

/// The lines of the first block of commands.
fn first_block(readme: &str) -> Vec<String> {
    let block = readme.split_once("```sh\n").and_then(|(_, rest)| rest.split_once("```"));
    block.map_or_else(Vec::new, |(block, _)| block.lines().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_packages_and_queues() {
        for good in ["a", "resize-images", "x/y/mailer2"] {
            assert!(name(Path::new(good)).is_ok(), "{good}");
        }
        let long = "a".repeat(LONGEST + 1);
        for bad in ["", ".", "..", "/", "Mailer", "2mails", "a_b", "a b", "a-", "ä", "a\n", &long]
        {
            assert!(name(Path::new(bad)).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn each_template_has_a_readme_with_commands_and_says_its_name() {
        for language in Language::ALL {
            let files = files(language).unwrap();
            let paths: std::collections::BTreeSet<_> = files.iter().map(|(path, _)| path).collect();
            assert_eq!(paths.len(), files.len(), "{language:?}: two files of a name");
            let readme = files.iter().find(|(path, _)| path == Path::new("README.md"));
            let readme = String::from_utf8_lossy(&readme.unwrap().1);
            assert!(readme.contains(NAME), "{language:?}");
            assert!(first_block(&readme).iter().any(|it| it.starts_with("mongoqueue work ")));
            assert!(paths.contains(&PathBuf::from(".gitignore")), "{language:?}");
        }
    }
}
