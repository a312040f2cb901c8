//! `mongoqueue next`: claims a job for a program that does the work itself.

use std::time::Duration;

use mongoqueue::{Lease, NextOptions, Queue};

use crate::args::{Global, NextArgs, Wait};
use crate::connect;
use crate::show::{Show, job, now};
use crate::trouble::{Exit, Result, Trouble};

/// One wait of many, where no end of waiting was asked for.
const FOREVER: Duration = Duration::from_secs(600);

pub(super) async fn run(global: &Global, show: Show, args: NextArgs) -> Result<()> {
    let queue = connect::open(global, show).await?.queue(&args.queue)?;
    let Some(lease) = claim(&queue, &args).await? else {
        let waited = if args.wait.is_some() { " came in time" } else { " is due" };
        let message = format!("no job of queue {:?}{waited}", queue.name());
        return Err(Trouble::new(Exit::No, "empty", message).with("queue", queue.name()));
    };
    let mut value = job::json(lease.job());
    value["token"] = lease.token().to_string().into();
    let printed = show.answer(&value, || job::page(show, lease.job(), now()));
    if let Err(trouble) = printed {
        // Nobody has read the token: without this the job would wait for the lease to end.
        lease.release(Duration::ZERO).await?;
        return Err(trouble);
    }
    lease.detach();
    Ok(())
}

async fn claim(queue: &Queue, args: &NextArgs) -> Result<Option<Lease>> {
    let (wait, forever) = match args.wait {
        None => (Duration::ZERO, false),
        Some(Wait::AtMost(wait)) => (wait, false),
        Some(Wait::Forever) => (FOREVER, true),
    };
    let options = NextOptions { wait, lease: args.lease, ..Default::default() };
    loop {
        let lease = queue.next(&options).await?;
        if lease.is_some() || !forever {
            return Ok(lease);
        }
    }
}
