//! What the process has of its machine: memory, descriptors, threads.

use std::fs;

use anyhow::{Context, Result, ensure};
use mongoqueue_tests::eventually;

/// The allocator's own ups and downs. A leak of a page for each attack would be less than a
/// mebibyte, one of what a single guest may have is 64 MiB.
const MEMORY: usize = 16 << 20;

/// What a driver may open and close by itself.
const SOCKETS: usize = 8;

#[derive(Debug)]
pub(super) struct Marks {
    resident: usize,
    sockets: usize,
    descriptors: usize,
}

impl Marks {
    pub(super) fn take() -> Result<Self> {
        // In pages; the second number is that of the resident ones.
        let pages = fs::read_to_string("/proc/self/statm")?;
        let pages: usize = pages.split(' ').nth(1).context("no second number")?.parse()?;
        let (mut sockets, mut descriptors) = (0, 0);
        for entry in fs::read_dir("/proc/self/fd")? {
            // One of them is the one that reads the folder, gone by now.
            match fs::read_link(entry?.path()) {
                Ok(to) if to.to_string_lossy().starts_with("socket:") => sockets += 1,
                Ok(_) => descriptors += 1,
                Err(_) => {}
            }
        }
        Ok(Self { resident: pages * 4_096, sockets, descriptors })
    }
}

/// Waits until all is as it was.
pub(super) async fn back_to(before: &Marks) -> Result<()> {
    eventually("descriptors are closed", async || {
        let now = Marks::take()?;
        let back = now.descriptors <= before.descriptors && now.sockets <= before.sockets + SOCKETS;
        Ok(back.then_some(()))
    })
    .await?;
    let now = Marks::take()?;
    ensure!(now.resident <= before.resident + MEMORY, "{before:?} has become {now:?}");
    Ok(())
}
