//! Pull mode: `mongoqueue next`, and what then becomes of the job.

use std::time::Duration;

use clap::Args;
use mongoqueue::{JobId, Token};

use super::duration::parse;

/// Claim the next job of a queue and print it with its token.
#[derive(Debug, Args)]
pub(crate) struct NextArgs {
    /// The queue.
    pub(crate) queue: String,

    /// Wait for a job: this long, or until one comes when no duration is given.
    #[arg(long, value_name = "DURATION", num_args = 0..=1, value_parser = wait)]
    #[arg(default_missing_value = "forever")]
    pub(crate) wait: Option<Wait>,

    /// How long the claim is good for, unless extended. Default: the job's own timeout.
    #[arg(long, value_name = "DURATION", value_parser = parse)]
    pub(crate) lease: Option<Duration>,
}

/// How long to wait for a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    Forever,
    AtMost(Duration),
}

fn wait(text: &str) -> Result<Wait, String> {
    if text == "forever" {
        return Ok(Wait::Forever);
    }
    let hint = |why| format!("{why}; where --wait has no duration, write it after the queue");
    parse(text).map(Wait::AtMost).map_err(hint)
}

/// Which claim: the job's id and the token that `next` printed.
#[derive(Debug, Args)]
pub(crate) struct LeaseArgs {
    /// The job's id.
    pub(crate) id: JobId,

    /// The token that `next` printed with the job.
    #[arg(long, value_name = "TOKEN")]
    pub(crate) token: Token,
}

/// Complete a claimed job.
#[derive(Debug, Args)]
pub(crate) struct CompleteArgs {
    #[command(flatten)]
    pub(crate) lease: LeaseArgs,

    /// What the work came to: JSON text, - for standard input, or @FILE. Kept with a retained job.
    #[arg(long, value_name = "JSON|-|@FILE", allow_hyphen_values = true)]
    pub(crate) output: Option<String>,

    /// The media type of an output that isn't JSON; its bytes are stored as they are.
    #[arg(long, value_name = "TYPE", requires = "output")]
    pub(crate) content_type: Option<String>,
}

/// Fail the attempt at a claimed job.
#[derive(Debug, Args)]
pub(crate) struct FailArgs {
    #[command(flatten)]
    pub(crate) lease: LeaseArgs,

    /// What went wrong, for people.
    #[arg(long, value_name = "TEXT", default_value = "failed", hide_default_value = true)]
    #[arg(allow_hyphen_values = true)]
    pub(crate) message: String,

    /// A short stable code for programs, for example smtp-550.
    #[arg(long, value_name = "CODE")]
    pub(crate) code: Option<String>,

    /// Try again, but not before this long from now. Default: by the job's back-off.
    #[arg(long, value_name = "DURATION", value_parser = parse, conflicts_with = "reject")]
    pub(crate) retry_after: Option<Duration>,

    /// Never try again: to the dead jobs, whatever attempts are left.
    #[arg(long)]
    pub(crate) reject: bool,
}

/// Put a claimed job back.
#[derive(Debug, Args)]
pub(crate) struct ReleaseArgs {
    #[command(flatten)]
    pub(crate) lease: LeaseArgs,

    /// Not to be claimed again before this long from now. Default: at once.
    #[arg(long, value_name = "DURATION", value_parser = parse)]
    pub(crate) delay: Option<Duration>,
}

/// Report how far a claimed job is.
#[derive(Debug, Args)]
pub(crate) struct ProgressArgs {
    #[command(flatten)]
    pub(crate) lease: LeaseArgs,

    /// Units done: rows, bytes, files.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) count: u64,

    /// Units in all, where known.
    #[arg(long, value_name = "N")]
    pub(crate) total: Option<u64>,

    /// What is being done, for people.
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) note: Option<String>,
}
