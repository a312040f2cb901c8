//! Consumers in processes of their own, and what they did.

use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use bson::{Document, doc};
use futures_util::TryStreamExt;
use tokio::process::{Child, Command};

use crate::{Stage, soon};

/// What the process does with the jobs of the queue `q`. Each begun attempt is noted in the
/// collection `runs`, as `{job, consumer}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A worker, until there is nothing left.
    Work,
    /// One job after the other with `next` and `complete`, until there is nothing left.
    Next,
    /// A worker whose attempts never end.
    Hang,
}

impl Role {
    /// Every role, with the word for it on the command line.
    pub const ALL: [(Self, &'static str); 3] =
        [(Self::Work, "work"), (Self::Next, "next"), (Self::Hang, "hang")];
}

/// A process, killed when this is dropped.
pub struct Process {
    child: Child,
}

impl Process {
    /// Starts a consumer of that name on the stage's queue.
    ///
    /// # Errors
    /// When the program is not where cargo puts it.
    pub fn start(stage: &Stage, role: Role, consumer: &str) -> Result<Self> {
        let word = Role::ALL.into_iter().find(|(known, _)| *known == role);
        let (_, word) = word.context("a role without a word")?;
        let mut command = Command::new(program()?);
        command.args([word, stage.uri(), stage.database.name(), consumer]);
        let child = command.stdin(Stdio::null()).kill_on_drop(true).spawn();
        Ok(Self { child: child.context("starting a consumer's process")? })
    }

    /// Kills it, as `kill -9` does.
    ///
    /// # Errors
    /// Those of the system.
    pub async fn kill(mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }

    /// Waits until it has ended well.
    ///
    /// # Errors
    /// When it ends otherwise, or not at all.
    pub async fn ended(mut self) -> Result<()> {
        let status = soon("a consumer's process ends", self.child.wait()).await??;
        ensure!(status.success(), "a consumer's process ended with {status}");
        Ok(())
    }
}

/// Attempts that were begun by processes, in no order.
///
/// # Errors
/// Those of the database.
pub async fn runs(stage: &Stage) -> Result<Vec<Document>> {
    let runs = stage.database.collection::<Document>("runs");
    Ok(runs.find(doc! {}).await?.try_collect().await?)
}

/// Beside the folder of the test binaries, where cargo puts a package's programs before it runs
/// its tests.
fn program() -> Result<PathBuf> {
    let this = std::env::current_exe()?;
    let folder = this.ancestors().nth(2).context("the test binary is in no folder")?;
    let program = folder.join(format!("mongoqueue-tests-process{}", std::env::consts::EXE_SUFFIX));
    ensure!(program.is_file(), "{} is missing: run the tests by cargo", program.display());
    Ok(program)
}
