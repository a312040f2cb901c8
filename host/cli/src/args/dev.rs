//! The arguments of `dev`.

use std::path::PathBuf;

use clap::Args;

use super::values::{self, Serving};
use super::work::GrantArgs;

/// Work on a handler: build it, do its queue's jobs, and again whenever its folder changes.
///
/// A folder is built by its `Cargo.toml`, `package.json`, `build.py`, `Makefile` or `build.sh`. The
/// new version takes the jobs from then on; those that run end on the old one. A build that fails
/// leaves the old one at work.
#[derive(Debug, Args)]
pub(crate) struct DevArgs {
    /// Queues, and the folder of each one's handler, or a component's file.
    #[arg(value_name = "QUEUE=PATH", value_parser = values::developed, required = true)]
    pub(crate) queues: Vec<Serving>,

    #[command(flatten)]
    pub(crate) grants: GrantArgs,

    /// A TOML file for `work`, with what each queue's component is granted.
    #[arg(long, value_name = "FILE.toml")]
    pub(crate) config: Option<PathBuf>,

    /// A command for the shell that builds the component, run in the handler's folder.
    #[arg(long, value_name = "COMMAND")]
    pub(crate) build: Option<String>,

    /// The file that the build makes, in the handler's folder. Default: what cargo says it made,
    /// else build/handler.wasm.
    #[arg(long, value_name = "FILE.wasm")]
    pub(crate) component: Option<PathBuf>,

    /// A folder with payloads, a .json file each, put as jobs at the start, when they change, and
    /// when the handler was built. Default: samples in the handler's folder, if it is there.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) samples: Option<PathBuf>,
}
