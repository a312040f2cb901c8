//! An attack: what is tried, by which guest, and how it has to end.

use std::fmt;
use std::path::Path;

use anyhow::Result;
use mongoqueue_wasmtime::Limits;

use super::core::Core;

/// One row of the table.
pub(crate) struct Attack {
    pub(crate) name: &'static str,
    /// For people; the document has the same words.
    pub(crate) does: &'static str,
    pub(super) guest: Guest,
    pub(crate) end: End,
}

/// Who attacks.
pub(super) enum Guest {
    /// The example `hostile`, whose payload names the attack.
    Rust,
    /// The same in other limits.
    RustIn(fn() -> Limits),
    /// A handler in WebAssembly's text.
    Core(Core),
    /// A whole component.
    Component(fn() -> Result<Vec<u8>>),
    /// A file, written to this path.
    File(fn(&Path) -> Result<()>),
}

/// How it has to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The attempt dies under this name.
    Dies(&'static str),
    /// The host's answer to a call is this; the guest reports it as its failure's code.
    Told(&'static str),
    /// Each of the guest's calls gets this answer; the guest outputs the list.
    ToldEach(&'static str),
    /// The job completes: what was tried comes to nothing.
    Completes,
    /// It is never run, for this variant of `LoadError`.
    Refused(&'static str),
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dies(kind) => write!(f, "dies: `{kind}`"),
            Self::Told(code) => write!(f, "is told `{code}`"),
            Self::ToldEach(code) => write!(f, "is told `{code}`, each time"),
            Self::Completes => f.write_str("completes, no harm done"),
            Self::Refused(why) => write!(f, "is not loaded: `{why}`"),
        }
    }
}

pub(super) const fn core(name: &'static str, does: &'static str, core: Core, end: End) -> Attack {
    Attack { name, does, guest: Guest::Core(core), end }
}

pub(super) const fn rust(name: &'static str, does: &'static str, end: End) -> Attack {
    Attack { name, does, guest: Guest::Rust, end }
}

pub(super) const fn component(
    name: &'static str,
    does: &'static str,
    make: fn() -> Result<Vec<u8>>,
    end: End,
) -> Attack {
    Attack { name, does, guest: Guest::Component(make), end }
}
