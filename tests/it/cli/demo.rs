//! What starts a server of its own: the demo, and the background server of somebody without one.

use anyhow::{Context, Result};
use mongoqueue_tests::{Stage, built, eventually, server};
use serde_json::Value;
use std::path::Path;
use tokio::process::Command;

use super::{Ran, program, ran, text};

/// The program of somebody with a home folder of its own, in which nothing is but the `mongod`
/// that the tests use, on the path.
async fn at_home(home: &Path) -> Result<Command> {
    let bin = home.join("bin");
    std::fs::create_dir_all(&bin)?;
    let mongod = bin.join("mongod");
    if !mongod.exists() {
        std::os::unix::fs::symlink(&server::program().await?.path, mongod)?;
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(std::iter::once(bin).chain(std::env::split_paths(&path)))?;
    let mut command = program(&built::cli()?);
    command.env("XDG_CACHE_HOME", home.join("cache")).env("XDG_DATA_HOME", home.join("data"));
    command.env("TMPDIR", home).env("PATH", path);
    Ok(command)
}

/// Processes whose environment names that home.
fn processes_of(home: &Path) -> Result<usize> {
    let name = home.to_str().context("the temporary folder's path is UTF-8")?.as_bytes();
    let processes = std::fs::read_dir("/proc")?.filter_map(|entry| Some(entry.ok()?.path()));
    // One that is none, that has gone, or that belongs to somebody else has no environment here.
    let environments = processes.filter_map(|folder| std::fs::read(folder.join("environ")).ok());
    Ok(environments.filter(|it| it.windows(name.len()).any(|part| part == name)).count())
}

#[tokio::test]
async fn the_demo_shows_what_it_promises_and_leaves_nothing() -> Result<()> {
    let home = tempfile::tempdir()?;
    let mut command = demo(home.path()).await?;
    command.arg("--json");
    let ended = ran(command, "").await?.ended(0)?;
    let shown: Value = ended.documents()?.pop().context("figures")?;
    assert_eq!(shown["as_expected"], true);
    // As many texts as the checkout has, up to 200.
    assert!(shown["completed"].as_u64().is_some_and(|pages| pages > 100), "{shown}");
    assert!(shown["dead"].as_u64().is_some_and(|dead| dead > 0), "{shown}");
    assert!(shown["jobs_per_second"].as_f64().is_some_and(|rate| rate > 0.0), "{shown}");
    assert_eq!(
        shown["deaths"].as_array().map(Vec::len),
        shown["dead"].as_u64().map(|n| n as usize)
    );
    let gone = async || Ok((processes_of(home.path())? == 0).then_some(()));
    eventually("nothing is left running", gone).await?;
    Ok(())
}

/// It finds the checkout by the folder it is in. Its handlers are built: a build takes longer than
/// anything is waited for here.
async fn demo(home: &Path) -> Result<Command> {
    built::guest("markdown")?;
    let mut command = at_home(home).await?;
    command.arg("demo").current_dir(built::checkout());
    Ok(command)
}

#[tokio::test]
async fn the_demo_on_somebodys_server_tells_people_of_every_death() -> Result<()> {
    let (home, stage) = (tempfile::tempdir()?, Stage::new().await?);
    let mut command = demo(home.path()).await?;
    command.env("MONGODB_URI", stage.uri());
    let shown = ran(command, "").await?.ended(0)?.stdout;
    for words in [
        "pages rendered, ",
        "trap:unreachable",
        "timeout",
        "memory",
        "failure",
        "panicked at ",
        "all as expected, in ",
        "To look further:",
    ] {
        assert!(shown.contains(words), "no {words:?} in {shown}");
    }
    // Its database has gone, and it started none of its own.
    let names = stage.database.client().list_database_names().await?;
    assert!(!names.iter().any(|name| name.starts_with("mongoqueue-demo-")), "{names:?}");
    assert!(!home.path().join("data").exists());
    stage.end().await
}

async fn of(home: &Path, args: &[&str], code: i32) -> Result<Ran> {
    let mut command = at_home(home).await?;
    command.args(args);
    ran(command, "").await?.ended(code)
}

#[tokio::test]
async fn without_a_uri_a_server_is_started_in_the_background() -> Result<()> {
    let home = tempfile::tempdir()?;
    of(home.path(), &["server", "status"], 1).await?;
    let put = of(home.path(), &["put", "q", "1", "--id", "one"], 0).await?;
    assert_eq!(put.stdout, "one\n");
    let status = of(home.path(), &["server", "status", "--json"], 0).await?.documents()?;
    assert!(text(&status[0]["uri"])?.starts_with("mongodb://127.0.0.1:"));
    // Another command finds the same one, and the job survives its stop.
    let next = of(home.path(), &["next", "q", "--json"], 0).await?.documents()?;
    assert_eq!(next[0]["id"], "one");
    let stopped = of(home.path(), &["server", "stop", "--json"], 0).await?.documents()?;
    assert_eq!(stopped[0]["stopped"], true);
    let gone = async || Ok((processes_of(home.path())? == 0).then_some(()));
    eventually("the server has ended", gone).await?;
    let get = of(home.path(), &["get", "one", "--json"], 0).await?.documents()?;
    assert_eq!(get[0]["state"], "running");
    of(home.path(), &["server", "stop"], 0).await?;
    eventually("it has ended again", gone).await?;
    Ok(())
}
