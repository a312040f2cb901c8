//! The rules of the house that a program can check; CONTRIBUTING.md has them in words.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use mongoqueue_tests::built;
use serde_json::Value;

/// Files of the checkout with this ending, by their paths in it, without what is hidden or built.
pub(crate) fn files(ending: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![built::checkout().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let (path, kind) = entry.map(|entry| (entry.path(), entry.file_type()))?;
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with('.') || ["target", "node_modules"].contains(&&*name) {
                continue;
            }
            if kind?.is_dir() {
                folders.push(path);
            } else if name.ends_with(ending) {
                found.push(path.strip_prefix(built::checkout())?.to_owned());
            }
        }
    }
    found.sort();
    ensure!(!found.is_empty(), "no files *{ending}");
    Ok(found)
}

/// The Rust files under a folder, without comments and unit tests.
pub(crate) fn code(folder: &str) -> Result<Vec<(PathBuf, String)>> {
    let paths = files(".rs")?;
    let texts: Vec<(PathBuf, String)> = paths
        .into_iter()
        .map(|path| Ok((path.clone(), fs::read_to_string(built::checkout().join(path))?)))
        .collect::<Result<_>>()?;
    let tests: Vec<PathBuf> =
        texts.iter().flat_map(|(path, text)| test_modules(path, text)).collect();
    let is_test = |path: &Path| tests.iter().any(|module| path.starts_with(module));
    let of_folder = texts
        .into_iter()
        .filter(|(path, _)| path.starts_with(folder) && !is_test(&path.with_extension("")));
    let all: Vec<_> = of_folder.map(|(path, text)| (path, without_tests(&text))).collect();
    ensure!(!all.is_empty(), "no code in {folder}");
    Ok(all)
}

/// The modules of a file that are compiled for tests only, by their paths without the ending.
fn test_modules(path: &Path, text: &str) -> Vec<PathBuf> {
    let root = path.ends_with("lib.rs") || path.ends_with("main.rs");
    let folder =
        if root { path.parent().map(Path::to_owned) } else { Some(path.with_extension("")) };
    let folder = folder.unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let after = lines.windows(2).filter(|pair| pair.first() == Some(&"#[cfg(test)]"));
    let named = after.filter_map(|pair| pair.get(1)?.strip_prefix("mod ")?.strip_suffix(';'));
    named.map(|name| folder.join(name)).collect()
}

fn without_tests(text: &str) -> String {
    let inline = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or(text);
    let lines = inline.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Every place in these folders that has one of the words, but for the files that may.
fn places(folders: &[&str], words: &[&str], may: impl Fn(&Path) -> bool) -> Result<Vec<String>> {
    let mut places = Vec::new();
    for folder in folders {
        for (path, code) in code(folder)? {
            let here = words.iter().filter(|word| code.contains(**word) && !may(&path));
            places.extend(here.map(|word| format!("{}: {word}", path.display())));
        }
    }
    Ok(places)
}

fn none(places: Vec<String>) {
    assert!(places.is_empty(), "{places:#?}");
}

#[test]
fn no_source_file_is_longer_than_a_room() -> Result<()> {
    const MOST: usize = 500;
    let mut long = Vec::new();
    for path in files(".rs")?.into_iter().chain(files(".wit")?) {
        let lines = fs::read_to_string(built::checkout().join(&path))?.lines().count();
        if lines > MOST {
            long.push(format!("{}: {lines} lines", path.display()));
        }
    }
    none(long);
    Ok(())
}

#[test]
fn update_operators_stand_in_transition_only() -> Result<()> {
    let operators = [
        "\"$set\"",
        "\"$unset\"",
        "\"$setOnInsert\"",
        "\"$inc\"",
        "\"$mul\"",
        "\"$push\"",
        "\"$pull\"",
        "\"$pullAll\"",
        "\"$addToSet\"",
        "\"$pop\"",
        "\"$rename\"",
        "\"$currentDate\"",
        "\"$bit\"",
        "\"$replaceWith\"",
        "\"$replaceRoot\"",
    ];
    none(places(&["host"], &operators, |path| {
        path.starts_with("host/queue/src/transition.rs")
            || path.starts_with("host/queue/src/transition")
            // Marks the collections with the version of their schema, which is no job's write.
            || path.ends_with("store/setup.rs")
            // Sends the same statements without our code, to measure it by.
            || path.starts_with("host/bench")
    })?);
    Ok(())
}

#[test]
fn commands_are_run_in_store_only() -> Result<()> {
    none(places(&["host"], &["run_command"], |path| {
        path.starts_with("host/queue/src/store.rs")
            || path.starts_with("host/queue/src/store")
            // Its own servers' commands, which know of no job.
            || path.starts_with("host/mongod")
            // As above.
            || path.starts_with("host/bench")
    })?);
    Ok(())
}

#[test]
fn libraries_neither_print_nor_look_around() -> Result<()> {
    let loud = ["print!(", "println!(", "dbg!(", "process::exit", "std::env::", "env::var"];
    let rooms = ["host/queue/src", "host/wasmtime/src", "host/c/src", "guest/rust/src"];
    none(places(&rooms, &loud, |_| false)?);
    let loud = ["print!(", "println!(", "dbg!(", "process::exit", "env::var", "env::home_dir"];
    none(places(&["host/mongod/src", "host/bench/src"], &loud, |path| {
        path.ends_with("places.rs")
    })?);
    Ok(())
}

#[test]
fn tests_do_not_sleep_in_order_to_wait() -> Result<()> {
    none(places(&["tests/it"], &[concat!("sleep", "(")], |_| false)?);
    Ok(())
}

/// The modules of `host/queue` in the order of its `lib.rs`, and in which of them each of the
/// public names is.
fn rooms() -> Result<(Vec<String>, BTreeMap<String, String>)> {
    let lib = fs::read_to_string(built::checkout().join("host/queue/src/lib.rs"))?;
    let module = |line: &str| Some(line.strip_prefix("mod ")?.strip_suffix(';')?.to_owned());
    let rooms: Vec<String> = lib.lines().filter_map(module).collect();
    let mut names = BTreeMap::new();
    for export in lib.split(';').filter_map(|part| part.trim().strip_prefix("pub use ")) {
        let (room, list) = export.split_once("::").context("an export of a module")?;
        let list = list.trim_matches(['{', '}', ' ', '\n']).split(',').map(str::trim);
        let list = list.filter(|name| !name.is_empty());
        names.extend(list.map(|name| (name.to_owned(), room.to_owned())));
    }
    ensure!(rooms.len() > 10 && names.len() > 20, "{rooms:?} {names:?}");
    Ok((rooms, names))
}

/// The modules that some code names by `crate::`.
fn named(code: &str, names: &BTreeMap<String, String>) -> BTreeSet<String> {
    let after = code.split("crate::").skip(1);
    let word = |rest: &str| -> String {
        rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    after.map(word).map(|word| names.get(&word).cloned().unwrap_or(word)).collect()
}

#[test]
fn a_room_of_the_queue_uses_those_above_it() -> Result<()> {
    let (rooms, names) = rooms()?;
    let above = |room: &str| rooms.iter().position(|other| other == room);
    let mut wrong = Vec::new();
    for (path, code) in code("host/queue/src")? {
        let inside = path.strip_prefix("host/queue/src")?;
        let depth = inside.components().count();
        let room = inside.components().next().context("a file")?.as_os_str().to_string_lossy();
        let room = room.trim_end_matches(".rs").to_owned();
        if room == "lib" {
            continue;
        }
        let here = above(&room).with_context(|| format!("{room} is not in lib.rs"))?;
        // Another way to say `crate::`.
        let out = format!("\nuse {}", "super::".repeat(depth));
        ensure!(!code.contains(&out), "{} leaves its room", path.display());
        for used in named(&code, &names) {
            // The error names the id of a job, whose reading can fail.
            if (room.as_str(), used.as_str()) == ("error", "job") {
                continue;
            }
            let there = above(&used).with_context(|| format!("{room} uses crate::{used}"))?;
            if there > here {
                wrong.push(format!("{} uses {used}, which is below it", path.display()));
            }
        }
    }
    none(wrong);
    Ok(())
}

/// What cargo answers.
pub(crate) fn cargo(args: &[&str]) -> Result<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo).args(args).current_dir(built::checkout()).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "cargo {}:\n{said}", args.join(" "));
    Ok(String::from_utf8(output.stdout)?)
}

/// The packages of the workspace.
fn packages() -> Result<Vec<Value>> {
    let answer = cargo(&["metadata", "--no-deps", "--format-version", "1", "--offline"])?;
    let answer: Value = serde_json::from_str(&answer)?;
    Ok(answer["packages"].as_array().context("packages")?.clone())
}

fn name(value: &Value) -> &str {
    value["name"].as_str().unwrap_or_default()
}

/// What a package depends on when it is used.
fn dependencies(package: &Value) -> Result<Vec<&str>> {
    let all = package["dependencies"].as_array().context("dependencies")?;
    Ok(all.iter().filter(|it| it["kind"] == Value::Null).map(name).collect())
}

#[test]
fn the_crates_keep_apart() -> Result<()> {
    let packages = packages()?;
    let mut checked = 0;
    for package in packages.iter().filter(|package| name(package) != "mongoqueue-cli") {
        let all = dependencies(package)?;
        ensure!(!all.contains(&"mongoqueue-cli"), "{} needs the command line", name(package));
        let mut ours: Vec<&str> =
            all.iter().filter(|name| name.starts_with("mongoqueue")).copied().collect();
        ours.sort_unstable();
        let wasmtime = all.iter().any(|name| name.starts_with("wasmtime"));
        match name(package) {
            "mongoqueue" | "mongoqueue-mongod" | "mongoqueue-guest" => {
                assert_eq!((ours, wasmtime), (vec![], false), "{}", name(package));
            }
            "mongoqueue-wasmtime" => {
                assert_eq!((ours, wasmtime), (vec!["mongoqueue"], true));
                ensure!(!all.contains(&"mongodb"), "the adapter has a driver of its own");
            }
            "mongoqueue-bench" | "mongoqueue-c" => {
                assert_eq!(ours, ["mongoqueue", "mongoqueue-wasmtime"])
            }
            // Tests may use everything.
            _ => continue,
        }
        checked += 1;
    }
    assert_eq!(checked, 6);
    let cli = packages.iter().find(|package| name(package) == "mongoqueue-cli");
    let cli = dependencies(cli.context("the command line")?)?;
    ensure!(!cli.iter().any(|name| name.starts_with("wasmtime")), "{cli:?}");
    Ok(())
}

#[test]
fn who_only_puts_jobs_compiles_no_wasm() -> Result<()> {
    let args = ["--package", "mongoqueue", "--edges", "normal", "--prefix", "none", "--offline"];
    let tree = cargo(&[&["tree"][..], &args].concat())?;
    let names: BTreeSet<&str> =
        tree.lines().filter_map(|line| line.split_whitespace().next()).collect();
    ensure!(names.contains("mongodb"), "{names:?}");
    let wasm = |name: &&&str| {
        ["wasm", "wit-", "cranelift", "wasi"].iter().any(|word| name.starts_with(word))
    };
    assert_eq!(names.iter().filter(wasm).collect::<Vec<_>>(), Vec::<&&str>::new());
    Ok(())
}

#[test]
fn each_crate_says_what_it_is() -> Result<()> {
    for package in packages()? {
        let of = name(&package);
        ensure!(package["description"].is_string(), "{of} has no description");
        assert_eq!(package["license"], "MIT OR Apache-2.0", "{of}");
        let manifest = package["manifest_path"].as_str().context("a manifest")?;
        let lints = "[lints]\nworkspace = true";
        ensure!(fs::read_to_string(manifest)?.contains(lints), "{of} has lints of its own");
    }
    for file in ["LICENSE-MIT", "LICENSE-APACHE"] {
        ensure!(built::checkout().join(file).is_file(), "{file} is missing");
    }
    Ok(())
}
