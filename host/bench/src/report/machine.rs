//! Where it was measured: figures of another machine say little about this one.

use std::fs;

use bson::{Bson, DateTime, Document, doc};
use serde::Serialize;

use crate::error::Result;
use crate::ground::Ground;

/// What this program was built with: wasmtime does not say its own version.
const LOCK: &str = include_str!("../../../../Cargo.lock");

/// The machine of the bench, and the server.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// When the bench began, RFC 3339.
    pub date: String,
    /// Of mongoqueue.
    pub version: &'static str,
    /// Of wasmtime.
    pub wasmtime: String,
    /// False for a build without optimisation, whose figures say nothing.
    pub optimised: bool,
    /// Of the machine that runs the bench; the server may have another.
    pub processor: String,
    /// Its cores.
    pub cores: usize,
    /// Its memory in GiB; `NaN` where that can't be told.
    pub memory_gib: f64,
    /// Its kernel.
    pub kernel: String,
    /// Of MongoDB.
    pub server: String,
    /// A replica set of how many, or a sharded cluster.
    pub topology: String,
    /// For how many seconds it keeps old snapshots, where it says so.
    pub history: Option<i32>,
}

/// The server's parameter.
const HISTORY: &str = "minSnapshotHistoryWindowInSeconds";

impl Machine {
    /// With what the server says of itself.
    pub(crate) async fn look(ground: &Ground) -> Result<Self> {
        let admin = ground.client.database("admin");
        let build = admin.run_command(doc! { "buildInfo": 1 }).await?;
        let hello = admin.run_command(doc! { "hello": 1 }).await?;
        let server = build.get_str("version").unwrap_or_default().to_owned();
        // Not everybody may ask.
        let asked = admin.run_command(doc! { "getParameter": 1, HISTORY: 1 }).await;
        let history = asked.unwrap_or_default().get(HISTORY).and_then(Bson::as_i32);
        Ok(Self { server, topology: topology(&hello), history, ..Self::here() })
    }

    /// Without a server.
    pub fn here() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let memory = field(&read("/proc/meminfo"), "MemTotal").and_then(|text| {
            let kibibytes: f64 = text.split(' ').next()?.parse().ok()?;
            Some((kibibytes / 1_048_576.0 * 10.0).round() / 10.0)
        });
        Self {
            date: DateTime::now().try_to_rfc3339_string().unwrap_or_default(),
            version: env!("CARGO_PKG_VERSION"),
            wasmtime: locked(LOCK, "wasmtime").unwrap_or("unknown").to_owned(),
            optimised: !cfg!(debug_assertions),
            processor: field(&read("/proc/cpuinfo"), "model name")
                .unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_gib: memory.unwrap_or(f64::NAN),
            kernel: match read("/proc/sys/kernel/osrelease").trim() {
                "" => std::env::consts::OS.to_owned(),
                release => format!("{} {release}", std::env::consts::OS),
            },
            server: String::new(),
            topology: String::new(),
            history: None,
        }
    }

    /// The server in a few words.
    pub(super) fn served_by(&self) -> String {
        let history = self.history.map(|seconds| format!(", history of {seconds} s"));
        format!("MongoDB {} ({}{})", self.server, self.topology, history.unwrap_or_default())
    }

    /// In a line.
    pub fn words(&self) -> String {
        let Self { version, wasmtime, processor, cores, memory_gib, kernel, .. } = self;
        let server = match self.server.as_str() {
            "" => String::new(),
            _ => format!("{}, ", self.served_by()),
        };
        format!(
            "mongoqueue {version}, wasmtime {wasmtime}, {server}{processor}, {cores} cores, \
             {memory_gib} GiB, {kernel}"
        )
    }
}

fn topology(hello: &Document) -> String {
    if hello.get_str("msg").is_ok_and(|msg| msg == "isdbgrid") {
        return "sharded cluster".to_owned();
    }
    match hello.get_array("hosts").map_or(1, Vec::len) {
        1 => "replica set of one".to_owned(),
        n => format!("replica set of {n}"),
    }
}

/// The version of a package in a lock file.
fn locked<'a>(lock: &'a str, name: &str) -> Option<&'a str> {
    let (_, package) = lock.split_once(&format!("name = \"{name}\"\nversion = \""))?;
    package.split_once('"').map(|(version, _)| version)
}

/// The first `name : value` of a text of the kernel.
fn field(text: &str, name: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kind_of_server() {
        assert_eq!(topology(&doc! { "hosts": ["a:1"] }), "replica set of one");
        assert_eq!(topology(&doc! { "hosts": ["a:1", "b:1", "c:1"] }), "replica set of 3");
        assert_eq!(topology(&doc! { "msg": "isdbgrid" }), "sharded cluster");
    }

    #[test]
    fn the_version_that_was_built() {
        let version = locked(LOCK, "wasmtime");
        let major = version.and_then(|it| it.split('.').next()?.parse::<u32>().ok());
        assert!(major.is_some_and(|major| major >= 48), "{version:?}");
        assert_eq!(locked(LOCK, "wasm"), None);
    }

    #[test]
    fn a_field_of_the_kernels() {
        let text = "processor\t: 0\nmodel name\t: Some CPU: 2 GHz\n";
        assert_eq!(field(text, "model name").as_deref(), Some("Some CPU: 2 GHz"));
        assert_eq!(field(text, "MemTotal"), None);
    }
}
