//! Other programs that embed the queue: the examples, the shared library, and what a new version
//! may not break for any of them.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use anyhow::{Context, Result, ensure};
use mongoqueue_tests::{built, soon};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

mod examples;
mod library;
mod versions;

/// Where npm installs a package in the version that was tried, once for a checkout. None of them needs
/// a script to be run: binaries are in packages of their own.
pub(crate) async fn npm(package: &str, version: &str) -> Result<PathBuf> {
    let folder = built::checkout().join("target/npm").join(format!("{package}-{version}"));
    let modules = folder.join("node_modules");
    if !modules.join(package).is_dir() {
        let (prefix, wanted) = (folder.display().to_string(), format!("{package}@{version}"));
        let args = ["install", "--ignore-scripts", "--prefix", &prefix, &wanted];
        run(Path::new("npm"), &args, "").await?;
    }
    Ok(modules)
}

/// Runs a program to its end; answers what it printed.
pub(crate) async fn run<S: AsRef<OsStr>>(
    program: &Path,
    args: &[S],
    input: &str,
) -> Result<String> {
    let ended = end(program, args, input).await?;
    let said = String::from_utf8_lossy(&ended.stderr);
    ensure!(ended.status.success(), "{} ended with {}:\n{said}", program.display(), ended.status);
    Ok(String::from_utf8(ended.stdout)?)
}

async fn end<S: AsRef<OsStr>>(program: &Path, args: &[S], input: &str) -> Result<Output> {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.kill_on_drop(true).spawn();
    let mut child = child.with_context(|| program.display().to_string())?;
    let mut stdin = child.stdin.take().context("no input")?;
    // One that does not read may be gone by now.
    let _ = stdin.write_all(input.as_bytes()).await;
    drop(stdin);
    Ok(soon("the program ends", child.wait_with_output()).await??)
}
