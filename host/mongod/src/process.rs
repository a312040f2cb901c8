//! A process that does not outlive this one, however this one ends.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};

/// Becomes the program, with a watcher beside it.
const WATCHED: &str = include_str!("process/watched.sh");

/// What is to be started.
#[derive(Debug)]
pub(crate) struct Launch {
    /// The executable.
    pub(crate) program: PathBuf,
    /// What it is told.
    pub(crate) arguments: Vec<String>,
    /// Its working folder.
    pub(crate) folder: PathBuf,
    /// Takes what it writes. Begun anew each time; the one before is kept beside it as `.old`.
    pub(crate) log: PathBuf,
    /// Whether the folder goes when the watcher has to end the process.
    pub(crate) temporary: bool,
}

/// A child process, and the writing end of a pipe that a watcher beside it reads. When this process
/// is gone, be it by `kill -9`, the pipe ends and the watcher ends the child: with time for a clean
/// end if its data is to last, else at once.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    lifeline: Option<ChildStdin>,
}

impl Launch {
    /// Starts the process, in a process group of its own, so that a Ctrl-C is not for it.
    pub(crate) fn start(&self) -> io::Result<Process> {
        // There may be none to keep.
        let _ = fs::rename(&self.log, self.log.with_extension("log.old"));
        let log = File::create(&self.log)?;
        let mut child = Command::new("/bin/sh")
            .args(["-c", WATCHED, "mongod"])
            .arg(if self.temporary { self.folder.as_os_str() } else { "".as_ref() })
            .arg(&self.program)
            .args(&self.arguments)
            .current_dir(&self.folder)
            .process_group(0)
            .stdin(Stdio::piped())
            .stderr(log.try_clone()?)
            .stdout(log)
            .spawn()?;
        let lifeline = child.stdin.take();
        Ok(Process { child, lifeline })
    }
}

impl Process {
    /// The process id, for as long as it has not [`ended`](Self::ended).
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        let status = self.child.try_wait()?;
        if status.is_some() {
            self.dismiss();
        }
        Ok(status)
    }

    /// Sends a signal, named as in `kill -TERM`. Does nothing once it has ended.
    pub(crate) fn signal(&mut self, name: &str) -> io::Result<()> {
        match self.ended()? {
            Some(_) => Ok(()),
            None => signal(self.child.id(), name),
        }
    }

    /// Ends it at once.
    pub(crate) fn kill(&mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        self.dismiss();
        Ok(())
    }

    /// Tells the watcher that there is nothing left to watch.
    fn dismiss(&mut self) {
        if let Some(mut lifeline) = self.lifeline.take() {
            // A watcher that is gone already needs no telling.
            let _ = lifeline.write_all(b"ended\n");
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // If it can't be ended here, the pipe ends now and the watcher does it.
        let _ = self.kill();
    }
}

/// Sends a signal by the shell's own `kill`: a program of that name is not everywhere.
pub(crate) fn signal(process: u32, name: &str) -> io::Result<()> {
    let output = Command::new("/bin/sh")
        .args(["-c", r#"kill -"$1" "$2""#, "sh", name, &process.to_string()])
        .stdin(Stdio::null())
        .output()?;
    match output.status.success() {
        true => Ok(()),
        false => Err(io::Error::other(String::from_utf8_lossy(&output.stderr).trim().to_owned())),
    }
}
