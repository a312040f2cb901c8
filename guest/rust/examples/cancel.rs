//! Stops when somebody cancels the job, or the worker is to end; `{"pages": 100}`.

use std::time::Duration;

use mongoqueue_guest::{Job, Result, handler, is_cancelled, log, release, save, saved};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Print {
    pages: u64,
}

fn print(job: Job<Print>) -> Result<Print> {
    for page in saved()?.unwrap_or(0)..job.payload.pages {
        if is_cancelled() {
            // A cancelled job stays so; of a worker that ends, another one goes on from here.
            save(page)?;
            return Err(release(Duration::ZERO));
        }
        log::debug(format_args!("page {}", page + 1));
    }
    Ok(job.payload)
}

handler!(print);
