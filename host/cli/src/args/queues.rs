//! Looking at jobs and mending them.

use clap::Args;
use mongoqueue::{JobId, State};

/// One job.
#[derive(Debug, Args)]
pub(crate) struct JobArgs {
    /// The job's id.
    pub(crate) id: JobId,
}

/// Some jobs.
#[derive(Debug, Args)]
pub(crate) struct IdsArgs {
    /// The jobs' ids.
    #[arg(required = true, value_name = "ID")]
    pub(crate) ids: Vec<JobId>,
}

/// List jobs, those that are next first.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// The queue. Default: every queue.
    pub(crate) queue: Option<String>,

    /// Only those in this state: ready, running, completed, dead or cancelled.
    #[arg(long, value_name = "STATE")]
    pub(crate) state: Option<State>,

    /// Dead jobs by how they died: one row for equal deaths.
    #[arg(long)]
    pub(crate) group: bool,

    /// At most this many of each queue.
    #[arg(long, value_name = "N", default_value_t = 100)]
    #[arg(value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..))]
    pub(crate) limit: usize,
}

/// Count jobs.
#[derive(Debug, Args)]
pub(crate) struct StatsArgs {
    /// The queue. Default: every queue that has jobs.
    pub(crate) queue: Option<String>,
}

/// Make dead or cancelled jobs ready again.
#[derive(Debug, Args)]
#[group(id = "which", required = true, multiple = false)]
pub(crate) struct RetryArgs {
    /// The jobs' ids.
    #[arg(value_name = "ID", group = "which")]
    pub(crate) ids: Vec<JobId>,

    /// Every dead job of this queue.
    #[arg(long, value_name = "QUEUE", group = "which")]
    pub(crate) queue: Option<String>,
}

/// Remove every job of a queue.
#[derive(Debug, Args)]
pub(crate) struct ClearArgs {
    /// The queue.
    pub(crate) queue: String,

    /// Really do it; needed where a person sits at the terminal.
    #[arg(long)]
    pub(crate) yes: bool,
}
