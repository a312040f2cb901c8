//! The arguments of `new` and of `componentize`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Make a folder with a handler in it that builds and runs as it stands.
///
/// It has a test, samples of payloads, the SDK, and a README with the commands.
#[derive(Debug, Args)]
pub(crate) struct NewArgs {
    /// The folder to make; its last part is the handler's name, and its queue's.
    #[arg(value_name = "NAME")]
    pub(crate) folder: PathBuf,

    /// The handler's language.
    #[arg(long, value_name = "LANGUAGE", value_enum)]
    pub(crate) lang: Language,
}

/// The languages with a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Language {
    Rust,
    Js,
    Ts,
    Python,
    C,
}

impl Language {
    #[cfg(test)]
    pub(crate) const ALL: [Self; 5] = [Self::Rust, Self::Js, Self::Ts, Self::Python, Self::C];

    /// As it is said on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Js => "js",
            Self::Ts => "ts",
            Self::Python => "python",
            Self::C => "c",
        }
    }
}

/// Make a component of a core module, as clang makes them of C.
///
/// The module says by itself what it imports and exports: whatever wit-bindgen made for it is linked
/// into it. What its C library asks of WASI 0.1 is asked of WASI 0.2 by the component.
#[derive(Debug, Args)]
pub(crate) struct ComponentizeArgs {
    /// The core module's file.
    #[arg(value_name = "CORE.wasm")]
    pub(crate) core: PathBuf,

    /// The component's file; one that is there is replaced.
    #[arg(short, long, value_name = "COMPONENT.wasm")]
    pub(crate) output: PathBuf,
}
