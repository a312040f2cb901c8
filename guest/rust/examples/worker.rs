//! A program with a loop of its own: pulls jobs from the queue bound to `jobs`, or to its first
//! argument, until none has come for a second. Its world is `worker`, and no handler is asked of
//! it. Prints how many jobs it completed.
//!
//! `{"text": "quiet"}` is completed with the output `"QUIET"`, an empty text is rejected. `"then"`
//! shows the other ways a lease can end: `"extend"` completes after asking for more time,
//! `"release"` puts the job back for an hour, `"drop"` lets go of the lease, `"trap"` dies with it.

use std::io::{Write, stdout};
use std::time::Duration;

use mongoqueue_guest::{Context, HostError, Job, Lease, Queue, Result, log, reject};
use serde::Deserialize;

/// Longer than any one job takes.
const LEASE: Duration = Duration::from_secs(30);
const WAIT: Duration = Duration::from_secs(1);
const AN_HOUR: Duration = Duration::from_secs(3600);

#[derive(Deserialize)]
struct Message {
    text: String,
    #[serde(default)]
    then: Then,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
enum Then {
    #[default]
    Complete,
    Extend,
    Release,
    Drop,
    Trap,
}

fn main() -> Result<()> {
    let name = std::env::args().nth(1).unwrap_or_else(|| "jobs".to_owned());
    let queue = Queue::open(&name).context(format_args!("opening {name}"))?;
    let mut completed = 0;
    while let Some(lease) = queue.next(LEASE, WAIT)? {
        match serve(lease) {
            Ok(done) => completed += u32::from(done),
            // Another worker has this one; the next may be ours.
            Err(HostError::LeaseLost) => log::warn("a lease was lost"),
            Err(error) => return Err(error.into()),
        }
    }
    log::info(format_args!("{completed} jobs completed"));
    writeln!(stdout(), "{completed}")?;
    Ok(())
}

/// Ends one lease; says whether its job was completed.
fn serve(lease: Lease) -> Result<bool, HostError> {
    let job: Job<Message> = match lease.job() {
        Ok(job) => job,
        Err(error) => return lease.fail(error).map(|()| false),
    };
    lease.progress(0, Some(1), "shouting")?;
    match job.payload.then {
        Then::Complete => {}
        Then::Extend => lease.extend(2 * LEASE)?,
        Then::Release => return lease.release(AN_HOUR).map(|()| false),
        Then::Drop => return Ok(false),
        Then::Trap => panic!("dying with a lease, as the payload asks"),
    }
    match shout(&job.payload.text) {
        Ok(output) => lease.complete(output).map(|()| true),
        Err(error) => lease.fail(error).map(|()| false),
    }
}

fn shout(text: &str) -> Result<String> {
    match text {
        "" => Err(reject("nothing to say").code("empty-text")),
        text => Ok(text.to_uppercase()),
    }
}
