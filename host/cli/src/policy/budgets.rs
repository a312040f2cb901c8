//! What a component may use up, and what all components together may take of the machine.

use std::time::Duration;

use mongoqueue_wasmtime::{HostLimits, Limits};

use super::table::Table;
use super::{Finding, Policy, Served};

/// What one component may use, as far as it is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Budget {
    pub(crate) memory: Option<usize>,
    pub(crate) cpu: Option<Duration>,
    pub(crate) tables: Option<usize>,
    pub(crate) instances: Option<usize>,
    pub(crate) handles: Option<usize>,
    pub(crate) hostcall: Option<usize>,
    pub(crate) payload: Option<usize>,
    pub(crate) output: Option<usize>,
    pub(crate) saved: Option<usize>,
    pub(crate) log: Option<usize>,
    pub(crate) log_lines: Option<u32>,
    pub(crate) log_tail: Option<usize>,
    pub(crate) stderr: Option<usize>,
    pub(crate) random: Option<usize>,
    pub(crate) puts: Option<u32>,
    pub(crate) put_bytes: Option<usize>,
    pub(crate) puts_per_second: Option<u32>,
    pub(crate) waiting: Option<u32>,
    pub(crate) notes_per_second: Option<u32>,
    pub(crate) saves_per_second: Option<u32>,
    pub(crate) asks_per_second: Option<u32>,
    pub(crate) http_requests: Option<u32>,
    pub(crate) http_open: Option<usize>,
    pub(crate) http_bytes: Option<usize>,
    pub(crate) http_headers: Option<usize>,
    pub(crate) leases: Option<usize>,
    pub(crate) wait: Option<Duration>,
    pub(crate) component_size: Option<usize>,
}

/// What all of them together may take, as far as it is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Host {
    pub(crate) memory: Option<usize>,
    pub(crate) compile_time: Option<Duration>,
    pub(crate) compile_memory: Option<usize>,
    pub(crate) components: Option<usize>,
    pub(crate) cache: Option<usize>,
}

impl Budget {
    pub(super) fn of(table: &mut Table<'_>) -> Self {
        Self {
            memory: table.size("memory"),
            cpu: table.duration("cpu"),
            tables: many(table, "tables"),
            instances: many(table, "instances"),
            handles: many(table, "handles"),
            hostcall: table.size("hostcall"),
            payload: table.size("payload"),
            output: table.size("output"),
            saved: table.size("saved"),
            log: table.size("log"),
            log_lines: number(table, "log_lines"),
            log_tail: table.size("log_tail"),
            stderr: table.size("stderr"),
            random: table.size("random"),
            puts: number(table, "puts"),
            put_bytes: table.size("put_bytes"),
            puts_per_second: number(table, "puts_per_second"),
            waiting: number(table, "waiting"),
            notes_per_second: number(table, "notes_per_second"),
            saves_per_second: number(table, "saves_per_second"),
            asks_per_second: number(table, "asks_per_second"),
            http_requests: number(table, "http_requests"),
            http_open: many(table, "http_open"),
            http_bytes: table.size("http_bytes"),
            http_headers: table.size("http_headers"),
            leases: many(table, "leases"),
            wait: table.duration("wait"),
            component_size: table.size("component_size"),
        }
    }

    /// What is wrong where the connection lets less through than the component may give it.
    pub(crate) fn over(&self, payload_limit: usize) -> Option<String> {
        // The defaults are made for the default of that, and are cut to a smaller one.
        let said = [self.output, self.payload, Some(self.limits().saved_bytes)];
        let most = said.into_iter().flatten().max().filter(|most| *most > payload_limit)?;
        let what = "output, payload or saved state of";
        Some(format!("{what} {most} bytes needs a --payload-limit as large"))
    }

    /// With the defaults for what is not said.
    pub(crate) fn limits(&self) -> Limits {
        let default = Limits::default();
        let payload_bytes = self.payload.unwrap_or(default.payload_bytes);
        let output_bytes = self.output.unwrap_or(default.output_bytes);
        let saved_bytes = self.saved.unwrap_or(default.saved_bytes);
        // What is returned or put crosses in one call, with something around it.
        let crossing = output_bytes.max(saved_bytes).max(payload_bytes).saturating_mul(2);
        Limits {
            memory: self.memory.unwrap_or(default.memory),
            cpu: self.cpu.unwrap_or(default.cpu),
            table_elements: self.tables.unwrap_or(default.table_elements),
            instances: self.instances.unwrap_or(default.instances),
            handles: self.handles.unwrap_or(default.handles),
            hostcall_bytes: self.hostcall.unwrap_or(default.hostcall_bytes.max(crossing)),
            payload_bytes,
            output_bytes,
            saved_bytes,
            log_lines: self.log_lines.unwrap_or(default.log_lines),
            log_bytes: self.log.unwrap_or(default.log_bytes),
            stderr_tail: self.stderr.unwrap_or(default.stderr_tail),
            log_tail: self.log_tail.unwrap_or(default.log_tail),
            random_bytes: self.random.unwrap_or(default.random_bytes),
            puts: self.puts.unwrap_or(default.puts),
            put_bytes: self.put_bytes.unwrap_or(default.put_bytes),
            puts_per_second: self.puts_per_second.unwrap_or(default.puts_per_second),
            waiting: self.waiting.map_or(default.waiting, u64::from),
            notes_per_second: self.notes_per_second.unwrap_or(default.notes_per_second),
            saves_per_second: self.saves_per_second.unwrap_or(default.saves_per_second),
            asks_per_second: self.asks_per_second.unwrap_or(default.asks_per_second),
            http_requests: self.http_requests.unwrap_or(default.http_requests),
            http_open: self.http_open.unwrap_or(default.http_open),
            http_bytes: self.http_bytes.unwrap_or(default.http_bytes),
            http_header_bytes: self.http_headers.unwrap_or(default.http_header_bytes),
            leases: self.leases.unwrap_or(default.leases),
            wait: self.wait.unwrap_or(default.wait),
            component_bytes: self.component_size.unwrap_or(default.component_bytes),
        }
    }
}

impl Host {
    pub(super) fn of(mut table: Table<'_>) -> Self {
        let host = Self {
            memory: table.size("memory"),
            compile_time: table.duration("compile_time"),
            compile_memory: table.size("compile_memory"),
            components: many(&mut table, "components"),
            cache: table.size("cache"),
        };
        table.end();
        host
    }

    /// With the defaults for what is not said.
    pub(crate) fn limits(&self) -> HostLimits {
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

impl Policy {
    /// Components for which there is no room in what all of them may have.
    pub(super) fn too_large(&self) -> Vec<Finding> {
        let HostLimits { memory, components, .. } = self.host.limits();
        let mut findings = Vec::new();
        for served in self.queues.values() {
            let Served { place, budget, .. } = served;
            let wanted = budget.limits().memory;
            if let Some(whole) = memory.filter(|whole| wanted as u64 > *whole) {
                let what = format!(
                    "it may have {wanted} bytes of memory, and all components together have {whole}"
                );
                let help = "Give it less as `memory`, or the host more as `memory` under [host].";
                findings.push(Finding::error(*place, what, help));
            }
        }
        if let Some(served) = self.queues.values().nth(components) {
            let all = self.queues.len();
            let what = format!("{all} queues are served, and {components} components are loaded");
            let help = "Allow more as `components` under [host].";
            findings.push(Finding::error(served.place, what, help));
        }
        findings
    }
}

fn number(table: &mut Table<'_>, key: &'static str) -> Option<u32> {
    let number = table.count(key, 0..=u32::MAX.into())?;
    u32::try_from(number).ok()
}

fn many(table: &mut Table<'_>, key: &'static str) -> Option<usize> {
    number(table, key).map(|number| number as usize)
}
