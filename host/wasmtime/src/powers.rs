//! What a guest may be granted beside queues: values of a configuration, requests over HTTP with
//! secrets that it never sees, folders to read, a finer clock. Nothing of it by default.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use wasmtime_wasi::{FsPerms, WasiCtxBuilder};
use wasmtime_wasi_config::WasiConfigVariables;

mod clock;
mod http;

pub use http::{GrantError, HttpGrant};
pub(crate) use http::{Http, HttpPolicy};

/// How finely a guest sees the time unless it is granted more: enough for every handler, and too
/// coarse to tell what else the processor does.
pub(crate) const CLOCK: Duration = Duration::from_millis(1);

/// What is granted, as it was said.
#[derive(Clone, Debug, Default)]
pub(crate) struct Powers {
    pub(crate) config: BTreeMap<String, String>,
    pub(crate) http: HttpPolicy,
    /// By the path that the guest knows each folder by.
    pub(crate) folders: BTreeMap<String, PathBuf>,
    pub(crate) clock: Option<Duration>,
}

impl Powers {
    /// The values of the configuration, as `wasi:config` wants them.
    pub(crate) fn variables(&self) -> WasiConfigVariables {
        self.config.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect()
    }

    /// Gives a guest its clocks.
    pub(crate) fn clocks(&self, wasi: &mut WasiCtxBuilder) {
        let (wall, monotonic) = clock::of(self.clock.unwrap_or(CLOCK));
        wasi.wall_clock(wall).monotonic_clock(monotonic);
    }

    /// Gives a guest the folders that it may read.
    ///
    /// # Errors
    /// Where one can't be opened.
    pub(crate) fn open(&self, wasi: &mut WasiCtxBuilder) -> wasmtime::Result<()> {
        for (guest, host) in &self.folders {
            wasi.preopened_dir(host, guest, FsPerms::ReadOnly)?;
        }
        Ok(())
    }
}
