//! The arguments of `new`.

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
}

impl Language {
    #[cfg(test)]
    pub(crate) const ALL: [Self; 4] = [Self::Rust, Self::Js, Self::Ts, Self::Python];

    /// As it is said on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Js => "js",
            Self::Ts => "ts",
            Self::Python => "python",
        }
    }
}
