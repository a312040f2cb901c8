//! Why a component is not run, and who can change that.

use std::fmt::Write as _;
use std::path::PathBuf;

use super::Digest;
use super::imports::{Import, Need};
use super::inspect::{Inspection, Kind};
use crate::jobs::Grants;

/// Why a component was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The file can't be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// The file is larger than a component may be.
    #[error("{name} is too large: {size} bytes, the limit is {limit}")]
    TooLarge {
        /// What the component is called.
        name: String,
        /// In bytes.
        size: u64,
        /// In bytes.
        limit: usize,
    },
    /// The bytes are not what is needed.
    #[error("{name} is {kind}; {hint}")]
    WrongKind {
        /// What the component is called.
        name: String,
        /// What it is.
        kind: Kind,
        /// What would be right.
        hint: String,
    },
    /// The component imports more than it is granted.
    #[error("{name} imports more than it is granted:{}", list(name, missing))]
    MissingGrants {
        /// What the component is called.
        name: String,
        /// The imports that are not covered.
        missing: Vec<Import>,
    },
    /// The component is not valid, or uses what this engine has switched off.
    #[error("{name} is not valid: {why}")]
    Invalid {
        /// What the component is called.
        name: String,
        /// wasmtime's words.
        why: String,
    },
    /// The names are right and the types are not.
    #[error("{name} does not fit this host: {why}")]
    Mismatch {
        /// What the component is called.
        name: String,
        /// Which import or export, and how it differs.
        why: String,
    },
    /// It starts with more memory than it may have.
    #[error("{name} starts with {needed} bytes of memory, the limit is {limit}")]
    NeedsMemory {
        /// What the component is called.
        name: String,
        /// In bytes.
        needed: u64,
        /// In bytes.
        limit: usize,
    },
    /// It may have more memory than there is for all guests together.
    #[error(
        "{name} may have {memory} bytes of memory, and all guests of this host together have \
         {whole}: give it less, or the host more"
    )]
    HostMemory {
        /// What the component is called.
        name: String,
        /// What it may have, in bytes.
        memory: usize,
        /// For all guests, in bytes: [`HostLimits::memory`](crate::HostLimits::memory).
        whole: u64,
    },
    /// So many components are loaded already.
    #[error("{name} is one too many: {limit} components are loaded, which is the limit")]
    TooMany {
        /// What the component is called.
        name: String,
        /// [`HostLimits::components`](crate::HostLimits::components).
        limit: usize,
    },
    /// Compiling it took too long.
    #[error(
        "compiling {name} took longer than the {limit:?} that it may: allow more as \
         `compile_time` under [host], or make it smaller"
    )]
    CompileTime {
        /// What the component is called.
        name: String,
        /// [`HostLimits::compile_time`](crate::HostLimits::compile_time).
        limit: std::time::Duration,
    },
    /// Compiling it took too much memory.
    #[error(
        "compiling {name} took more than the {limit} bytes of memory that it may: allow more as \
         `compile_memory` under [host], or make it smaller"
    )]
    CompileMemory {
        /// What the component is called.
        name: String,
        /// [`HostLimits::compile_memory`](crate::HostLimits::compile_memory), in bytes.
        limit: u64,
    },
    /// It became more code than is taken from the process that compiles it.
    #[error("{name} became more than {limit} bytes of code: make it smaller")]
    CompiledSize {
        /// What the component is called.
        name: String,
        /// In bytes.
        limit: u64,
    },
    /// It is not the component that was pinned.
    #[error(
        "{name} is not the component that is pinned: pinned is {pinned}, this is {found}\n  \
         if this one is meant: digest = \"{found}\""
    )]
    WrongDigest {
        /// What the component is called.
        name: String,
        /// The digest that was asked for.
        pinned: Digest,
        /// The digest that it has.
        found: Digest,
    },
    /// It is not signed by anybody who is trusted.
    #[error("{name} is not signed as it has to be: {why}")]
    NotSigned {
        /// What the component is called.
        name: String,
        /// What is wrong with its signature, or where there is none.
        why: String,
    },
    /// The compiler gave up; its bug, whatever the component is.
    #[error("the compiler failed on {name}: {why}")]
    CompilerFailed {
        /// What the component is called.
        name: String,
        /// Its last words.
        why: String,
    },
}

/// Who can do something about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// Whoever built the component.
    Component,
    /// Whoever runs it: a path, a grant, a limit.
    Operator,
    /// This host.
    Host,
}

impl LoadError {
    /// Who can do something about it.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Unreadable { .. }
            | Self::TooLarge { .. }
            | Self::NeedsMemory { .. }
            | Self::HostMemory { .. }
            | Self::TooMany { .. }
            | Self::CompileTime { .. }
            | Self::CompileMemory { .. }
            | Self::WrongDigest { .. }
            | Self::NotSigned { .. } => Blame::Operator,
            Self::MissingGrants { missing, .. } => {
                let never = |import: &Import| matches!(import.need, Need::Unavailable(_));
                if missing.iter().any(never) { Blame::Component } else { Blame::Operator }
            }
            Self::WrongKind { .. }
            | Self::Invalid { .. }
            | Self::Mismatch { .. }
            | Self::CompiledSize { .. } => Blame::Component,
            Self::CompilerFailed { .. } => Blame::Host,
        }
    }
}

/// Imports and exports that are named; a component may have millions of them.
const MOST_NAMES: usize = 40;
/// Of one name; those that mean something are shorter.
const NAME_BYTES: usize = 100;

/// A line for each import; after those that take the same, what that is, as the line that the
/// operator's file needs where there is one.
fn list(name: &str, missing: &[Import]) -> String {
    let mut lines = String::new();
    let named = missing.get(..MOST_NAMES).unwrap_or(missing);
    for same in named.chunk_by(|one, next| one.need == next.need) {
        for import in same {
            // Writing to a string can't fail.
            let _ = write!(lines, "\n  {}", readable(&import.name));
        }
        let Some(Import { need, .. }) = same.first() else { continue };
        let grant = |line: &str| format!("to grant it, add under [handler.{name}]: {line}");
        let remedy = match need {
            Need::Nothing => continue,
            Need::Queue => {
                grant("queues = { next = \"emails\" }  # its name for a queue = that queue")
            }
            Need::Consume => {
                grant("consume = { work = \"emails\" }  # its name for a queue = that queue")
            }
            Need::Http => grant("http = [{ host = \"api.example.com\" }]"),
            Need::Config => grant("config = { region = \"eu\" }"),
            Need::Unavailable(why) => (*why).to_owned(),
        };
        let _ = write!(lines, "\n    {remedy}");
    }
    let more = missing.len() - named.len();
    if more > 0 {
        let _ = write!(lines, "\n  and {more} more");
    }
    lines
}

/// A name as the component has it: nobody has checked it yet.
fn readable(name: &str) -> String {
    let end = name.floor_char_boundary(NAME_BYTES);
    let cut = if end < name.len() { "…" } else { "" };
    let name = name.get(..end).unwrap_or_default();
    format!("{}{cut}", name.replace(char::is_control, "\u{fffd}"))
}

/// In one line.
fn listed(exports: &[String]) -> String {
    if exports.is_empty() {
        return "nothing".to_owned();
    }
    let names = exports.iter().take(MOST_NAMES).map(|name| readable(name));
    let mut line = names.collect::<Vec<_>>().join(", ");
    if exports.len() > MOST_NAMES {
        let _ = write!(line, " and {} more", exports.len() - MOST_NAMES);
    }
    line
}

pub(super) fn check_kind(
    name: &str,
    inspection: &Inspection,
    wanted: Kind,
) -> Result<(), LoadError> {
    if inspection.kind == wanted {
        return Ok(());
    }
    let hint = match &inspection.kind {
        Kind::CoreModule => "build it for wasm32-wasip2, or make it a component by \
                             `wasm-tools component new`"
            .to_owned(),
        Kind::Text => "translate it by `wasm-tools parse`".to_owned(),
        Kind::MachineCode => "give the .wasm that it was made from; \
                              this would run unchecked"
            .to_owned(),
        Kind::Broken(_) => "a component is a .wasm file built for wasm32-wasip2".to_owned(),
        Kind::Handler | Kind::Program | Kind::Component => {
            let needed = match wanted {
                Kind::Program => "wasi:cli/run@0.2",
                _ => "mongoqueue:jobs/handler@0.1",
            };
            let exports = listed(&inspection.exports);
            format!("{wanted} exports {needed}, this exports {exports}")
        }
    };
    Err(LoadError::WrongKind { name: name.to_owned(), kind: inspection.kind.clone(), hint })
}

pub(super) fn check_imports(
    name: &str,
    inspection: &Inspection,
    grants: &Grants,
) -> Result<(), LoadError> {
    let covered = |need: &Need| match need {
        Need::Nothing => true,
        // A program that claims has to open its queue, too.
        Need::Queue => grants.may_put() || grants.may_consume(),
        Need::Consume => grants.may_consume(),
        Need::Http => !grants.powers().http.is_empty(),
        Need::Config => !grants.powers().config.is_empty(),
        Need::Unavailable(_) => false,
    };
    let missing: Vec<Import> =
        inspection.imports.iter().filter(|import| !covered(&import.need)).cloned().collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(LoadError::MissingGrants { name: name.to_owned(), missing })
}

/// Said here rather than by the compiler, in its words, or by every attempt.
pub(super) fn check_memory(
    name: &str,
    inspection: &Inspection,
    limit: usize,
) -> Result<(), LoadError> {
    let needed = inspection.memory;
    if needed > limit as u64 {
        return Err(LoadError::NeedsMemory { name: name.to_owned(), needed, limit });
    }
    Ok(())
}

/// What could never be had is refused here, not by every attempt.
pub(super) fn check_whole(name: &str, memory: usize, whole: u64) -> Result<(), LoadError> {
    if memory as u64 > whole {
        return Err(LoadError::HostMemory { name: name.to_owned(), memory, whole });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inspection(kind: Kind, imports: &[&str], exports: &[&str]) -> Inspection {
        Inspection {
            digest: String::new(),
            version: None,
            size: 0,
            kind,
            exports: exports.iter().map(|name| (*name).to_owned()).collect(),
            imports: imports.iter().map(|name| Import::new(name)).collect(),
            memory: 0,
        }
    }

    #[test]
    fn missing_grants_are_named_with_what_to_write() {
        let imports = ["wasi:cli/stdout@0.2.6", "mongoqueue:jobs/queue@0.1.0"];
        let handler = inspection(Kind::Handler, &imports, &[]);
        let error = check_imports("notes", &handler, &Grants::default()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "notes imports more than it is granted:\n  mongoqueue:jobs/queue@0.1.0\n    to grant \
             it, add under [handler.notes]: queues = { next = \"emails\" }  # its name for a queue \
             = that queue"
        );
        assert_eq!(error.blame(), Blame::Operator);
    }

    #[test]
    fn what_nobody_can_grant_is_the_components_fault() {
        let imports = ["acme:db/client@1.0.0", "mongoqueue:jobs/consumer@0.1.0"];
        let handler = inspection(Kind::Handler, &imports, &[]);
        let error = check_imports("n", &handler, &Grants::default()).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("acme:db/client@1.0.0\n    this host does not know it"), "{text}");
        assert!(text.contains("consume = { work = \"emails\" }"), "{text}");
        assert_eq!(error.blame(), Blame::Component);
    }

    #[test]
    fn what_is_no_handler_is_told_what_it_is() {
        let told = |kind, exports: &[&str]| {
            let inspection = inspection(kind, &[], exports);
            check_kind("x", &inspection, Kind::Handler).unwrap_err().to_string()
        };
        assert_eq!(
            told(Kind::Program, &["wasi:cli/run@0.2.6"]),
            "x is a program; a handler exports mongoqueue:jobs/handler@0.1, this exports \
             wasi:cli/run@0.2.6"
        );
        assert!(told(Kind::Component, &[]).ends_with("this exports nothing"));
        assert!(told(Kind::CoreModule, &[]).contains("wasm32-wasip2"));
        assert!(told(Kind::MachineCode, &[]).contains("unchecked"));
        assert!(told(Kind::Broken("it is empty".into()), &[]).contains("it is empty"));
        assert!(check_kind("x", &inspection(Kind::Handler, &[], &[]), Kind::Handler).is_ok());
    }
}
