//! `mongoqueue replay`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use mongoqueue::JobId;

use super::duration::parse;
use super::work::GrantArgs;

/// Make an attempt of a job again, here and now, without touching the queue.
///
/// The component runs in the same sandbox as in a worker, in the same limits, with the job's
/// payload, headers and saved state. Nothing is written to the database: what it would put, save or
/// cancel is shown. Ends with 0 when the attempt completes, with 1 when it fails or dies again.
#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// The job's id.
    pub(crate) id: JobId,

    /// The component's file.
    #[arg(long, value_name = "FILE.wasm", required_unless_present = "config")]
    pub(crate) component: Option<PathBuf>,

    /// The file of `work`: component, grants and limits are those of the job's queue.
    #[arg(long, value_name = "FILE.toml", conflicts_with_all = ["component", "queue", "consume"])]
    pub(crate) config: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) grants: GrantArgs,

    /// The number of the attempt. Default: the last one that failed, or the one that completed.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) attempt: Option<u32>,

    /// Let its requests over HTTP go out, as far as the file grants them. Without it they fail: whom it
    /// asked then would be asked again.
    #[arg(long, requires = "config")]
    pub(crate) http: bool,

    /// Show each call that the component makes to the host's queue interfaces.
    #[arg(long)]
    pub(crate) trace: bool,

    /// Write the core dump of a trap here. It has the component's memory, the job's data included.
    #[arg(long, value_name = "FILE")]
    pub(crate) coredump: Option<PathBuf>,

    /// Write a profile here, which <https://profiler.firefox.com> opens.
    #[arg(long, value_name = "FILE")]
    pub(crate) profile: Option<PathBuf>,

    /// The longest that it may take. Default: the job's own time-out.
    #[arg(long, value_name = "DURATION", value_parser = parse)]
    pub(crate) timeout: Option<Duration>,
}
