//! The folder of the background server: its data, its state, and two locks.
//!
//! `keeper.lock` is held by the keeper while it lives; a free one means that whatever the state
//! file says is stale. `turn.lock` is held alone by whoever starts or stops the server, and shared
//! by whoever looks it up: so no lookup succeeds in the moment in which an idle server decides to
//! end.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::Server;
use crate::places::private_folder;
use crate::{Error, Places, Version};

/// How long a lookup waits for somebody's turn: an end takes milliseconds. A start takes longer,
/// but then there is no server yet.
const LOOKUP_TIMEOUT: Duration = Duration::from_millis(500);
/// How often it tries.
const LOOK: Duration = Duration::from_millis(10);

/// A lock that is held until it is dropped.
pub(super) struct Turn {
    _file: File,
}

/// The folder.
pub(super) struct Room {
    folder: PathBuf,
}

impl Room {
    pub(super) fn of(places: &Places) -> Room {
        Room { folder: places.data.join("server") }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn exists(&self) -> bool {
        self.folder.is_dir()
    }

    /// Makes the folder if needed.
    pub(super) fn enter(&self) -> Result<(), Error> {
        private_folder(&self.folder)
    }

    /// The keeper's output.
    pub(super) fn log(&self) -> PathBuf {
        self.folder.join("keeper.log")
    }

    /// The right to start or stop the server, unless somebody has it or looks the server up.
    pub(super) fn turn(&self) -> Result<Option<Turn>, Error> {
        self.lock("turn.lock", File::try_lock)
    }

    /// The right to be the keeper, unless there is one.
    pub(super) fn keeping(&self) -> Result<Option<Turn>, Error> {
        self.lock("keeper.lock", File::try_lock)
    }

    /// The server that runs.
    pub(super) async fn server(&self) -> Result<Option<Server>, Error> {
        if !self.exists() {
            return Ok(None);
        }
        let begun = Instant::now();
        loop {
            if let Some(_turn) = self.lock("turn.lock", File::try_lock_shared)? {
                return self.server_in_turn().await;
            }
            if begun.elapsed() > LOOKUP_TIMEOUT {
                return Ok(None);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The same, for whoever has the turn.
    pub(super) async fn server_in_turn(&self) -> Result<Option<Server>, Error> {
        let Some(server) = self.state() else {
            return Ok(None);
        };
        if self.lock("keeper.lock", File::try_lock_shared)?.is_some() {
            return Ok(None);
        }
        Ok(if server.answers().await { Some(server) } else { None })
    }

    /// What the last keeper wrote.
    pub(super) fn state(&self) -> Option<Server> {
        parse(&fs::read_to_string(self.state_file()).ok()?)
    }

    /// Tells everybody of the server.
    pub(super) fn announce(&self, server: &Server) -> Result<(), Error> {
        let write = || -> io::Result<()> {
            let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
            file.write_all(render(server).as_bytes())?;
            file.persist(self.state_file())?;
            Ok(())
        };
        write().map_err(Error::io(format!("writing {}", self.state_file().display())))
    }

    /// Takes it back. There may be nothing to take back.
    pub(super) fn forget(&self) {
        let _ = fs::remove_file(self.state_file());
    }

    /// Runs the keeper, detached from terminal, folder and process group.
    pub(super) fn spawn(&self, mut keeper: Command) -> Result<Child, Error> {
        let path = self.log();
        let log = File::create(&path).and_then(|log| Ok((log.try_clone()?, log)));
        let (output, errors) = log.map_err(Error::io(format!("making {}", path.display())))?;
        keeper
            .current_dir(&self.folder)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .spawn()
            .map_err(Error::io(format!("starting {}", keeper.get_program().display())))
    }

    fn state_file(&self) -> PathBuf {
        self.folder.join("state")
    }

    fn lock(
        &self,
        name: &str,
        lock: fn(&File) -> Result<(), TryLockError>,
    ) -> Result<Option<Turn>, Error> {
        let path = self.folder.join(name);
        let file = File::create(&path).map_err(Error::io(format!("making {}", path.display())))?;
        match lock(&file) {
            Ok(()) => Ok(Some(Turn { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => {
                Err(Error::io(format!("locking {}", path.display()))(error))
            }
        }
    }
}

/// One `name value` a line.
fn render(server: &Server) -> String {
    let Server { port, pid, keeper, version, since } = server;
    let since = since.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    format!("port {port}\npid {pid}\nkeeper {keeper}\nversion {version}\nsince {since}\n")
}

fn parse(text: &str) -> Option<Server> {
    let field =
        |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    let since = Duration::from_secs(field("since")?.parse().ok()?);
    Some(Server {
        port: field("port")?.parse().ok()?,
        pid: field("pid")?.parse().ok()?,
        keeper: field("keeper")?.parse().ok()?,
        version: Version::read(field("version")?)?,
        since: SystemTime::UNIX_EPOCH.checked_add(since)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_comes_back_and_damage_is_no_state() {
        let server = Server {
            port: 27_017,
            pid: 12,
            keeper: 11,
            version: Version::OLDEST,
            since: UNIX_EPOCH + Duration::from_secs(1_700_000_000),
        };
        let text = render(&server);
        assert_eq!(parse(&text), Some(server));
        for end in 0..text.len() - 1 {
            let cut = text.get(..end).unwrap_or_default();
            assert!(parse(cut).is_none_or(|server| cut.contains("since") && server.port == 27_017));
        }
        assert_eq!(parse(&text.replace("27017", "x")), None);
        assert_eq!(parse(&text.replace("1700000000", &u64::MAX.to_string())), None);
    }
}
