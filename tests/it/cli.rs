//! The binary `mongoqueue` as scripts and people use it: exit codes, JSON, and the words of errors.

use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use mongoqueue_tests::{Stage, built, soon};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

mod bench;
mod claimers;
mod budgets;
mod components;
mod deaths;
mod demo;
mod dev;
mod errors;
mod help;
mod json;
mod junk;
mod lines;
mod mend;
mod options;
mod people;
mod pull;
mod relatives;
mod replay;
mod seed;
mod trust;
mod uris;
mod work;

/// The program, and a database of a test's own that is set up for it.
struct Cli {
    stage: Stage,
    program: PathBuf,
}

/// A command that has ended.
struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Cli {
    async fn new() -> Result<Self> {
        Ok(Self { stage: Stage::new().await?, program: built::cli()? })
    }

    /// The program on this database.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = program(&self.program);
        command.args(["--uri", self.stage.uri(), "--database", self.stage.database.name()]);
        command.args(args);
        command
    }

    async fn run(&self, args: &[&str]) -> Result<Ran> {
        ran(self.command(args), "").await
    }

    /// With something on its standard input.
    async fn fed(&self, args: &[&str], input: impl AsRef<[u8]>) -> Result<Ran> {
        ran(self.command(args), input).await
    }

    /// The documents that it answers with, one a line, when all goes well.
    async fn all(&self, args: &[&str]) -> Result<Vec<Value>> {
        self.run(&[args, &["--json"]].concat()).await?.ended(0)?.documents()
    }

    /// The one document.
    async fn json(&self, args: &[&str]) -> Result<Value> {
        let mut all = self.all(args).await?;
        ensure!(all.len() == 1, "{args:?}: {} documents", all.len());
        all.pop().context("one")
    }

    /// What is said to people, when it ends with that exit code.
    async fn error(&self, code: i32, args: &[&str]) -> Result<String> {
        let ran = self.run(args).await?.ended(code)?;
        ensure!(ran.stdout.is_empty(), "{args:?} printed {}", ran.stdout);
        Ok(ran.stderr)
    }

    /// What is said to programs, the `kind`, when it ends with that exit code.
    async fn kind(&self, code: i32, args: &[&str]) -> Result<String> {
        let ran = self.run(&[args, &["--json"]].concat()).await?.ended(code)?;
        let told: Value = serde_json::from_str(&ran.stderr).context(ran.stderr)?;
        ensure!(told["error"]["exit_code"] == code, "{told}");
        Ok(text(&told["error"]["kind"])?.to_owned())
    }

    /// Puts a payload on the queue `q`; answers the job's id.
    async fn put(&self, payload: &str, more: &[&str]) -> Result<String> {
        let receipt = self.json(&[&["put", "q", payload], more].concat()).await?;
        Ok(text(&receipt["id"])?.to_owned())
    }

    /// Claims the next job of `q`.
    async fn next(&self) -> Result<Value> {
        self.json(&["next", "q"]).await
    }

    /// Settles a claimed job with a command such as `complete`.
    async fn settle(&self, command: &str, job: &Value, more: &[&str]) -> Result<Value> {
        let of = [command, text(&job["id"])?, "--token", text(&job["token"])?];
        self.json(&[&of[..], more].concat()).await
    }

    /// Jobs of `q` that are ready, running, dead.
    async fn counts(&self) -> Result<(u64, u64, u64)> {
        let stats = self.json(&["stats", "q"]).await?;
        let count = |name: &str| stats[name].as_u64().context(format!("{stats}"));
        Ok((count("ready")?, count("running")?, count("dead")?))
    }

    /// A worker that tells its events.
    fn work(&self, args: &[&str]) -> Result<Work> {
        let mut command = self.command(&[&["work", "--json"], args].concat());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let stdout = child.stdout.take().context("its stdout is a pipe")?;
        Ok(Work { child, lines: BufReader::new(stdout).lines() })
    }

    async fn end(self) -> Result<()> {
        self.stage.end().await
    }
}

impl Ran {
    fn ended(self, code: i32) -> Result<Self> {
        ensure!(self.code == code, "exit code {}: {}{}", self.code, self.stdout, self.stderr);
        Ok(self)
    }

    fn documents(&self) -> Result<Vec<Value>> {
        let documents = self.stdout.lines().map(serde_json::from_str);
        documents.collect::<Result<_, _>>().with_context(|| self.stdout.clone())
    }
}

/// A `work` process, killed when this is dropped.
struct Work {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Work {
    /// Waits for the next event of this name.
    async fn event(&mut self, name: &str) -> Result<Value> {
        soon(name, async {
            let mut seen = Vec::new();
            while let Some(line) = self.lines.next_line().await? {
                let event: Value = serde_json::from_str(&line).context("an event is JSON")?;
                if event["event"] == name {
                    return Ok(event);
                }
                seen.push(line);
            }
            anyhow::bail!("no event {name:?} among {seen:#?}")
        })
        .await?
    }

    /// Sends a signal, such as `TERM`.
    async fn signal(&self, name: &str) -> Result<()> {
        signal(&self.child, name).await
    }

    async fn ended(mut self) -> Result<Ran> {
        let mut stdout = String::new();
        let rest = async {
            while let Some(line) = self.lines.next_line().await? {
                stdout += &line;
                stdout.push('\n');
            }
            anyhow::Ok(self.child.wait_with_output().await?)
        };
        let output = soon("a worker's process ends", rest).await??;
        let stderr = String::from_utf8(output.stderr)?;
        Ok(Ran { code: output.status.code().unwrap_or(-1), stdout, stderr })
    }
}

async fn signal(child: &Child, name: &str) -> Result<()> {
    let id = child.id().context("it has ended")?;
    let mut kill = Command::new("/bin/sh");
    let sent = kill.args(["-c", &format!("kill -{name} {id}")]).status().await?;
    ensure!(sent.success(), "no signal could be sent");
    Ok(())
}

/// The program, without a server and without what the environment says of one.
fn program(program: &PathBuf) -> Command {
    let mut command = Command::new(program);
    command.env_remove("MONGODB_URI").env_remove("NO_COLOR").kill_on_drop(true);
    command
}

async fn ran(mut command: Command, input: impl AsRef<[u8]>) -> Result<Ran> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let mut stdin = child.stdin.take().context("its stdin is a pipe")?;
    let feed = async {
        // A command that does not read it may have gone.
        let _ = stdin.write_all(input.as_ref()).await;
        drop(stdin);
    };
    let ended = async { tokio::join!(feed, child.wait_with_output()).1 };
    let output = soon("the command ends", ended).await??;
    let stderr = String::from_utf8(output.stderr)?;
    let stdout = String::from_utf8(output.stdout)?;
    ensure!(!stderr.contains("panicked"), "{stderr}");
    // No terminal reads this: no colours, no bars, and nothing of a job's own.
    ensure!(!(stdout.clone() + &stderr).contains('\u{1b}'), "{stdout}{stderr}");
    Ok(Ran { code: output.status.code().unwrap_or(-1), stdout, stderr })
}

fn text(value: &Value) -> Result<&str> {
    value.as_str().with_context(|| format!("no text: {value}"))
}

/// The component of an example guest, as the command line names it.
fn guest(name: &str) -> Result<String> {
    let path = built::guest(name)?;
    Ok(path.to_str().context("the checkout's path is UTF-8")?.to_owned())
}
