//! `[host]` in the operator's file: what all components together may take of this machine.

use std::time::Duration;

use mongoqueue_wasmtime::HostLimits;
use serde::Deserialize;

use super::config::{duration, size};

/// The table as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Host {
    #[serde(default, deserialize_with = "size")]
    memory: Option<usize>,
    #[serde(default, deserialize_with = "duration")]
    compile_time: Option<Duration>,
    #[serde(default, deserialize_with = "size")]
    compile_memory: Option<usize>,
    components: Option<usize>,
    #[serde(default, deserialize_with = "size")]
    cache: Option<usize>,
}

impl Host {
    /// With the defaults for what is not said.
    pub(super) fn limits(&self) -> HostLimits {
        let default = HostLimits::default();
        let bytes = |said: Option<usize>, default| said.map_or(default, |bytes| bytes as u64);
        HostLimits {
            memory: self.memory.map(|bytes| bytes as u64),
            compile_time: self.compile_time.unwrap_or(default.compile_time),
            compile_memory: bytes(self.compile_memory, default.compile_memory),
            components: self.components.unwrap_or(default.components),
            cache_bytes: bytes(self.cache, default.cache_bytes),
        }
    }
}
