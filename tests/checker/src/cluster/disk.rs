//! A small disk for the data of one node: a file system in memory, whose size can be changed while
//! it is used.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// Room for the node's data in a long run, in MiB; what isn't used takes no memory.
const ROOM: u64 = 4_096;
/// What is left of a full disk, in KiB: less than any checkpoint needs.
const LEFT: u64 = 16;
/// Two programs are started for each look, in some milliseconds; a node writes less often.
const TRIES: u32 = 50;

/// A mounted disk. Mounts are seen by this process and its children alone (see
/// [`in_a_namespace`]), and go with the last of them.
pub(crate) struct SmallDisk {
    folder: PathBuf,
}

impl SmallDisk {
    /// Mounts one on an empty folder.
    pub(crate) fn mount(folder: &Path) -> Result<Self> {
        let size = format!("size={ROOM}m,mode=700");
        system("mount", &["-t", "tmpfs", "-o", &size, "tmpfs", &folder.to_string_lossy()])?;
        Ok(Self { folder: folder.to_owned() })
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Leaves no room but for a few blocks. The node writes on between the look and the cut, and a
    /// disk can't be smaller than what is on it: then it is looked again.
    pub(crate) fn fill(&self) -> Result<()> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.resize(self.used()? + LEFT) {
                Err(_) if tries < TRIES => {}
                resized => return resized,
            }
        }
    }

    fn used(&self) -> Result<u64> {
        let used = system("df", &["--output=used", "--block-size=1K", &self.path()])?;
        let used = used.lines().last().and_then(|line| line.trim().parse::<u64>().ok());
        used.context("df doesn't say how full the disk is")
    }

    /// There is room again.
    pub(crate) fn free(&self) -> Result<()> {
        self.resize(ROOM * 1_024)
    }

    fn resize(&self, kib: u64) -> Result<()> {
        system("mount", &["-o", &format!("remount,size={kib}k"), &self.path()]).map(drop)
    }

    fn path(&self) -> String {
        self.folder.to_string_lossy().into_owned()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a node may have it open for a moment yet.
        let _ = system("umount", &["--lazy", &self.path()]);
    }
}

/// The command that runs another with mounts of its own; `None` where that isn't allowed.
pub(crate) fn in_a_namespace() -> Option<Command> {
    let ways: [&[&str]; 2] = [&["--mount"], &["--user", "--map-root-user", "--mount"]];
    ways.into_iter().find_map(|way| {
        let mut trial = Command::new("unshare");
        trial.args(way).args(["--", "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", "/mnt"]);
        let quiet = trial.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        quiet.status().ok()?.success().then(|| {
            let mut command = Command::new("unshare");
            command.args(way).arg("--");
            command
        })
    })
}

fn system(program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("running {program}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program} {}: {}", arguments.join(" "), said.trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
