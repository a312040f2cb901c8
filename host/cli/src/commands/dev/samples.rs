//! Sample payloads, put as jobs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mongoqueue::{JSON, Payload, PutOptions, Queue};

use super::{sources, tell};
use crate::component;
use crate::show::Show;
use crate::trouble::{Result, Trouble};

/// The largest sample that is read; the queue has a limit of its own.
const LARGEST: usize = 16 << 20;

/// The samples of one handler.
pub(super) struct Samples {
    show: Show,
    queue: Queue,
    folder: Option<PathBuf>,
    /// What each of them was when it was put last.
    seen: BTreeMap<PathBuf, Option<u64>>,
}

impl Samples {
    pub(super) fn of(show: Show, queue: Queue, folder: Option<PathBuf>) -> Self {
        Self { show, queue, folder, seen: BTreeMap::new() }
    }

    /// Puts those that are new or other than before, or all of them. One that can't be put is told
    /// of.
    pub(super) async fn put(&mut self, all: bool) -> Result<()> {
        let found = self.folder.as_deref().map(files).unwrap_or_default();
        for (path, content) in &found {
            if !all && self.seen.get(path) == Some(content) {
                continue;
            }
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            match self.put_one(path).await {
                Ok(id) => tell::sample(self.show, self.queue.name(), (&name, &id))?,
                Err(trouble) => {
                    let why = format!("sample {name} not put: {}", trouble.message);
                    tell::failed(self.show, self.queue.name(), ("sample-failed", &why))?;
                }
            }
        }
        self.seen = found;
        Ok(())
    }

    async fn put_one(&self, path: &Path) -> Result<String> {
        let text = component::read(path, LARGEST)?;
        let payload = Payload::from_wire(JSON, text)?;
        // Whoever wrote the handler wants to see how it fails, once.
        let options = PutOptions { max_attempts: Some(1), ..PutOptions::default() };
        let put = self.queue.put(payload).options(options).await;
        put.map(|receipt| receipt.id.to_string()).map_err(Trouble::from)
    }
}

/// The samples in a folder, in the order of their names, with what stands for their content.
fn files(folder: &Path) -> BTreeMap<PathBuf, Option<u64>> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let paths = entries.map(|entry| entry.path());
    let json = paths.filter(|path| path.extension().is_some_and(|ending| ending == "json"));
    json.map(|path| (path.clone(), sources::content(&path))).collect()
}
