//! The processes of a run, started, signalled, killed and started again. None outlives this one:
//! each reads a pipe of which this process has the other end.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::Mutex;

use crate::roles::{Part, Role};

/// The hidden command of this program with which such a process is started.
pub(crate) const PLAY: &str = "play";

/// Where Debian has the library that fakes clocks.
const FAKETIME: [&str; 3] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/faketime/libfaketimeMT.so.1",
];

/// All processes, by name.
pub(crate) struct Crew {
    members: Mutex<BTreeMap<String, Member>>,
}

struct Member {
    part: Part,
    child: Option<Child>,
    /// Closed, it tells the process that nobody is left.
    _lifeline: Option<ChildStdin>,
}

impl Crew {
    /// Nobody yet.
    pub(crate) fn new() -> Self {
        Self { members: Mutex::default() }
    }

    /// Adds a process and starts it.
    pub(crate) async fn hire(&self, part: Part) -> Result<()> {
        let mut members = self.members.lock().await;
        let name = part.name.clone();
        let mut member = Member { part, child: None, _lifeline: None };
        member.start(None)?;
        members.insert(name, member);
        Ok(())
    }

    /// The names of those with one of these roles.
    pub(crate) async fn names(&self, roles: &[Role]) -> Vec<String> {
        let members = self.members.lock().await;
        let mut names: Vec<String> = Vec::new();
        for (name, member) in members.iter() {
            if roles.contains(&member.part.role) {
                names.push(name.clone());
            }
        }
        names
    }

    /// Starts one again that has ended, in its next life; with a clock that is off by so many
    /// seconds, if that is asked for.
    pub(crate) async fn revive(&self, name: &str, clock: Option<i64>) -> Result<()> {
        let mut members = self.members.lock().await;
        let member = member(&mut members, name)?;
        ensure!(member.child.is_none(), "{name} still runs");
        member.part.life += 1;
        member.start(clock)
    }

    /// Kills one, as `kill -9` does.
    pub(crate) async fn kill(&self, name: &str) -> Result<()> {
        let mut members = self.members.lock().await;
        let member = member(&mut members, name)?;
        if let Some(mut child) = member.child.take() {
            child.kill().await.with_context(|| format!("killing {name}"))?;
        }
        Ok(())
    }

    /// Sends one a signal, named as in `kill -TERM`.
    pub(crate) async fn signal(&self, name: &str, signal: &str) -> Result<()> {
        let mut members = self.members.lock().await;
        let Some(child) = &member(&mut members, name)?.child else { return Ok(()) };
        let Some(id) = child.id() else { return Ok(()) };
        let mut shell = Command::new("/bin/sh");
        // The shell's own `kill`: a program of that name is not everywhere.
        shell.args(["-c", r#"kill -"$1" "$2""#, "sh", signal, &id.to_string()]);
        let status = shell.stdin(Stdio::null()).stderr(Stdio::null()).status().await?;
        ensure!(status.success(), "sending {name} a {signal}");
        Ok(())
    }

    /// Waits for one to end by itself; kills it after `patience`. Answers how it ended, or `None`
    /// if it had to be killed.
    pub(crate) async fn ended(&self, name: &str, patience: Duration) -> Result<Option<ExitStatus>> {
        // Without the lock: others are signalled meanwhile.
        let child = member(&mut *self.members.lock().await, name)?.child.take();
        let Some(mut child) = child else { bail!("{name} doesn't run") };
        let Ok(status) = tokio::time::timeout(patience, child.wait()).await else {
            child.kill().await?;
            return Ok(None);
        };
        Ok(Some(status?))
    }

    /// An error that names a process which has ended though nobody wanted it to.
    pub(crate) async fn check(&self) -> Result<()> {
        let mut members = self.members.lock().await;
        for (name, member) in members.iter_mut() {
            let done = member.part.role == Role::Producer;
            let Some(child) = &mut member.child else { continue };
            match child.try_wait()? {
                Some(status) if done && status.success() => {}
                Some(status) => {
                    bail!(
                        "{name} has ended by itself ({status}); see {}",
                        log(&member.part).display()
                    )
                }
                None => {}
            }
        }
        Ok(())
    }

    /// Whether it has ended well.
    pub(crate) async fn is_done(&self, name: &str) -> Result<bool> {
        let mut members = self.members.lock().await;
        match &mut member(&mut members, name)?.child {
            Some(child) => Ok(child.try_wait()?.is_some_and(|status| status.success())),
            None => Ok(false),
        }
    }
}

impl Member {
    fn start(&mut self, clock: Option<i64>) -> Result<()> {
        let program = std::env::current_exe().context("finding this program")?;
        let log = File::options().create(true).append(true).open(log(&self.part))?;
        let mut command = Command::new(program);
        command.arg(PLAY).arg(serde_json::to_string(&self.part)?);
        if let Some(seconds) = clock {
            let library = faketime().context("the library that fakes clocks is gone")?;
            command.env("LD_PRELOAD", library).env("FAKETIME", format!("{seconds:+}s"));
            // Clocks that people read differ between machines; those that count don't.
            command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("DONT_FAKE_MONOTONIC", "1");
        }
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(log);
        // A Ctrl-C is for this process alone, which then ends the others.
        command.process_group(0).kill_on_drop(true);
        let name = &self.part.name;
        let mut child = command.spawn().with_context(|| format!("starting {name}"))?;
        self._lifeline = child.stdin.take();
        self.child = Some(child);
        Ok(())
    }
}

/// The library that fakes clocks, if it is installed.
pub(crate) fn faketime() -> Option<PathBuf> {
    FAKETIME.into_iter().map(PathBuf::from).find(|path| path.is_file())
}

/// What a process says when it panics.
fn log(part: &Part) -> PathBuf {
    part.folder.join(format!("{}.log", part.process()))
}

fn member<'a>(members: &'a mut BTreeMap<String, Member>, name: &str) -> Result<&'a mut Member> {
    members.get_mut(name).with_context(|| format!("no process is called {name}"))
}
