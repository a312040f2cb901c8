//! A payload with a type: what doesn't fit it is rejected, and the handler sees none of that.
//!
//! `{"lines": [{"sku": "nail", "count": 100, "cents": 2}]}` gives `{"items": 100, "cents": 200}`.

use mongoqueue_guest::{Context, Job, Result, handler};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Order {
    lines: Vec<Line>,
}

#[derive(Deserialize)]
struct Line {
    #[expect(dead_code, reason = "the sum is the same for all of them")]
    sku: String,
    count: u64,
    cents: u64,
}

#[derive(Serialize)]
struct Total {
    items: u64,
    cents: u64,
}

fn total(job: Job<Order>) -> Result<Total> {
    let mut total = Total { items: 0, cents: 0 };
    for line in job.payload.lines {
        total.items += line.count;
        let cents = line.count.checked_mul(line.cents);
        total.cents += cents.context("more than anybody has")?;
    }
    Ok(total)
}

handler!(total);
