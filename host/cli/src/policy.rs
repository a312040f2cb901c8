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
//! digest = "sha256:…"                # no other component than this
//! signed_by = "team.pub.pem"         # relative to this file; or a list: any of them
//! queues = { next = "reports" }      # its own name = the queue it may put on
//! consume = { work = "letters" }     # its own name = the queue it may claim from
//! http = [{ host = "api.mail.example", methods = ["POST"], secrets = ["token"] }]
//! secrets = { token = { env = "MAIL_TOKEN" } }
//! config = { region = "eu" }
//! folders = { "/templates" = "templates" }
//! memory = "128MiB"
//! ```
//!
//! [`Policy::read`] takes what is written there, and says of everything that can't be meant where
//! it stands; [`check`] looks at what it speaks of: files, variables, components.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mongoqueue_wasmtime::HttpGrant;

mod budgets;
pub(crate) mod check;
mod finding;
mod powers;
mod table;
mod trust;

pub(crate) use budgets::{Budget, Host};
pub(crate) use finding::{Finding, Findings, Place};
use table::{Source, Table};
use trust::Trust;

/// A file of more than this is a mistake.
const MOST_BYTES: u64 = 1 << 20;

/// What the file says.
#[derive(Debug, Default)]
pub(crate) struct Policy {
    pub(crate) concurrency: Option<usize>,
    pub(crate) lease: Option<Duration>,
    pub(crate) grace: Option<Duration>,
    pub(crate) until_empty: bool,
    pub(crate) host: Host,
    pub(crate) queues: BTreeMap<String, Served>,
}

/// One queue, the component that does its jobs, and what the component is granted.
#[derive(Debug, Default)]
pub(crate) struct Served {
    /// Where it is said.
    pub(crate) place: Place,
    pub(crate) component: PathBuf,
    pub(crate) component_place: Place,
    pub(crate) trust: Trust,
    /// The names by which it knows the queues that it may put on.
    pub(crate) queues: BTreeMap<String, String>,
    /// The names by which it knows the queues that it may claim from.
    pub(crate) consume: BTreeMap<String, String>,
    pub(crate) powers: Powers,
    /// It is named on the command line, and so are its grants.
    pub(crate) by_options: bool,
    pub(crate) budget: Budget,
}

/// What it is granted beside queues.
#[derive(Debug, Default)]
pub(crate) struct Powers {
    pub(crate) config: BTreeMap<String, String>,
    pub(crate) http: Vec<HttpGrant>,
    pub(crate) secrets: BTreeMap<String, Secret>,
    /// Its own path for each folder that it may read.
    pub(crate) folders: BTreeMap<String, Folder>,
    pub(crate) clock: Option<Duration>,
}

/// Where a secret is kept.
#[derive(Debug)]
pub(crate) struct Secret {
    pub(crate) place: Place,
    pub(crate) kept: Kept,
}

/// The two places that a secret may be kept at; never the file itself, which others read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    Variable(String),
    File(PathBuf),
}

/// A folder of this machine.
#[derive(Debug)]
pub(crate) struct Folder {
    pub(crate) place: Place,
    pub(crate) path: PathBuf,
}

impl Policy {
    /// Reads a file. Paths in it are relative to its folder.
    ///
    /// # Errors
    /// All that is wrong with it, as far as can be told without looking anywhere else. What is
    /// merely odd doesn't stop it: that is in the findings beside the policy.
    pub(crate) fn read(path: &Path) -> Result<(Self, Findings), Findings> {
        let text = match read_text(path) {
            Ok(text) => text,
            Err(why) => return Err(Findings::of(path, Finding::error(Place::none(), why, ""))),
        };
        let folder = path.parent().unwrap_or(Path::new(""));
        let source = Source::new(&text);
        let policy = source.table().map(|table| Self::of(table, folder)).unwrap_or_default();
        let findings = source.findings(path);
        if findings.has_errors() { Err(findings) } else { Ok((policy, findings)) }
    }

    fn of(mut file: Table<'_>, folder: &Path) -> Self {
        let mut policy = Self {
            concurrency: file.count("concurrency", 1..=10_000).map(|n| n as usize),
            lease: file.duration("lease"),
            grace: file.duration("grace"),
            until_empty: file.flag("until_empty").unwrap_or_default(),
            host: file.inner_table("host", "[host]").map(Host::of).unwrap_or_default(),
            queues: BTreeMap::new(),
        };
        for (name, table) in file.tables("queue", "[queue.NAME]") {
            policy.queues.insert(name, Served::of(table, folder));
        }
        file.end();
        policy
    }
}

impl Served {
    fn of(mut table: Table<'_>, folder: &Path) -> Self {
        let component = table.required_text("component", "\"emails.wasm\"");
        let served = Self {
            place: table.place(),
            component_place: component.as_ref().map_or(table.place(), |(_, place)| *place),
            component: folder.join(component.map(|(path, _)| path).unwrap_or_default()),
            trust: Trust::of(&mut table, folder),
            queues: table.texts("queues", "{ next = \"reports\" }"),
            consume: table.texts("consume", "{ work = \"letters\" }"),
            powers: Powers::of(&mut table, folder),
            by_options: false,
            budget: Budget::of(&mut table),
        };
        table.end();
        served
    }
}

fn read_text(path: &Path) -> Result<String, String> {
    let size = std::fs::metadata(path).map_err(|error| format!("can't be read: {error}"))?.len();
    if size > MOST_BYTES {
        return Err(format!("has {size} bytes; the limit is {MOST_BYTES}"));
    }
    std::fs::read_to_string(path).map_err(|error| format!("can't be read: {error}"))
}

#[cfg(test)]
mod tests;
