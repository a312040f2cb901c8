//! `dev`: versions that come and go while jobs run. The builds copy components that are there.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

use super::{Cli, Work, guest, text};
use crate::docs;

/// Copies what `source.wasm` is to where a build leaves its component; without it, it fails.
const BUILD: &str = "mkdir -p build && cp source.wasm build/handler.wasm";

/// A handler's folder.
struct Folder(TempDir);

impl Folder {
    fn new() -> Result<Self> {
        let folder = Self(tempfile::tempdir()?);
        fs::create_dir(folder.path("samples"))?;
        Ok(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Makes the source version `n` of a guest: the same code, another digest.
    fn version(&self, name: &str, n: u8) -> Result<()> {
        let mut bytes = fs::read(guest(name)?)?;
        // A custom section: its kind, its size, and a name of one letter.
        bytes.extend([0, 3, 1, b'v', n]);
        fs::write(self.path("next.tmp"), bytes)?;
        Ok(fs::rename(self.path("next.tmp"), self.path("source.wasm"))?)
    }

    fn dev(&self, cli: &Cli, more: &[&str]) -> Result<Work> {
        let serving = format!("q={}", self.0.path().display());
        let args = [&["dev", "--json", &serving, "--build", BUILD], more].concat();
        let mut command = cli.command(&args);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let stdout = child.stdout.take().context("its stdout is a pipe")?;
        Ok(Work { child, lines: BufReader::new(stdout).lines() })
    }
}

#[tokio::test]
async fn a_change_brings_a_new_version_and_a_broken_one_keeps_the_old() -> Result<()> {
    let (cli, folder) = (Cli::new().await?, Folder::new()?);
    folder.version("hello", 1)?;
    fs::write(folder.path("samples/ada.json"), "{\"name\": \"Ada\"}")?;
    let mut dev = folder.dev(&cli, &[])?;
    let first = dev.event("built").await?;
    assert_eq!(dev.event("sample").await?["file"], "ada.json");
    assert_eq!(dev.event("finished").await?["outcome"], "completed");
    // No component at all.
    fs::write(folder.path("source.wasm"), "not a component")?;
    let failed = dev.event("build-failed").await?;
    assert!(text(&failed["message"])?.contains("the version before stays at work"), "{failed}");
    cli.put("{\"name\": \"Bob\"}", &["--id", "bob"]).await?;
    let finished = dev.event("finished").await?;
    assert_eq!((&finished["id"], &finished["outcome"]), (&json!("bob"), &json!("completed")));
    // Another guest, which does not know such jobs: its samples are put again, and fail.
    folder.version("misbehave", 2)?;
    let failed = dev.event("build-failed").await?;
    assert!(text(&failed["message"])?.contains("granted"), "{failed}");
    folder.version("hello", 3)?;
    let second = dev.event("built").await?;
    assert_ne!(first["digest"], second["digest"]);
    assert_eq!(dev.event("finished").await?["outcome"], "completed");
    dev.signal("INT").await?;
    dev.ended().await?.ended(0)?;
    cli.end().await
}

#[tokio::test]
async fn no_job_is_lost_or_run_twice_while_versions_change() -> Result<()> {
    const JOBS: usize = 100;
    let (cli, folder) = (Cli::new().await?, Folder::new()?);
    folder.version("misbehave", 0)?;
    let mut dev = folder.dev(&cli, &["--queue", "next=other"])?;
    dev.event("ready").await?;
    let payloads = "{\"do\": \"sleep\", \"ms\": 50}\n".repeat(JOBS);
    cli.fed(&["put", "q", "-", "--lines", "--retain", "1h"], payloads).await?.ended(0)?;
    let mut ids = BTreeSet::new();
    for n in 0..JOBS {
        // Five versions while they run.
        if n % 20 == 0 {
            folder.version("misbehave", u8::try_from(n)? + 1)?;
        }
        let finished = dev.event("finished").await?;
        let told = (&finished["outcome"], &finished["attempt"]);
        assert_eq!(told, (&json!("completed"), &json!(1)), "{finished}");
        ids.insert(text(&finished["id"])?.to_owned());
    }
    assert_eq!(ids.len(), JOBS);
    dev.signal("TERM").await?;
    let summary = dev.ended().await?.ended(0)?.documents()?;
    let summary = summary.last().context("a summary")?;
    assert_eq!((&summary["completed"], &summary["lost"]), (&json!(JOBS), &json!(0)));
    let jobs = cli.stage.all(&cli.stage.jobs()).await?;
    assert_eq!(jobs.len(), JOBS);
    for job in jobs {
        assert_eq!(bson::Bson::from(job).into_relaxed_extjson()["claims"], 1);
    }
    cli.end().await
}

#[tokio::test]
async fn a_sample_that_changes_is_put_again() -> Result<()> {
    let (cli, folder) = (Cli::new().await?, Folder::new()?);
    folder.version("hello", 1)?;
    let mut dev = folder.dev(&cli, &[])?;
    dev.event("ready").await?;
    fs::write(folder.path("samples/bob.json"), "{\"name\": \"Bob\"}")?;
    let sample = dev.event("sample").await?;
    assert_eq!(dev.event("finished").await?["id"], sample["id"]);
    fs::write(folder.path("samples/bob.json"), "{\"name\": ")?;
    let failed = dev.event("sample-failed").await?;
    assert!(text(&failed["message"])?.contains("bob.json"), "{failed}");
    dev.signal("INT").await?;
    dev.ended().await?.ended(0)?;
    cli.end().await
}

#[tokio::test]
async fn a_folder_that_nothing_builds_is_refused() -> Result<()> {
    let cli = Cli::new().await?;
    let folder = Folder::new()?;
    let serving = format!("q={}", folder.0.path().display());
    let said = cli.error(2, &["dev", &serving]).await?;
    assert!(said.contains("say how to build it with --build"), "{said}");
    let said = cli.error(2, &["dev", "q=/nowhere/at/all"]).await?;
    assert!(said.contains("can't find /nowhere/at/all"), "{said}");
    cli.end().await
}

/// What the README promises of them, packages and compilers included.
const FIVE_MINUTES: Duration = Duration::from_secs(300);

#[tokio::test]
async fn four_commands_lead_from_an_empty_folder_to_a_handler_that_runs() -> Result<()> {
    let (cli, empty) = (Cli::new().await?, tempfile::tempdir()?);
    let all = docs::blocks(&docs::text("README.md")?, "sh");
    let block = all.iter().find(|block| block.contains(" dev ")).context("the commands")?;
    let lines: Vec<&str> = block.lines().collect();
    let [new, cd, dev, put] = lines.as_slice() else { anyhow::bail!("four: {lines:?}") };
    let shell = |script: String| {
        let mut command = cli.command(&[]);
        let program = command.as_std().get_program().to_owned();
        let arguments: Vec<_> = command.as_std().get_args().map(ToOwned::to_owned).collect();
        // What the tests say of the server comes first, as it does for every command.
        let words = [vec![program], arguments].concat();
        let words: Vec<_> = words.iter().map(|word| format!("'{}'", word.display())).collect();
        let script = script.replacen("mongoqueue", &words.join(" "), 1);
        command = Command::new("/bin/sh");
        command.args(["-e", "-c", &script]).current_dir(empty.path()).kill_on_drop(true);
        command
    };
    ensure!(shell((*new).to_owned()).output().await?.status.success(), "{new}");
    let mut command = shell(format!("{cd}\nexec {dev} --json"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let stdout = child.stdout.take().context("its stdout is a pipe")?;
    let mut dev = Work { child, lines: BufReader::new(stdout).lines() };
    dev.event("building").await?;
    let first = timeout(FIVE_MINUTES, dev.lines.next_line()).await??.context("it ended")?;
    ensure!(first.contains("\"built\""), "{first}");
    // The sample that comes with it.
    assert_eq!(dev.event("finished").await?["outcome"], "completed");
    ensure!(shell((*put).to_owned()).output().await?.status.success(), "{put}");
    assert_eq!(dev.event("finished").await?["outcome"], "completed");
    dev.signal("INT").await?;
    dev.ended().await?.ended(0)?;
    cli.end().await
}
