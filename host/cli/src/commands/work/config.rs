//! The operator's file: which component does the jobs of which queue, and what it is granted.
//!
//! ```toml
//! concurrency = 8
//! lease = "30s"
//! grace = "20s"
//! until_empty = false
//!
//! [host]
//! memory = "4GiB"                    # of all components that run at the same time
//!
//! [queue.emails]
//! component = "emails.wasm"          # relative to this file
//! queues = { next = "reports" }      # its own name = the queue it may put on
//! consume = { work = "letters" }     # its own name = the queue it may claim from
//! memory = "128MiB"
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mongoqueue::WorkerOptions;
use serde::{Deserialize, Deserializer};

use super::host::Host;
use crate::args::{WorkArgs, parse_duration, parse_size};
use crate::trouble::{Result, Trouble};

mod limits;

/// All that `work` was told, by its file and on the command line.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Config {
    concurrency: Option<usize>,
    #[serde(default, deserialize_with = "duration")]
    lease: Option<Duration>,
    #[serde(default, deserialize_with = "duration")]
    grace: Option<Duration>,
    #[serde(default)]
    until_empty: bool,
    #[serde(default)]
    pub(super) host: Host,
    #[serde(default, rename = "queue")]
    pub(super) queues: BTreeMap<String, Served>,
}

/// One queue, the component that does its jobs, and the component's grants.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Served {
    pub(super) component: PathBuf,
    /// The names by which it knows the queues that it may put on.
    #[serde(default)]
    pub(super) queues: BTreeMap<String, String>,
    /// The names by which it knows the queues that it may claim from.
    #[serde(default)]
    pub(super) consume: BTreeMap<String, String>,
    /// It is named on the command line, and so are its grants.
    #[serde(skip)]
    pub(super) by_options: bool,
    #[serde(default, deserialize_with = "size")]
    memory: Option<usize>,
    #[serde(default, deserialize_with = "size")]
    hostcall: Option<usize>,
    #[serde(default, deserialize_with = "size")]
    payload: Option<usize>,
    #[serde(default, deserialize_with = "size")]
    output: Option<usize>,
    #[serde(default, deserialize_with = "size")]
    saved: Option<usize>,
    #[serde(default, deserialize_with = "size")]
    log: Option<usize>,
    #[serde(default, deserialize_with = "size")]
    stderr: Option<usize>,
    #[serde(default, deserialize_with = "size")]
    random: Option<usize>,
    #[serde(default, deserialize_with = "size")]
    put_bytes: Option<usize>,
    #[serde(default, deserialize_with = "size")]
    component_size: Option<usize>,
    #[serde(default, deserialize_with = "duration")]
    cpu: Option<Duration>,
    #[serde(default, deserialize_with = "duration")]
    wait: Option<Duration>,
    tables: Option<usize>,
    instances: Option<usize>,
    handles: Option<usize>,
    log_lines: Option<u32>,
    puts: Option<u32>,
    puts_per_second: Option<u32>,
    waiting: Option<u64>,
    notes_per_second: Option<u32>,
    saves_per_second: Option<u32>,
    asks_per_second: Option<u32>,
    leases: Option<usize>,
}

impl Config {
    /// The file, if there is one, and what the command line says in its place.
    pub(super) fn of(args: &WorkArgs) -> Result<Self> {
        let mut config = match &args.config {
            Some(path) => Self::read(path)?,
            None => Self::default(),
        };
        for serving in &args.queues {
            let served = Served {
                component: serving.component.clone(),
                queues: args.grants.queue.iter().cloned().collect(),
                consume: args.grants.consume.iter().cloned().collect(),
                by_options: true,
                ..Served::default()
            };
            if config.queues.insert(serving.queue.clone(), served).is_some() {
                let message = format!("queue {:?} is to be served twice", serving.queue);
                return Err(Trouble::misuse(message));
            }
        }
        if config.queues.is_empty() {
            return Err(Trouble::misuse("no queue to serve: add one as [queue.NAME]"));
        }
        config.concurrency = args.concurrency.or(config.concurrency);
        config.lease = args.lease.or(config.lease);
        config.grace = args.grace.or(config.grace);
        config.until_empty |= args.until_empty;
        Ok(config)
    }

    fn read(path: &Path) -> Result<Self> {
        let shown = path.display();
        let text = std::fs::read_to_string(path)
            .map_err(|error| Trouble::misuse(format!("can't read {shown}: {error}")))?;
        let mut config: Self = toml::from_str(&text).map_err(|error| {
            Trouble::misuse(format!("{shown}: {}", error.to_string().trim_end()))
        })?;
        let folder = path.parent().unwrap_or(Path::new(""));
        for served in config.queues.values_mut() {
            served.component = folder.join(&served.component);
        }
        Ok(config)
    }

    pub(super) fn worker_options(&self) -> WorkerOptions {
        let default = WorkerOptions::default();
        WorkerOptions {
            slots: self.concurrency.unwrap_or(default.slots),
            lease: self.lease.unwrap_or(default.lease),
            grace: self.grace.unwrap_or(default.grace),
            until_empty: self.until_empty,
            ..default
        }
    }
}

pub(super) fn duration<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(input)?;
    parse_duration(&text).map(Some).map_err(serde::de::Error::custom)
}

pub(super) fn size<'de, D: Deserializer<'de>>(input: D) -> Result<Option<usize>, D::Error> {
    let text = String::deserialize(input)?;
    parse_size(&text).map(Some).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Config> {
        let folder = tempfile::tempdir().unwrap_or_else(|e| panic!("{e}"));
        let path = folder.path().join("work.toml");
        std::fs::write(&path, text).unwrap_or_else(|e| panic!("{e}"));
        Config::read(&path)
    }

    #[test]
    fn a_file_says_all_that_the_command_line_can_and_the_grants() {
        let text = "concurrency = 3\nlease = \"1m\"\nuntil_empty = true\n[queue.emails]\n\
                    component = \"e.wasm\"\nqueues = { next = \"reports\" }\nmemory = \"128MiB\"";
        let config = read(text).unwrap_or_else(|e| panic!("{e:?}"));
        let options = config.worker_options();
        assert_eq!((options.slots, options.until_empty), (3, true));
        assert_eq!(options.lease, Duration::from_secs(60));
        assert_eq!(options.grace, WorkerOptions::default().grace);
        assert_eq!(config.most().memory, 128 << 20);
        let emails = &config.queues["emails"];
        assert!(emails.component.is_absolute() && emails.component.ends_with("e.wasm"));
        assert_eq!(emails.queues["next"], "reports");
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (text, line, words) in [
            ("\nconcurency = 3", "line 2", "concurency"),
            ("[queue.a]\ncomponent = \"a\"\nmemroy = \"1\"", "line 3", "memroy"),
            ("lease = 30", "line 1", "string"),
            ("lease = \"30\"", "line 1", "a number needs its unit"),
            ("[queue.a]\nqueues = {}", "line 1", "component"),
            ("x", "line 1", ""),
        ] {
            let message = read(text).map_or_else(|e| e.message, |c| panic!("accepted: {c:?}"));
            assert!(message.contains(line) && message.contains(words), "{text}: {message}");
        }
    }
}
