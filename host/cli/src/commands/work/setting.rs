//! What the operator's file says of one queue, for commands that run its component elsewhere.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mongoqueue_wasmtime::Limits;

use super::config::Config;
use crate::trouble::{Result, Trouble};

/// A component, its grants and its limits.
#[derive(Debug, Default)]
pub(crate) struct Setting {
    pub(crate) component: PathBuf,
    /// The names by which it knows the queues that it may put on.
    pub(crate) queues: BTreeMap<String, String>,
    /// The names by which it knows the queues that it may claim from.
    pub(crate) consume: BTreeMap<String, String>,
    pub(crate) limits: Limits,
    /// What the worker's sandbox is made for.
    pub(crate) most: Limits,
}

impl Setting {
    /// Of this queue in the file. `payload_limit`: the most that the connection lets through.
    pub(crate) fn read(file: &Path, queue: &str, payload_limit: usize) -> Result<Self> {
        let mut config = Config::read(file)?;
        let most = config.most();
        let Some(served) = config.queues.remove(queue) else {
            let message = format!(
                "{}: nothing is said of the job's queue; add it as [queue.{queue}], or name the \
                 component by --component",
                file.display()
            );
            return Err(Trouble::misuse(message));
        };
        let limits = served.limits(payload_limit)?;
        let (component, queues, consume) = (served.component, served.queues, served.consume);
        Ok(Self { component, queues, consume, limits, most })
    }
}
