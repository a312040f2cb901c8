//! Handlers in each language: the template builds and runs as it stands, by the commands of its
//! README, and its SDK does what all of them do.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use mongoqueue::{Attempt, Handler, IntoPayload, Job, Outcome};
use mongoqueue_tests::languages::{C, Folder, JS, Language, PYTHON, RUST, TS};
use mongoqueue_tests::soon;
use mongoqueue_wasmtime::{ComponentHandler, ComponentSource, Grants};
use serde_json::{Value, json};

use crate::sandbox::sandbox;

mod cases;
mod examples;

/// Where cargo has room for what tests leave.
const BUILDS: &str = env!("CARGO_TARGET_TMPDIR");

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

#[tokio::test]
async fn c() -> Result<()> {
    conforms(C).await
}

async fn conforms(language: Language) -> Result<()> {
    // Packages are fetched and compilers run: not on a thread that others wait on.
    let folder =
        tokio::task::spawn_blocking(move || Folder::built(language, BUILDS.as_ref())).await??;
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
