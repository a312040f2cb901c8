//! Every way not to finish a job, by what another service answered: `{"status": 503}`.

use std::time::Duration;

use mongoqueue_guest::{Error, Job, Result, handler, reject, release, retry_after};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Answer {
    status: u16,
}

#[derive(Serialize)]
struct Delivery {
    delivered: bool,
}

fn deliver(job: Job<Answer>) -> Result<Delivery> {
    let status = job.payload.status;
    let code = format!("http-{status}");
    Err(match status {
        ..300 => return Ok(Delivery { delivered: true }),
        // Counts as an attempt, and the next one is not before this.
        429 => retry_after(Duration::from_secs(60), "too many requests").code("busy"),
        // Nobody's fault: counts as none.
        503 => release(Duration::from_secs(30)),
        // No attempt will ever do better: to the dead jobs.
        300..500 => reject(format!("refused with {status}")).code(code),
        // By the job's own back-off, while attempts are left.
        500.. => Error::new(format!("failed with {status}")).code(code),
    })
}

handler!(deliver);
