//! What people see of attackers on a terminal.

use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use mongoqueue::{ListOptions, Queue, State};
use mongoqueue_tests::{Stage, built, soon};
use tokio::process::Command;

/// Shows all jobs in a list, the dead ones in groups, and those that have strange words each.
pub(super) async fn to_people(stage: &Stage, queue: &Queue) -> Result<()> {
    let name = queue.name();
    shows(stage, &["list", name, "--limit", "1000"]).await?;
    let all = ListOptions { limit: 1_000, ..ListOptions::default() };
    // Where one attack is made alone it may leave none.
    if queue.list(&all).await?.iter().any(|job| job.state == State::Dead) {
        shows(stage, &["list", name, "--state", "dead", "--group"]).await?;
    }
    let strange =
        |job: &&mongoqueue::Job| job.headers.iter().any(|(_, attack)| attack.contains("escapes"));
    for job in queue.list(&all).await?.iter().filter(strange) {
        shows(stage, &["get", &job.id.to_string()]).await?;
        shows(stage, &["get", &job.id.to_string(), "--json"]).await?;
    }
    Ok(())
}

async fn shows(stage: &Stage, args: &[&str]) -> Result<()> {
    let mut command = Command::new(built::cli()?);
    command.args(["--uri", stage.uri(), "--database", stage.database.name()]).args(args);
    command.stdin(Stdio::null()).env("COLUMNS", "120");
    let output = soon("the command ends", command.output()).await??;
    let said = String::from_utf8(output.stdout).context("it is no UTF-8")?;
    let trouble = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success() && !said.is_empty(), "{args:?}: {trouble}");
    let strange = |c: char| {
        c.is_control() && c != '\n' || ('\u{202a}'..='\u{202e}').contains(&c) || c == '\u{2028}'
    };
    ensure!(!said.contains(strange), "{args:?}: {said:?}");
    Ok(())
}
