//! One private server.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use mongoqueue_mongod::{Data, Error, Mongod, Options, Places, Step, find};

use crate::{count, eventually, gone, program, removed, spawn, write};

async fn temporary() -> Result<Mongod> {
    let data = Data::Temporary(std::env::temp_dir());
    Ok(Mongod::start(&program().await?, data, Options::default()).await?)
}

fn folder(mongod: &Mongod) -> Result<PathBuf> {
    Ok(mongod.log().parent().context("a log in a folder")?.to_owned())
}

#[tokio::test]
async fn stopped_it_leaves_nothing() -> Result<()> {
    let mongod = temporary().await?;
    let (pid, folder) = (mongod.pid().context("running")?, folder(&mongod)?);
    write(&mongod.uri(), 1).await?;
    assert_eq!(count(&mongod.uri()).await?, 1);
    mongod.stop().await?;
    gone(pid).await?;
    removed(&folder).await
}

#[test]
fn it_outlives_its_runtime_and_ends_when_dropped() -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let mongod = runtime.block_on(temporary())?;
    drop(runtime);
    let (pid, folder) = (mongod.pid().context("running")?, folder(&mongod)?);
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(write(&mongod.uri(), 1))?;
    drop(mongod);
    runtime.block_on(gone(pid))?;
    runtime.block_on(removed(&folder))
}

#[tokio::test]
async fn it_ends_with_a_process_that_is_killed() -> Result<()> {
    let told = tempfile::tempdir()?;
    let mut holder = spawn("alone::holds_a_server", told.path())?;
    let read = |name: &str| fs::read_to_string(told.path().join(name)).ok();
    let told = || async { Ok(read("folder").zip(read("pid"))) };
    let (folder, pid) = eventually("the server starts", told).await?;
    holder.kill()?;
    holder.wait()?;
    gone(pid.parse()?).await?;
    removed(Path::new(&folder)).await
}

#[tokio::test]
#[ignore = "a process that another test kills"]
async fn holds_a_server() -> Result<()> {
    // Run by hand with the other ignored ones, there is nothing to do.
    let Some(told) = std::env::var_os("TEST_ARGUMENT").map(PathBuf::from) else { return Ok(()) };
    let mongod = temporary().await?;
    fs::write(told.join("pid"), mongod.pid().context("running")?.to_string())?;
    // Whole at once: the other test reads as soon as there is a file.
    fs::write(told.join("writing"), folder(&mongod)?.as_os_str().as_encoded_bytes())?;
    fs::rename(told.join("writing"), told.join("folder"))?;
    std::future::pending().await
}

#[tokio::test]
async fn kept_data_is_served_on_another_port() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let data = Data::Kept(folder.path().join("data"));
    let mut ports = Vec::new();
    for round in 0..3 {
        let mongod = Mongod::start(&program().await?, data.clone(), Options::default()).await?;
        assert_eq!(count(&mongod.uri()).await?, u64::try_from(round)?);
        write(&mongod.uri(), round).await?;
        ports.push(mongod.port());
        // The clean way, then as after a power failure.
        if round == 0 {
            mongod.stop().await?;
        }
    }
    ports.dedup();
    ensure!(ports.len() > 1, "all on one port: {ports:?}");
    Ok(())
}

#[tokio::test]
async fn killed_and_restarted_it_is_where_it_was() -> Result<()> {
    let mut mongod = temporary().await?;
    let (uri, first) = (mongod.uri(), mongod.pid());
    write(&uri, 1).await?;
    mongod.kill()?;
    assert_eq!(mongod.pid(), None);
    mongod.restart().await?;
    assert_ne!(mongod.pid(), first);
    assert_eq!((mongod.uri(), count(&uri).await?), (uri.clone(), 1));
    Ok(())
}

#[tokio::test]
async fn what_is_taken_is_refused() -> Result<()> {
    let program = program().await?;
    let folder = tempfile::tempdir()?;
    let data = Data::Kept(folder.path().to_owned());
    let mongod = Mongod::start(&program, data.clone(), Options::default()).await?;

    let again = Mongod::start(&program, data, Options::default()).await;
    ensure!(matches!(&again, Err(Error::DataInUse(at)) if at == folder.path()), "{again:?}");

    let mut options = Options::default();
    options.port = Some(mongod.port());
    let data = Data::Temporary(std::env::temp_dir());
    let again = Mongod::start(&program, data, options).await;
    ensure!(matches!(again, Err(Error::PortTaken(port)) if port == mongod.port()), "{again:?}");
    assert_eq!(count(&mongod.uri()).await?, 0, "the first is unharmed");
    Ok(())
}

#[tokio::test]
async fn a_server_that_dies_says_why() -> Result<()> {
    let folder = tempfile::tempdir()?;
    fs::create_dir(folder.path().join("db"))?;
    fs::write(folder.path().join("db/storage.bson"), "junk")?;
    let data = Data::Kept(folder.path().to_owned());
    let started = Mongod::start(&program().await?, data, Options::default()).await;
    let Err(Error::Ended { tail, .. }) = started else { anyhow::bail!("{started:?}") };
    let first = "fatal: Unable to read the storage engine metadata file {";
    ensure!(
        tail.starts_with(first) && tail.ends_with("aborting after fassert() failure"),
        "{tail}"
    );
    Ok(())
}

#[tokio::test]
async fn an_old_one_on_the_path_is_passed_over() -> Result<()> {
    let real = program().await?;
    let folder = tempfile::tempdir()?;
    let old = folder.path().join("mongod");
    // Copied, not written: a file that another thread's child holds open can't be executed.
    let script = folder.path().join("script");
    fs::write(&script, "#!/bin/sh\necho db version v5.0.31\n")?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    ensure!(std::process::Command::new("/bin/cp").args([&script, &old]).status()?.success());

    let mut places = Places::from_env()?;
    let mut path = OsString::from(folder.path());
    path.push(":");
    path.push(&places.path);
    places.path = path;
    let mut steps = Vec::new();
    let found = find(&places, &mut |step| steps.push(step)).await?;
    assert_eq!(found, real);
    let reason = "version 5.0.31 is older than 6.0.0".to_owned();
    assert_eq!(steps, [Step::Looking, Step::Skipped { program: old, reason }]);
    Ok(())
}
