//! Word of files that change.

use std::path::PathBuf;
use std::time::Duration;

use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::project::Project;
use super::sources;
use crate::trouble::{Exit, Result, Trouble};

/// No change for this long: an editor has saved all that it saves.
const QUIET: Duration = Duration::from_millis(100);

/// Changes that go on for this long are looked at all the same.
const ENOUGH: Duration = Duration::from_secs(2);

/// Tells that something changed in a handler's folder, or in that of its samples.
pub(super) struct Changes {
    changed: mpsc::Receiver<()>,
    _watcher: RecommendedWatcher,
}

impl Changes {
    /// Watches from now on.
    ///
    /// # Errors
    /// When the system can't watch the folders.
    pub(super) fn watch(project: &Project) -> Result<Self> {
        // One that waits stands for any number.
        let (sender, changed) = mpsc::channel(1);
        let (folder, is_file) = (project.folder.clone(), project.is_file());
        let is_made = move |path: &PathBuf| match path.strip_prefix(&folder) {
            Ok(inside) => !is_file && sources::is_made(inside),
            Err(_) => false,
        };
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            // What was lost is looked for like what was told.
            let told = event.map_or(true, |event| {
                let read = matches!(event.kind, EventKind::Access(_));
                !read && (event.paths.is_empty() || !event.paths.iter().all(&is_made))
            });
            if told {
                let _ = sender.try_send(());
            }
        });
        let mut watcher = watcher.map_err(unwatched)?;
        let deep = if is_file { RecursiveMode::NonRecursive } else { RecursiveMode::Recursive };
        watcher.watch(&project.folder, deep).map_err(unwatched)?;
        let elsewhere = |samples: &&PathBuf| is_file || !samples.starts_with(&project.folder);
        if let Some(samples) = project.samples.as_ref().filter(elsewhere) {
            watcher.watch(samples, RecursiveMode::NonRecursive).map_err(unwatched)?;
        }
        Ok(Self { changed, _watcher: watcher })
    }

    /// Waits for a change, and until it is over.
    pub(super) async fn next(&mut self) {
        if self.changed.recv().await.is_none() {
            // Nobody tells any more.
            std::future::pending::<()>().await;
        }
        let quiet = async { while timeout(QUIET, self.changed.recv()).await.is_ok() {} };
        // Either will do.
        let _ = timeout(ENOUGH, quiet).await;
    }
}

fn unwatched(error: notify::Error) -> Trouble {
    Trouble::new(Exit::Misuse, "system", format!("can't watch for changes: {error}"))
}
