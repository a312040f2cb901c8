//! Ten thousand deaths in a row, in a process of its own, leave its memory where it was.

use std::fs;

use anyhow::{Context, Result, ensure};
use mongoqueue::Outcome;
use mongoqueue_tests::{Stage, server};
use mongoqueue_wasmtime::Limits;
use serde_json::json;

use super::{misbehave, outcome, passed, start_again};

/// Until then caches fill: the pool's slots, the allocator's, the symbols' for backtraces.
const WARM_UP: usize = 500;
const DEATHS: usize = 10_000;
/// The allocator's own ups and downs. A leak of one page for each death would be 39 MiB.
const BOUND: usize = 8 << 20;

#[tokio::test]
async fn ten_thousand_deaths_leave_no_memory_behind() -> Result<()> {
    let uri = server::uri().await?;
    passed(start_again("sandbox::leak::deaths_in_a_row", &[("MONGODB_URI", &uri)])?)
}

#[tokio::test]
#[ignore = "run by the test before it, in a process of its own"]
async fn deaths_in_a_row() -> Result<()> {
    let stage = Stage::new().await?;
    // Small ones, so that each limit is reached in a moment.
    let limits = Limits { output_bytes: 1_000, handles: 50, log_lines: 10, ..Limits::default() };
    let handler = misbehave(&stage)?.with_limits(limits);
    let deaths = [
        (json!({"do": "panic"}), "trap:unreachable"),
        (json!({"do": "wild-read"}), "trap:memory-out-of-bounds"),
        (json!({"do": "stack"}), "trap:stack-overflow"),
        (json!({"do": "exit", "code": 1}), "exit"),
        (json!({"do": "memory-big"}), "memory"),
        (json!({"do": "bad-utf8"}), "trap:abi"),
        (json!({"do": "handle-flood"}), "limit:handles"),
        (json!({"do": "big-output", "bytes": 2_000}), "limit:output"),
        (json!({"do": "log-flood", "lines": 50, "bytes": 100}), ""),
        (json!({"do": "reject"}), "failure"),
    ];
    let mut before = 0;
    for n in 0..WARM_UP + DEATHS {
        if n == WARM_UP {
            before = resident()?;
        }
        let (job, kind) = deaths.get(n % deaths.len()).context("no death")?;
        let kind_of = |outcome: &Outcome| match outcome {
            Outcome::Failed(failure) => failure.kind.to_string(),
            _ => String::new(),
        };
        assert_eq!(kind_of(&outcome(&handler, job).await?), *kind, "{job}");
    }
    let after = resident()?;
    let grown = after.saturating_sub(before);
    ensure!(grown < BOUND, "from {before} to {after} bytes");
    stage.end().await
}

/// Bytes of this process in memory.
fn resident() -> Result<usize> {
    // In pages; the second number is that of the resident ones.
    let pages = fs::read_to_string("/proc/self/statm")?;
    let pages: usize = pages.split(' ').nth(1).context("no second number")?.parse()?;
    Ok(pages * 4_096)
}
