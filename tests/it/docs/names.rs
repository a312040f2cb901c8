//! Names that programs match on are in the documents: deaths, codes, kinds of errors, events,
//! fields, indexes.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bson::{Document, doc};
use mongoqueue::{Backoff, Failure, Payload, Progress};
use mongoqueue_tests::Stage;
use wasmtime::Trap;

use super::{first_column, quoted, section, text};
use crate::house;

type Names = BTreeSet<String>;

fn is_name(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b"-:_".contains(&b))
}

/// The string literals of some code.
fn literals(code: &str) -> impl Iterator<Item = (&str, &str, &str)> {
    let mut parts: Vec<&str> = code.split('"').collect();
    if parts.len().is_multiple_of(2) {
        parts.pop();
    }
    let all: Vec<_> = parts
        .windows(3)
        .step_by(2)
        .filter_map(|w| Some((*w.first()?, *w.get(1)?, *w.get(2)?)))
        .collect();
    all.into_iter()
}

/// Names in the code of a folder that stand behind `before` and in front of `after`.
fn in_code(folder: &str, before: &[&str], after: &[&str]) -> Result<Names> {
    let mut names = Names::new();
    for (_, code) in house::code(folder)? {
        // Escaped quotes would turn inside out.
        let code = code.replace("\\\"", "'").replace("'\"'", "' '");
        for (left, word, right) in literals(&code) {
            let left = left.trim_end();
            let here = before.is_empty() || before.iter().any(|before| left.ends_with(before));
            let here = here && (after.is_empty() || after.iter().any(|it| right.starts_with(it)));
            if here && is_name(word) {
                names.insert(word.to_owned());
            }
        }
    }
    ensure!(!names.is_empty(), "nothing behind {before:?} in {folder}");
    Ok(names)
}

/// The name of a trap, by wasmtime's own.
fn code_of(trap: Trap) -> String {
    match trap {
        Trap::UnreachableCodeReached => return "unreachable".to_owned(),
        Trap::IntegerDivisionByZero => return "integer-divide-by-zero".to_owned(),
        _ => {}
    }
    let mut code = String::new();
    for letter in format!("{trap:?}").chars() {
        if letter.is_ascii_uppercase() && !code.is_empty() {
            code.push('-');
        }
        code.push(letter.to_ascii_lowercase());
    }
    code
}

#[test]
fn every_death_has_its_line() -> Result<()> {
    let mut kinds = in_code("host/queue/src", &["of_kind("], &[])?;
    kinds.extend(in_code("host/wasmtime/src", &["of_kind(", "refused("], &[])?);
    // `("exit".into(), message)` in the file that names them.
    kinds.extend(in_code("host/wasmtime/src/death.rs", &["("], &[".into(),"])?);
    // What `Failure::new` makes.
    kinds.insert(Failure::new("").kind.into_owned());
    let document = text("docs/deaths.md")?;
    let (tables, _) = document.split_once("\n## What is no death").context("its sections")?;
    let told = first_column(tables);
    let trap = |kind: &&String| kind.starts_with("trap:") && *kind != "trap:abi";
    let told: Names = told.iter().filter(|kind| !trap(kind)).cloned().collect();
    let kinds: Names = kinds.iter().filter(|kind| !trap(kind)).cloned().collect();
    ensure!(kinds.len() > 14, "{kinds:?}");
    assert_eq!(told, kinds);
    Ok(())
}

#[test]
fn every_part_of_the_bench_has_its_row() -> Result<()> {
    let document = text("docs/performance.md")?;
    let parts: Names = mongoqueue_bench::names().into_iter().map(str::to_owned).collect();
    assert_eq!(first_column(section(&document, "## Measuring")?), parts);
    Ok(())
}

#[test]
fn every_trap_has_its_code() -> Result<()> {
    let document = text("docs/deaths.md")?;
    let codes = quoted(section(&document, "## Trap codes")?);
    let told: Names =
        codes.into_iter().filter(|code| *code != "wasm32-wasip2").map(str::to_owned).collect();
    let traps: Names = (0..=u8::MAX).filter_map(Trap::from_u8).map(code_of).collect();
    assert_eq!(told, traps);
    for kind in first_column(&document).iter().filter_map(|kind| kind.strip_prefix("trap:")) {
        ensure!(traps.contains(kind) || ["abi", "…"].contains(&kind), "no trap {kind}");
    }
    Ok(())
}

#[test]
fn every_code_of_a_failure_is_told() -> Result<()> {
    let mut codes = in_code("guest/rust/src", &[".code("], &[])?;
    codes.extend(in_code("guest/rust/src/host_error.rs", &["=>"], &[])?);
    // Not those of the examples, which are whoever's.
    for room in ["queue", "wasmtime"] {
        codes.extend(in_code(&format!("host/{room}/src"), &[".code("], &[])?);
    }
    let document = text("docs/deaths.md")?;
    assert_eq!(first_column(section(&document, "## Codes of failures")?), codes);
    Ok(())
}

#[test]
fn every_kind_of_error_is_told_with_its_exit_code() -> Result<()> {
    let document = text("docs/cli.md")?;
    let table = section(&document, "## Errors for programs")?;
    let mut kinds = Names::new();
    for (exit, code) in [("No", 1), ("Misuse", 2), ("Database", 3), ("Refused", 4)] {
        let of_exit = in_code("host/cli/src", &[&format!("Exit::{exit},")], &[])?;
        for kind in &of_exit {
            let row = table.lines().find(|line| line.starts_with(&format!("| `{kind}` |")));
            // No command has a lock to lose.
            let Some(row) = row else {
                assert_eq!(kind, "lock-lost");
                continue;
            };
            ensure!(row.contains(&format!(" {code} ")), "{kind} with {code}: {row}");
        }
        kinds.extend(of_exit);
    }
    // Its exit code is worked out: a component that can't be read is misuse.
    kinds.insert("refused".to_owned());
    kinds.remove("lock-lost");
    assert_eq!(first_column(table), kinds);
    Ok(())
}

#[test]
fn every_event_of_a_worker_is_told() -> Result<()> {
    let document = text("docs/cli.md")?;
    let table = first_column(section(&document, "### work [QUEUE=COMPONENT.wasm]…")?);
    let told: Names = table.into_iter().filter(|name| !name.starts_with("--")).collect();
    let mut events = in_code("host/cli/src", &[":"], &[","])?;
    let named = in_code("host/cli/src/commands/work/events.rs", &[], &[])?;
    // What stands behind `"event":`, whatever else is made of names and a colon.
    events.retain(|name| named.contains(name) || name == "log");
    let other = "other";
    ensure!(events.remove(other), "an event of a later library is {other:?}");
    assert_eq!(told, events);
    Ok(())
}

/// Names of the first column that are no part of something.
fn whole(names: Names) -> Names {
    names.into_iter().filter(|name| !name.contains('.')).collect()
}

#[tokio::test]
async fn every_field_of_a_job_is_told() -> Result<()> {
    let stage = Stage::new().await?;
    let document = text("docs/document.md")?;
    let told = whole(first_column(section(&document, "## A job")?));
    let validator = stage.validator().await?;
    let schema = validator.get_document("$jsonSchema")?.get_document("properties")?;
    let mut known: Names = schema.keys().cloned().collect();
    known.extend(fields_of_a_life(&stage).await?);
    assert_eq!(told, known);
    stage.end().await
}

/// Every field that a job has on its way.
async fn fields_of_a_life(stage: &Stage) -> Result<Names> {
    let queue = stage.queue()?;
    let put = queue.put(Payload::bytes("text/plain", "a")).header("a", "b").unique_key("k");
    let hour = Duration::from_secs(3_600);
    let id = put.backoff(Backoff::exponential(Duration::ZERO, hour)).retain(hour).await?.id;
    let mut fields = Names::new();
    let mut look = async |of: &str| -> Result<Document> {
        let found = stage.all(&stage.jobs()).await?;
        let job = found.into_iter().next().with_context(|| of.to_owned())?;
        fields.extend(job.keys().cloned());
        Ok(job)
    };
    look("waiting").await?;
    stage.claim().await?.error(Failure::new("no").code("c")).await?;
    let job = stage.claim().await?;
    job.progress(&Progress { count: 1, total: Some(2), note: Some("n".to_owned()) }).await?;
    job.attempt().save(&Payload::bytes("text/plain", "s")).await?;
    queue.cancel(&id).await?;
    let running = look("running").await?;
    let errors = running.get_array("errors")?;
    let record = errors.first().and_then(|record| record.as_document()).context("a record")?;
    let document = text("docs/document.md")?;
    let told = first_column(section(&document, "## A job")?);
    for field in record.keys() {
        ensure!(told.contains(&format!("errors.{field}")), "no word of errors.{field}");
    }
    for part in ["claim", "progress", "backoff"] {
        let row = document.lines().find(|line| line.starts_with(&format!("| `{part}` |")));
        let row = row.with_context(|| format!("no row {part}"))?;
        for field in running.get_document(part)?.keys() {
            ensure!(row.contains(field.as_str()), "{row}: no {field}");
        }
    }
    job.complete(Some(Payload::bytes("text/plain", "o"))).await?;
    look("completed").await?;
    Ok(fields)
}

#[tokio::test]
async fn every_collection_and_index_is_told() -> Result<()> {
    let stage = Stage::new().await?;
    let document = text("docs/document.md")?;
    stage.mq.lock("a")?.run(Duration::ZERO, async |_| ()).await?;
    // Some indexes are made by the first job that needs them.
    stage.queue()?.put(doc! {}).unique_key("k").retain(Duration::from_secs(3_600)).await?;
    stage.claim().await?.complete(None).await?;
    let mut made: Names = stage.database.list_collection_names().await?.into_iter().collect();
    ensure!(made.remove("jobs"), "{made:?}");
    assert_eq!(first_column(section(&document, "## The collections beside it")?), made);
    let mut indexes = Names::new();
    for collection in ["jobs", "jobs.leases"] {
        let list = doc! { "listIndexes": collection };
        let answer = stage.database.run_command(list).await?;
        for index in answer.get_document("cursor")?.get_array("firstBatch")? {
            let index = index.as_document().context("an index")?;
            indexes.insert(index.get_str("name")?.to_owned());
        }
    }
    indexes.remove("_id_");
    assert_eq!(first_column(section(&document, "## Indexes")?), indexes);
    stage.end().await
}
