//! What the documents say to do, done.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use bson::{Bson, Document, doc};
use mongoqueue_tests::{Stage, built, soon};
use serde_json::Value;

use super::{blocks, section, text};

/// A script run in a folder, with the program on the path and the stage as its database.
async fn run(stage: &Stage, folder: &Path, script: String) -> Result<String> {
    let program = built::cli()?;
    let programs = program.parent().context("a program is in a folder")?.to_owned();
    let path = std::env::var("PATH")?;
    let mut command = Command::new("/bin/sh");
    command.args(["-e", "-c", &script]).current_dir(folder);
    command.env("PATH", format!("{}:{path}", programs.display()));
    command.env("MONGODB_URI", uri(stage)?);
    let running = tokio::task::spawn_blocking(move || command.output());
    let output = soon("the script ends", running).await???;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{script}\n{said}");
    Ok(String::from_utf8(output.stdout)?)
}

/// The stage's database is named by the URI, as the scripts don't name one.
fn uri(stage: &Stage) -> Result<String> {
    let (hosts, options) = stage.uri().split_once('?').context("a URI with options")?;
    Ok(format!("{hosts}{}?{options}", stage.database.name()))
}

/// The block of the README that has this in it, without what only prepares.
fn readme(has: &str) -> Result<String> {
    let all = blocks(&text("README.md")?, "sh");
    let block = all.iter().find(|block| block.contains(has)).context(has.to_owned())?;
    let prepares = |line: &&str| line.starts_with("alias ") || line.starts_with("cargo ");
    Ok(block.lines().filter(|line| !prepares(line)).collect::<Vec<_>>().join("\n"))
}

#[tokio::test]
async fn the_first_handler_greets() -> Result<()> {
    let stage = Stage::new().await?;
    let folder = tempfile::tempdir()?;
    let examples = folder.path().join("target/wasm32-wasip2/guest/examples");
    fs::create_dir_all(&examples)?;
    fs::copy(built::guest("hello")?, examples.join("hello.wasm"))?;
    let shown = run(&stage, folder.path(), readme("put greetings")?).await?;
    ensure!(shown.contains("1 completed"), "{shown}");
    ensure!(shown.contains("output    \"Hello, Ada!\""), "{shown}");
    stage.end().await
}

#[tokio::test]
async fn a_program_in_any_language_claims_and_settles() -> Result<()> {
    let stage = Stage::new().await?;
    let folder = tempfile::tempdir()?;
    let block = readme("next letters")?;
    let (claim, settle) = block.split_once("--json").context("a claim for programs")?;
    let claimed = run(&stage, folder.path(), format!("{claim}--json")).await?;
    let job: Value = serde_json::from_str(claimed.lines().last().context("a job")?)?;
    let name = |field: &str| job[field].as_str().context("a text");
    let (_, settle) = settle.split_once('\n').context("lines after it")?;
    let settle = settle.replace("TOKEN", name("token")?).replace("ID", name("id")?);
    let shown = run(&stage, folder.path(), settle).await?;
    ensure!(shown.contains("is completed"), "{shown}");
    assert_eq!(stage.all(&stage.jobs()).await?, Vec::<Document>::new());
    stage.end().await
}

#[tokio::test]
async fn the_least_that_is_a_job_is_one() -> Result<()> {
    let stage = Stage::new().await?;
    let block = blocks(&text("docs/document.md")?, "json");
    let job: Value = serde_json::from_str(block.first().context("a job in JSON")?)?;
    let Bson::Document(job) = Bson::try_from(job)? else { anyhow::bail!("no document") };
    stage.jobs().insert_one(job).await?;
    let queue = stage.mq.queue("greetings")?;
    let claimed = queue.next(&Default::default()).await?.context("a job is due")?;
    assert_eq!(claimed.payload().deserialize::<Document>()?, doc! { "name": "Ada" });
    claimed.complete(None).await?;
    stage.end().await
}

#[tokio::test]
async fn the_file_for_work_is_taken() -> Result<()> {
    let stage = Stage::new().await?;
    let folder = tempfile::tempdir()?;
    let document = text("docs/cli.md")?;
    let file = blocks(section(&document, "### The file for `work`")?, "toml");
    fs::write(folder.path().join("work.toml"), file.first().context("a file")?)?;
    fs::copy(built::guest("pipeline")?, folder.path().join("mails.wasm"))?;
    let script = "mongoqueue put mails '{\"text\": \"one two\"}'\n\
                  mongoqueue work --config work.toml --until-empty\n\
                  mongoqueue stats reports --json";
    let shown = run(&stage, folder.path(), script.to_owned()).await?;
    let stats: Value = serde_json::from_str(shown.lines().last().context("stats")?)?;
    assert_eq!(stats["ready"], 2);
    stage.end().await
}
