//! Now and then one worker of all that share a collection looks for jobs that run under no lease.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::WorkerEvent;
use super::shared::Shared;
use crate::claim::chance;
use crate::error::Result;
use crate::job::Token;

/// A look reads the whole collection: it may cost a hundredth of the time.
const SHARE: u32 = 100;

pub(super) async fn run(shared: Arc<Shared>) {
    let (me, every) = (Token::mint(), shared.options.mend);
    loop {
        tokio::time::sleep(chance(every)).await;
        // The feeds say it when the database fails.
        let _ = mend(&shared, me, every).await;
    }
}

async fn mend(shared: &Shared, me: Token, every: Duration) -> Result<()> {
    if !shared.store.take_mending(me, every).await? {
        return Ok(());
    }
    let begun = Instant::now();
    let mended = shared.store.mend(every).await?;
    for (queue, jobs) in mended {
        shared.say(|| WorkerEvent::Mended { queue, jobs });
        shared.served.iter().for_each(|served| served.look.notify_one());
    }
    let pause = begun.elapsed() * SHARE;
    if pause > every {
        shared.store.put_off_mending(me, pause).await?;
    }
    Ok(())
}
