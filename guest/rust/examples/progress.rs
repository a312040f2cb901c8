//! Says how far it is, for whoever looks at the job: `{"rows": 1000}`.

use mongoqueue_guest::{Job, Result, handler, progress};
use serde::{Deserialize, Serialize};

const BATCH: usize = 100;

#[derive(Serialize, Deserialize)]
struct Load {
    rows: u64,
}

fn load(job: Job<Load>) -> Result<Load> {
    let rows = job.payload.rows;
    for done in (0..rows).step_by(BATCH) {
        progress(done, Some(rows), "loading")?;
    }
    progress(rows, Some(rows), "done")?;
    Ok(job.payload)
}

handler!(load);
