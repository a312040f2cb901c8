//! `cargo bench -- --languages`: what a handler costs in each language, by the handler that comes with
//! its template.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use mongoqueue::{Attempt, Handler, IntoPayload, Job, Outcome};
use mongoqueue_bench::{Machine, Spread};
use mongoqueue_tests::languages::{C, Folder, JS, Language, PYTHON, RUST, TS};
use mongoqueue_wasmtime::{ComponentHandler, ComponentSource, Grants, Sandbox, SandboxOptions};
use serde_json::{Value, json};

/// Attempts, one after the other; after as many that don't count.
const ATTEMPTS: usize = 200;
/// How often it is loaded.
const LOADS: usize = 5;

/// What is measured of one.
struct Cost {
    language: Language,
    /// Of the component, in bytes.
    size: usize,
    /// Milliseconds until it is loaded for the first time, compiling included.
    compile: f64,
    /// Milliseconds until a new sandbox that finds it compiled has made its first attempt.
    cold: Spread,
    /// Microseconds of an attempt, in an instance of its own.
    attempt: Spread,
    /// Bytes of linear memory that it has at the end.
    memory: u64,
}

/// A table of them all, as Markdown.
pub(crate) async fn table() -> Result<String> {
    let mut text = format!("{}\n\n", Machine::here().words());
    text.push_str("| | size | compile | cold start | an attempt | memory |\n");
    text.push_str("| --- | ---: | ---: | ---: | ---: | ---: |\n");
    for language in [RUST, C, JS, TS, PYTHON] {
        text.push_str(&row(&measure(language).await.context(language.name)?));
    }
    Ok(text)
}

fn row(cost: &Cost) -> String {
    let Cost { language, size, compile, cold, attempt, memory } = cost;
    format!(
        "| {} | {:.2} MB | {compile:.0} ms | {:.1} ms | {:.0} µs ({:.0} to {:.0}) | {:.1} MiB |\n",
        language.name,
        *size as f64 / 1e6,
        cold.median,
        attempt.median,
        attempt.least,
        attempt.most,
        *memory as f64 / f64::from(1 << 20),
    )
}

async fn measure(language: Language) -> Result<Cost> {
    let builds = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let folder = Folder::built(language, builds)?.template;
    let component = std::fs::read(folder.join("handler.wasm"))?;
    let sample: Value = serde_json::from_slice(&std::fs::read(folder.join("ada.json"))?)?;
    let folder = tempfile::tempdir()?;
    // Made by the sandbox, for nobody else to read.
    let cache = folder.path().join("compiled");

    let begun = Instant::now();
    load(&component, &cache)?;
    let compile = milliseconds(begun);

    let mut colds = Vec::new();
    for _ in 0..LOADS {
        let begun = Instant::now();
        let handler = load(&component, &cache)?;
        completed(attempt(&handler, &sample).await?)?;
        colds.push(milliseconds(begun));
    }

    let handler = load(&component, &cache)?;
    let mut attempts = Vec::new();
    for n in 0..2 * ATTEMPTS {
        let begun = Instant::now();
        completed(attempt(&handler, &sample).await?)?;
        if n >= ATTEMPTS {
            attempts.push(milliseconds(begun) * 1e3);
        }
    }
    Ok(Cost {
        language,
        size: component.len(),
        compile,
        cold: Spread::of(&colds),
        attempt: Spread::of(&attempts),
        memory: memory(attempt(&handler, &json!({})).await?)?,
    })
}

/// In a sandbox of its own, with the settings of every worker.
fn load(component: &[u8], cache: &Path) -> Result<ComponentHandler> {
    let options = SandboxOptions { cache: Some(cache.to_owned()), ..SandboxOptions::default() };
    let source = ComponentSource::bytes("handler", component.to_vec());
    Ok(ComponentHandler::load(&Sandbox::new(options)?, source, Grants::default())?)
}

async fn attempt(handler: &ComponentHandler, payload: &Value) -> Result<Outcome> {
    let job = Job::new("q", payload.clone().into_payload()?);
    Ok(handler.handle(Attempt::detached(job)).await)
}

fn completed(outcome: Outcome) -> Result<()> {
    match outcome {
        Outcome::Completed(Some(_)) => Ok(()),
        other => bail!("an attempt came to {other:?}"),
    }
}

/// Only a failure says what was used up: the template's handler rejects a job without a name.
fn memory(outcome: Outcome) -> Result<u64> {
    match outcome {
        Outcome::Failed(failure) => failure.evidence.memory.context("no memory"),
        other => bail!("an attempt came to {other:?}"),
    }
}

fn milliseconds(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1e3
}
