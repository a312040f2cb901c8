//! Memory that a worker process has in use: idle with its components, and with guests that run.

use std::path::Path;
use std::time::Duration;

use crate::crew::{Crew, Role, sandbox};
use crate::error::{Error, Result, ensure};
use crate::fill::{Filling, fill};
use crate::ground::{Ground, QUEUE};
use crate::guest::{Deed, component};
use crate::options::Options;
use crate::process;
use crate::report::Part;
use mongoqueue_wasmtime::{ComponentHandler, ComponentSource, Grants};

const COMPONENTS: u32 = 10;
/// Guests that run at once.
const RUNNING: usize = 200;
/// Until a worker has opened its stream and found its queues empty.
const SETTLED: Duration = Duration::from_secs(2);
/// Until each guest had its turn on two cores, at a hundredth of a second each.
const SPUN: Duration = Duration::from_secs(4);

pub(super) async fn measure(ground: &Ground, options: &Options) -> Result<Part> {
    let mut part = Part::new("memory");
    let folder = tempfile::tempdir()?;
    let tiny = written(folder.path(), Deed::Nothing, 0..COMPONENTS)?;
    let spin = written(folder.path(), Deed::Spin, 100..101)?;
    let cache = folder.path().join("compiled");

    // Compiled by this process, so that the other one only finds them.
    let compiler = sandbox(1, Some(&cache))?;
    for file in tiny.iter().chain(&spin) {
        ComponentHandler::load(&compiler, ComponentSource::file(file), Grants::default())?;
    }
    let of = |components: &[std::path::PathBuf], slots| Role {
        components: components.to_vec(),
        slots,
        cache: Some(cache.clone()),
        ..Role::wait(ground)
    };

    ground.fresh().await?;
    let native = resident(ground, &Role::wait(ground), options).await?;
    part.figure(("native", "an idle worker without components"), &[native], "MiB");
    let idle = resident(ground, &of(&tiny, 16), options).await?;
    part.figure(("idle", format!("an idle worker with {COMPONENTS} components")), &[idle], "MiB");

    let running = options.count(RUNNING);
    let each = running_guests(ground, &of(&spin, running), running, options).await?;
    part.figure(("sandbox", format!("each of {running} guests that run")), &[each], "KiB");
    part.note("resident memory as Linux counts it; other systems are not asked");
    Ok(part)
}

/// Components of these numbers as files.
fn written(
    folder: &Path,
    deed: Deed,
    numbers: std::ops::Range<u32>,
) -> Result<Vec<std::path::PathBuf>> {
    let write = |number| {
        let file = folder.join(format!("{number}.wasm"));
        std::fs::write(&file, component(deed, number)?).map_err(Error::Process)?;
        Ok(file)
    };
    numbers.map(write).collect()
}

/// What an idle worker process has in use.
async fn resident(ground: &Ground, role: &Role, options: &Options) -> Result<f64> {
    let mut crew = Crew::start(ground, 1, role).await?;
    crew.go().await?;
    tokio::time::sleep(options.time(SETTLED)).await;
    let used = crew.id().map_or(f64::NAN, process::resident);
    crew.stop().await?;
    Ok(used)
}

/// What each of so many guests that run adds, in KiB, to a worker that waits for them.
async fn running_guests(ground: &Ground, role: &Role, n: usize, options: &Options) -> Result<f64> {
    let queue = ground.fresh().await?.queue(QUEUE)?;
    let mut crew = Crew::start(ground, 1, role).await?;
    crew.go().await?;
    tokio::time::sleep(options.time(SETTLED)).await;
    let before = crew.id().map_or(f64::NAN, process::resident);
    fill(ground, n, Filling::of(options.payload)).await?;
    tokio::time::sleep(options.time(SPUN)).await;
    let most = crew.id().map_or(f64::NAN, process::peak);
    let held = queue.stats().await?.running;
    // Its guests never come to an end, and it is not asked for one.
    drop(crew);
    ensure(held == n as u64, || format!("{held} of {n} guests run"))?;
    Ok((most - before) * 1_024.0 / n as f64)
}
