//! `mongoqueue put`.

use std::time::Duration;

use clap::Args;
use mongoqueue::{Backoff, JobId};

use super::values::{self, Due};

/// Put a job on a queue, or with --lines one for every line.
#[derive(Debug, Args)]
pub(crate) struct PutArgs {
    /// The queue.
    pub(crate) queue: String,

    /// The payload: JSON text, - for standard input, or @FILE.
    ///
    /// MongoDB's Extended JSON is understood: {"$date": "2027-01-31T09:30:00Z"} is a date.
    #[arg(value_name = "JSON|-|@FILE", allow_negative_numbers = true)]
    pub(crate) payload: String,

    /// Every line is a job's payload of its own. Bad lines are named and left out (exit code 2).
    #[arg(long, conflicts_with_all = ["id", "unique", "content_type"])]
    pub(crate) lines: bool,

    /// The media type of a payload that isn't JSON; its bytes are stored as they are.
    #[arg(long, value_name = "TYPE")]
    pub(crate) content_type: Option<String>,

    #[command(flatten)]
    pub(crate) options: JobOptions,

    /// An id of your own: a second put with it changes nothing, so a put can be repeated.
    #[arg(long, value_name = "ID")]
    pub(crate) id: Option<JobId>,

    /// Refuse the put (exit code 1) while a live job of the queue has this key.
    #[arg(long, value_name = "KEY")]
    pub(crate) unique: Option<String>,
}

/// What a single job and each of many may be given.
#[derive(Debug, Args)]
pub(crate) struct JobOptions {
    /// Higher comes first. Default: 0.
    #[arg(long, value_name = "N", allow_negative_numbers = true, default_value_t = 0)]
    #[arg(hide_default_value = true)]
    pub(crate) priority: i32,

    /// Not before this long from now.
    #[arg(long, value_name = "DURATION", value_parser = super::duration::parse)]
    pub(crate) delay: Option<Duration>,

    /// Not before this time: 2027-01-31T09:30:00Z, or a duration from now.
    #[arg(long, value_name = "TIME", value_parser = values::due)]
    pub(crate) due: Option<Due>,

    /// How many attempts may fail before the job is dead. Default: 3.
    #[arg(long, value_name = "N")]
    pub(crate) max_attempts: Option<u32>,

    /// The longest that one attempt may take. Default: 5m.
    #[arg(long, value_name = "DURATION", value_parser = super::duration::parse)]
    pub(crate) timeout: Option<Duration>,

    /// The wait after a failed attempt, doubled after each: 1s..5m. Default: none.
    ///
    /// MAX may be left out; it is an hour then.
    #[arg(long, value_name = "FIRST[..MAX]", value_parser = values::backoff)]
    pub(crate) backoff: Option<Backoff>,

    /// Keep the job this long once it is completed. Default: it is removed at once.
    #[arg(long, value_name = "DURATION", value_parser = super::duration::parse)]
    pub(crate) retain: Option<Duration>,

    /// A small string beside the payload; may be repeated.
    #[arg(long, value_name = "NAME=VALUE", value_parser = values::header)]
    pub(crate) header: Vec<(String, String)>,
}

impl JobOptions {
    pub(crate) fn to_put_options(&self) -> mongoqueue::PutOptions {
        let (at, later) = match self.due {
            Some(Due::At(at)) => (Some(at), Duration::ZERO),
            Some(Due::In(later)) => (None, later),
            None => (None, Duration::ZERO),
        };
        mongoqueue::PutOptions {
            priority: self.priority,
            // Where both are given, the later one counts.
            delay: self.delay.unwrap_or_default().max(later),
            due: at,
            max_attempts: self.max_attempts,
            timeout: self.timeout,
            backoff: self.backoff,
            retain: self.retain,
            headers: self.header.clone(),
            ..Default::default()
        }
    }
}
