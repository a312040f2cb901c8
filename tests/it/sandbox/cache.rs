//! Compiled components on disk: found again, private, and healed where they are broken.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context, Result, anyhow, bail, ensure};
use mongoqueue::Outcome;
use mongoqueue_wasmtime::{ComponentHandler, Grants, Sandbox, SandboxError, SandboxOptions};
use serde_json::json;
use tempfile::TempDir;

use super::{outcome, passed, source, start_again};

/// A folder for one test's cache, which is not there yet.
fn folder() -> Result<(TempDir, PathBuf)> {
    let temp = tempfile::tempdir()?;
    let cache = temp.path().join("mongoqueue").join("components");
    Ok((temp, cache))
}

/// What another process would make of that folder.
fn opened(cache: &Path) -> Result<Sandbox> {
    let cache = Some(cache.to_owned());
    Ok(Sandbox::new(SandboxOptions { instances: 8, cache, ..SandboxOptions::default() })?)
}

fn load(sandbox: &Sandbox) -> Result<ComponentHandler> {
    Ok(ComponentHandler::load(sandbox, source("hello")?, Grants::default())?)
}

fn files(cache: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(cache)?.map(|entry| Ok(entry?.path()));
    let mut files = entries.collect::<Result<Vec<PathBuf>>>()?;
    files.sort();
    Ok(files)
}

async fn greets(handler: &ComponentHandler) -> Result<()> {
    let outcome = outcome(handler, &json!({"name": "Ada"})).await?;
    let Outcome::Completed(Some(output)) = outcome else { bail!("{outcome:?}") };
    ensure!(output.to_json() == "Hello, Ada!");
    Ok(())
}

#[tokio::test]
async fn what_was_compiled_is_found_by_the_next_one() -> Result<()> {
    let (_temp, cache) = folder()?;
    let first = load(&opened(&cache)?)?;
    assert!(!first.is_cached());
    let made = files(&cache)?;
    assert_eq!(made.len(), 1);
    let second = load(&opened(&cache)?)?;
    assert!(second.is_cached());
    assert_eq!((second.digest(), second.name()), (first.digest(), "hello"));
    assert_eq!(files(&cache)?, made);
    greets(&first).await?;
    greets(&second).await
}

#[tokio::test]
async fn whatever_was_done_to_a_file_it_is_compiled_anew() -> Result<()> {
    let (_temp, cache) = folder()?;
    load(&opened(&cache)?)?;
    let file = files(&cache)?.pop().context("nothing was kept")?;
    let good = fs::read(&file)?;
    let mut flipped = good.clone();
    *flipped.last_mut().context("an empty file")? ^= 1;
    let half = good.get(..good.len() / 2).unwrap_or_default();
    // That of another component, under this one's name.
    let engine = wasmtime::Engine::default();
    let other =
        engine.precompile_component(b"\0asm\x0d\0\x01\0").map_err(|error| anyhow!("{error:#}"))?;
    for broken in [&flipped[..], half, b"", &other] {
        fs::write(&file, broken)?;
        let handler = load(&opened(&cache)?)?;
        assert!(!handler.is_cached(), "{} bytes were run", broken.len());
        greets(&handler).await?;
        // Healed: as it was, for the next one.
        assert_eq!(fs::read(&file)?, good);
        assert!(load(&opened(&cache)?)?.is_cached());
    }
    // Nothing to read at all.
    fs::remove_file(&file)?;
    fs::create_dir(&file)?;
    greets(&load(&opened(&cache)?)?).await
}

#[test]
fn the_folder_is_its_owners_alone() -> Result<()> {
    let (_temp, cache) = folder()?;
    opened(&cache)?;
    for folder in [Some(cache.as_path()), cache.parent()] {
        let mode = fs::metadata(folder.context("no folder")?)?.permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }
    for mode in [0o755, 0o770, 0o702] {
        fs::set_permissions(&cache, Permissions::from_mode(mode))?;
        let options = SandboxOptions { cache: Some(cache.clone()), ..SandboxOptions::default() };
        let Err(error) = Sandbox::new(options) else { bail!("{mode:o} was taken") };
        assert!(matches!(error, SandboxError::CacheFolder { .. }));
        let told = error.to_string().replace(&*cache.to_string_lossy(), "FOLDER");
        let expected = format!(
            "cannot keep compiled components in FOLDER: others have access to it (mode {mode:o}); \
             make it private by `chmod 700`"
        );
        assert_eq!(told, expected);
    }
    Ok(())
}

#[tokio::test]
async fn many_may_load_at_once() -> Result<()> {
    let (_temp, cache) = folder()?;
    let one = |cache: PathBuf| move || opened(&cache).and_then(|sandbox| load(&sandbox));
    let threads: Vec<_> = (0..4).map(|_| thread::spawn(one(cache.clone()))).collect();
    let shared = opened(&cache)?;
    let one = |sandbox: Sandbox| move || load(&sandbox);
    let threads = threads.into_iter().chain((0..4).map(|_| thread::spawn(one(shared.clone()))));
    for thread in threads.collect::<Vec<_>>() {
        let Ok(loaded) = thread.join() else { bail!("a thread panicked") };
        greets(&loaded?).await?;
    }
    // Each wrote a file of its own and moved it to the same place.
    assert_eq!(files(&cache)?.len(), 1);
    assert!(load(&opened(&cache)?)?.is_cached());
    Ok(())
}

/// Where the processes of one test keep what they compile.
const FOLDER: &str = "MONGOQUEUE_TESTS_CACHE";

#[test]
fn many_processes_may_load_at_once() -> Result<()> {
    let (_temp, cache) = folder()?;
    let folder = cache.to_str().context("the folder's name is no UTF-8")?;
    // Built here, so that they only load.
    source("hello")?;
    let start = |_| start_again("sandbox::cache::one_of_many", &[(FOLDER, folder)]);
    let processes = (0..4).map(start).collect::<Result<Vec<_>>>()?;
    processes.into_iter().try_for_each(passed)?;
    assert_eq!(files(&cache)?.len(), 1);
    assert!(load(&opened(&cache)?)?.is_cached());
    Ok(())
}

#[tokio::test]
#[ignore = "run by the test before it, four times at once"]
async fn one_of_many() -> Result<()> {
    let folder = match std::env::var_os(FOLDER) {
        Some(folder) => PathBuf::from(folder),
        None => return Ok(()),
    };
    greets(&load(&opened(&folder)?)?).await
}
