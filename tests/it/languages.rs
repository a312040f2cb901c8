//! Handlers in each language: the template builds and runs as it stands, by the commands of its
//! README, and its SDK does what all of them do.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use mongoqueue::{Attempt, Handler, IntoPayload, Job, Outcome};
use mongoqueue_tests::{built, soon};
use mongoqueue_wasmtime::{ComponentHandler, ComponentSource, Grants};
use serde_json::{Value, json};

use crate::sandbox::sandbox;

mod cases;
mod folder;

use folder::Folder;

/// A language, and how its SDK differs where languages do.
#[derive(Clone, Copy, Debug)]
struct Language {
    /// As `mongoqueue new` is told.
    name: &'static str,
    /// The conformance guest in the repository, and where in a handler's folder it belongs.
    guest: (&'static str, &'static str),
    /// What a build leaves, in a handler's folder.
    component: &'static str,
    /// How an exception of a defect names itself in the failure's message.
    thrown: &'static str,
    /// The kind of that death.
    dies_of: &'static str,
}

const RUST: Language = Language {
    name: "rust",
    guest: ("guest/rust/examples/conformance.rs", "src/lib.rs"),
    component: "target/wasm32-wasip2/release/handler.wasm",
    thrown: "boom: the fuse",
    dies_of: "trap:unreachable",
};

const JS: Language = Language {
    name: "js",
    guest: ("guest/javascript/conformance/handler.js", "src/handler.js"),
    component: "build/handler.wasm",
    thrown: "TypeError: boom: RangeError: the fuse",
    dies_of: "failure",
};

const TS: Language = Language {
    name: "ts",
    guest: ("guest/javascript/conformance/handler.ts", "src/handler.ts"),
    ..JS
};

const PYTHON: Language = Language {
    name: "python",
    guest: ("guest/python/conformance/handler.py", "src/handler.py"),
    thrown: "TypeError: boom: ValueError: the fuse",
    ..JS
};

#[tokio::test]
async fn rust() -> Result<()> {
    conforms(RUST).await
}

#[tokio::test]
async fn javascript() -> Result<()> {
    conforms(JS).await
}

#[tokio::test]
async fn typescript() -> Result<()> {
    conforms(TS).await
}

#[tokio::test]
async fn python() -> Result<()> {
    conforms(PYTHON).await
}

async fn conforms(language: Language) -> Result<()> {
    // Packages are fetched and compilers run: not on a thread that others wait on.
    let folder = tokio::task::spawn_blocking(move || Folder::built(language)).await??;
    greets(&folder.template).await.context("the template's handler")?;
    cases::all(language, &folder.conformance).await
}

/// The handler that comes with the template, and the sample that comes with it.
async fn greets(folder: &Path) -> Result<()> {
    let handler = load(folder.join("handler.wasm"), Grants::default()).await?;
    let sample: Value = serde_json::from_str(&fs::read_to_string(folder.join("ada.json"))?)?;
    let job = Job::new("q", sample.into_payload()?);
    let outcome = soon("the attempt ends", handler.handle(Attempt::detached(job))).await?;
    let Outcome::Completed(Some(output)) = outcome else { bail!("{outcome:?}") };
    assert_eq!(output.deserialize::<Value>()?, json!({ "greeting": "Hello, Ada!" }));
    Ok(())
}

/// Twelve megabytes compile for longer than a connection stands a thread that does nothing else.
async fn load(component: PathBuf, grants: Grants) -> Result<ComponentHandler> {
    let load = move || -> Result<ComponentHandler> {
        Ok(ComponentHandler::load(sandbox()?, ComponentSource::file(component), grants)?)
    };
    tokio::task::spawn_blocking(load).await?
}

/// The text of each file that what is built depends on.
fn inputs() -> Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut files = Vec::new();
    for folder in ["wit", "guest"] {
        gather(&built::checkout().join(folder), &mut files)?;
    }
    files.sort();
    Ok(files)
}

fn gather(folder: &Path, files: &mut Vec<(PathBuf, Vec<u8>)>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        match path.is_dir() {
            true => gather(&path, files)?,
            false => files.push((path.clone(), fs::read(&path)?)),
        }
    }
    Ok(())
}
