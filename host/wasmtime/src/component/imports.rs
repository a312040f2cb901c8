//! What each import takes: nothing, a grant, or what no host of this kind gives.

use std::fmt;

/// The package's line of compatible versions: 0.1.x.
const JOBS: (&str, &str) = ("mongoqueue:jobs/", "0.1.");
/// WASI 0.2.x.
const WASI: &str = "0.2.";

/// A release candidate is compatible with nothing but itself.
const CONFIG: &str = "0-rc.1";

/// Interfaces of WASI that give a guest no power over anything but itself: a clock, chance, its
/// own log. Arguments, environment and files are there, and empty.
/// Sockets are there because libraries of languages import them whether or not a handler has a use
/// for them (CPython's does); the host opens none, and resolves no name.
const HARMLESS: [&str; 6] =
    ["wasi:cli/", "wasi:clocks/", "wasi:filesystem/", "wasi:io/", "wasi:random/", "wasi:sockets/"];

/// Something that a component imports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// Its full name, for example `mongoqueue:jobs/queue@0.1.0`.
    pub name: String,
    /// What it takes to import it.
    pub need: Need,
}

/// What it takes to import something.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Need {
    /// Nothing: every component may.
    Nothing,
    /// A queue to put on: `queues = { … }`.
    Queue,
    /// A queue to claim from: `consume = { … }`.
    Consume,
    /// A host to send requests to: `http = [{ … }]`.
    Http,
    /// Values of a configuration: `config = { … }`.
    Config,
    /// It can't be had here, and why.
    Unavailable(&'static str),
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "always there",
            Self::Queue => "needs a queue to put on",
            Self::Consume => "needs a queue to claim from",
            Self::Http => "needs a host to send requests to",
            Self::Config => "needs values of a configuration",
            Self::Unavailable(why) => return write!(f, "not to be had: {why}"),
        })
    }
}

impl Import {
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), need: need(name) }
    }
}

fn need(name: &str) -> Need {
    let (interface, version) = name.split_once('@').unwrap_or((name, ""));
    if let Some(interface) = interface.strip_prefix(JOBS.0) {
        if !version.starts_with(JOBS.1) {
            return Need::Unavailable("this host speaks mongoqueue:jobs 0.1");
        }
        return match interface {
            "types" | "context" | "log" => Need::Nothing,
            "queue" => Need::Queue,
            "consumer" => Need::Consume,
            _ => Need::Unavailable("mongoqueue:jobs 0.1 has no such interface"),
        };
    }
    if HARMLESS.iter().any(|package| interface.starts_with(package)) {
        return match version.starts_with(WASI) {
            true => Need::Nothing,
            false => Need::Unavailable("this host speaks WASI 0.2"),
        };
    }
    if let Some(interface) = interface.strip_prefix("wasi:http/") {
        return match interface {
            "types" | "outgoing-handler" if version.starts_with(WASI) => Need::Http,
            "incoming-handler" => Need::Unavailable("nobody sends requests to components here"),
            _ => Need::Unavailable("this host speaks wasi:http 0.2"),
        };
    }
    if interface == "wasi:config/store" {
        return match version.strip_prefix(WASI) {
            Some(CONFIG) => Need::Config,
            _ => Need::Unavailable("this host speaks wasi:config 0.2.0-rc.1"),
        };
    }
    Need::Unavailable("this host does not know it")
}

pub(super) fn is_handler(export: &str) -> bool {
    export.strip_prefix("mongoqueue:jobs/handler@").is_some_and(|v| v.starts_with(JOBS.1))
}

pub(super) fn is_run(export: &str) -> bool {
    export.strip_prefix("wasi:cli/run@").is_some_and(|version| version.starts_with(WASI))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_import_has_its_price() {
        let nothing = [
            "mongoqueue:jobs/types@0.1.0",
            "mongoqueue:jobs/context@0.1.0",
            "mongoqueue:jobs/log@0.1.9",
            "wasi:cli/environment@0.2.6",
            "wasi:io/streams@0.2.0",
            "wasi:filesystem/preopens@0.2.6",
            "wasi:sockets/tcp@0.2.0",
        ];
        for name in nothing {
            assert_eq!(need(name), Need::Nothing, "{name}");
        }
        assert_eq!(need("mongoqueue:jobs/queue@0.1.0"), Need::Queue);
        assert_eq!(need("mongoqueue:jobs/consumer@0.1.0"), Need::Consume);
        assert_eq!(need("wasi:http/types@0.2.6"), Need::Http);
        assert_eq!(need("wasi:http/outgoing-handler@0.2.0"), Need::Http);
        assert_eq!(need("wasi:config/store@0.2.0-rc.1"), Need::Config);
    }

    #[test]
    fn what_is_not_known_is_not_there() {
        let unavailable = [
            "mongoqueue:jobs/queue@0.2.0",
            "mongoqueue:jobs/queue",
            "mongoqueue:jobs/handler@0.1.0",
            "mongoqueue:jobs/queue@0.10.0",
            "wasi:cli/environment@0.3.0",
            "wasi:clock/wall-clock@0.2.0",
            "wasi:sockets/tcp@0.3.0",
            "wasi:http/outgoing-handler@0.3.0",
            "wasi:http/incoming-handler@0.2.0",
            "wasi:config/store@0.2.0",
            "env",
            "",
        ];
        for name in unavailable {
            assert!(matches!(need(name), Need::Unavailable(_)), "{name}");
        }
    }
}
