//! `libmongoqueue`: from C and from Python, used and misused.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use mongoqueue::{JobId, State};
use mongoqueue_tests::{Stage, built};
use serde_json::json;
use tempfile::TempDir;

use super::{npm, run};
use crate::docs;

/// Compiles a program against the header and the library.
async fn compiled(folder: &TempDir, name: &str) -> Result<PathBuf> {
    let library = built::library()?;
    let library_folder = library.parent().context("no folder")?;
    let source = built::checkout().join("tests/it/embedding/c").join(format!("{name}.c"));
    let program = folder.path().join(name);
    let include = built::checkout().join("host/c/include");
    let words =
        ["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", "-pthread"].map(str::to_owned);
    let mut args = words.to_vec();
    args.push(format!("-I{}", include.display()));
    args.extend([source.display().to_string(), library.display().to_string()]);
    args.extend([format!("-Wl,-rpath,{}", library_folder.display()), "-o".to_owned()]);
    args.push(program.display().to_string());
    run(Path::new("cc"), &args, "").await?;
    Ok(program)
}

#[tokio::test]
async fn a_c_program_uses_all_of_it() -> Result<()> {
    let (stage, folder) = (Stage::new().await?, TempDir::new()?);
    let program = compiled(&folder, "use").await?;
    let pipeline = built::guest("pipeline")?.display().to_string();
    let said = run(&program, &[stage.uri_of_database(), pipeline], "").await?;
    insta::assert_snapshot!(said, @r#"
    {"id":"first","created":true}
    {"id":"first","created":false}
    {"n":1}
    {"id":"first","queue":"letters","state":"completed","payload":{"n":1},"content_type":"application/json","headers":{},"attempt":1,"max_attempts":3,"output":{"done":true},"error":null}
    {"id":"second","queue":"letters","state":"dead","payload":2,"content_type":"application/json","headers":{"a":"b"},"attempt":2,"max_attempts":3,"output":null,"error":{"kind":"failure","code":"smtp-550","message":"no such mailbox"}}
    {"scheduled":0,"ready":1,"running":0,"completed":1,"dead":1,"cancelled":0}
    {"completed":1,"failed":0,"dead":0,"released":0,"handed_back":0,"lost":0,"unknown":0}
    "#);
    let words = stage.mq.queue("words")?.stats().await?;
    assert_eq!(words.ready, 2);
    stage.end().await
}

#[tokio::test]
async fn misuse_from_c_is_answered_by_an_error() -> Result<()> {
    let (stage, folder) = (Stage::new().await?, TempDir::new()?);
    let program = compiled(&folder, "misuse").await?;
    assert_eq!(run(&program, &[stage.uri_of_database()], "").await?, "as told\n");
    // Eight threads put twenty each, and one of the jobs was completed by one of them.
    assert_eq!(stage.queue()?.stats().await?.ready, 159);
    stage.end().await
}

/// The program of a language in docs/embedding.md, in a file.
fn snippet(folder: &TempDir, language: &str, name: &str) -> Result<PathBuf> {
    let blocks = docs::blocks(&docs::text("docs/embedding.md")?, language);
    let file = folder.path().join(name);
    std::fs::write(&file, blocks.first().context("no program")?)?;
    Ok(file)
}

#[tokio::test]
async fn the_python_of_the_documents_runs() -> Result<()> {
    let (stage, folder) = (Stage::new().await?, TempDir::new()?);
    let program = snippet(&folder, "python", "jobs.py")?.display().to_string();
    let library = built::library()?.display().to_string();
    let said = run(Path::new("python3"), &[program, library, stage.uri_of_database()], "").await?;
    insta::assert_snapshot!(said, @"
    working on {'to': 'ada'}
    refused: invalid queue name: it is empty
    ");
    let job = stage.mq.queue("letters")?.get(&"letter-1".parse::<JobId>()?).await?;
    assert_eq!(job.state, State::Completed);
    assert_eq!(job.output.map(|output| output.to_json()), Some(json!({ "sent": true })));
    stage.end().await
}

#[tokio::test]
async fn the_javascript_of_the_documents_runs() -> Result<()> {
    let (stage, folder) = (Stage::new().await?, TempDir::new()?);
    let program = snippet(&folder, "js", "jobs.js")?.display().to_string();
    std::os::unix::fs::symlink(npm("koffi", "3.3.4").await?, folder.path().join("node_modules"))?;
    let library = built::library()?.display().to_string();
    let said = run(Path::new("node"), &[program, library, stage.uri_of_database()], "").await?;
    assert_eq!(said, "working on {\"to\":\"ada\"}\n");
    let job = stage.mq.queue("letters")?.get(&"letter-1".parse::<JobId>()?).await?;
    assert_eq!(job.output.map(|output| output.to_json()), Some(json!({ "sent": true })));
    stage.end().await
}

#[tokio::test]
async fn misuse_from_python_is_answered_by_an_error() -> Result<()> {
    let stage = Stage::new().await?;
    let library = built::library()?.display().to_string();
    let program = built::checkout().join("tests/it/embedding/c/misuse.py").display().to_string();
    let said = run(Path::new("python3"), &[program, library, stage.uri_of_database()], "").await?;
    assert_eq!(said, "as told\n");
    stage.end().await
}

fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("mq_")).map(str::to_owned).collect()
}

#[tokio::test]
async fn the_header_declares_what_the_library_exports() -> Result<()> {
    let library = built::library()?.display().to_string();
    let exported = run(Path::new("nm"), &["-D", "--defined-only", &library], "").await?;
    let exported: BTreeSet<String> =
        exported.lines().filter_map(|line| line.split(' ').nth(2)).flat_map(names).collect();
    let header = std::fs::read_to_string(built::checkout().join("host/c/include/mongoqueue.h"))?;
    // A declaration has a bracket after its name, and begins its line.
    let declared = header.lines().filter(|line| {
        ["int32_t ", "size_t ", "const char *"].iter().any(|start| line.starts_with(start))
    });
    let declared: BTreeSet<String> =
        declared.filter_map(|line| names(line.split('(').next()?).pop_last()).collect();
    ensure!(declared.len() > 15, "{declared:?}");
    assert_eq!(exported, declared);
    Ok(())
}

#[test]
fn the_codes_of_the_header_are_those_of_the_library() -> Result<()> {
    let header = std::fs::read_to_string(built::checkout().join("host/c/include/mongoqueue.h"))?;
    let code = std::fs::read_to_string(built::checkout().join("host/c/src/code.rs"))?;
    let pairs = |text: &str, prefix: &str| -> BTreeSet<(String, i32)> {
        let pairs = text.lines().filter_map(|line| {
            let (name, rest) = line.trim().strip_prefix(prefix)?.split_once(" = ")?;
            let number = rest.split([',', ' ']).next()?.parse().ok()?;
            Some((name.replace('_', "").to_lowercase(), number))
        });
        pairs.collect()
    };
    let of_header = pairs(&header, "MQ_");
    ensure!(of_header.len() > 15, "{of_header:?}");
    assert_eq!(of_header, pairs(&code, ""));
    Ok(())
}
