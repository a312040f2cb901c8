//! Real servers: found, started, ended; alone, in a set, and in the background.

mod alone;
mod background;
mod set;

use std::future::Future;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use mongodb::bson::{Document, doc};
use mongodb::{Client, Collection};
use mongoqueue_mongod::{Places, Program, find};

/// How long anything may take that is waited for, on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(60);

/// The mongod of this machine.
async fn program() -> Result<Program> {
    Ok(find(&Places::from_env()?, &mut |_| ()).await?)
}

/// The collection that the tests put their documents in.
async fn documents(uri: &str) -> Result<Collection<Document>> {
    Ok(Client::with_uri_str(uri).await?.database("test").collection("documents"))
}

/// Writes a document that has been acknowledged.
async fn write(uri: &str, number: i32) -> Result<()> {
    documents(uri).await?.insert_one(doc! { "_id": number }).await?;
    Ok(())
}

/// The documents that are there.
async fn count(uri: &str) -> Result<u64> {
    Ok(documents(uri).await?.count_documents(doc! {}).await?)
}

/// Runs one of this binary's ignored tests in a process of its own, as a program that uses the
/// crate. It finds the argument in `TEST_ARGUMENT`.
fn another_process(test: &str, argument: &Path) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--exact", "--ignored", "--nocapture", test]).env("TEST_ARGUMENT", argument);
    Ok(command)
}

/// Starts such a process.
fn spawn(test: &str, argument: &Path) -> Result<Child> {
    let mut command = another_process(test, argument)?;
    Ok(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?)
}

/// Waits until the answer is something.
async fn eventually<T, F>(what: &str, mut question: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<Option<T>>>,
{
    let begun = Instant::now();
    loop {
        if let Some(answer) = question().await? {
            return Ok(answer);
        }
        ensure!(begun.elapsed() < PATIENCE, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until there is no such process. A dead one that nobody has reaped has no command line.
async fn gone(pid: u32) -> Result<()> {
    let path = format!("/proc/{pid}/cmdline");
    let ended = || std::fs::read(&path).unwrap_or_default().is_empty();
    eventually("a process ends", async || Ok(ended().then_some(()))).await
}

/// Waits until there is no such folder.
async fn removed(folder: &Path) -> Result<()> {
    eventually("a folder is removed", async || Ok((!folder.exists()).then_some(()))).await
}

/// Sends a signal, named as in `kill -KILL`.
fn signal(name: &str, pid: u32) -> Result<()> {
    let kill = format!("kill -{name} {pid}");
    let status = Command::new("/bin/sh").args(["-c", &kill]).status().context("running sh")?;
    ensure!(status.success(), "{kill}: {status}");
    Ok(())
}
