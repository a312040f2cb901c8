//! A queue that is filled and then drained, by a worker or by the bare driver: jobs per second.

use mongoqueue::Handler;

use crate::error::Result;
use crate::fill::{Filling, fill};
use crate::ground::{Ground, QUEUE};
use crate::raw::{self, Raw};

/// One worker drains `n` jobs with so many bytes of payload.
pub(crate) async fn by_worker(
    ground: &Ground,
    n: usize,
    bytes: usize,
    handler: impl Handler,
) -> Result<f64> {
    let mq = ground.fresh().await?;
    fill(ground, n, Filling::of(bytes)).await?;
    ground.drain(&mq.queue(QUEUE)?, n, handler).await
}

/// The same statements, without our code.
pub(crate) async fn by_driver(ground: &Ground, n: usize, bytes: usize) -> Result<f64> {
    ground.fresh().await?;
    fill(ground, n, Filling::of(bytes)).await?;
    raw::drain(&Raw::new(ground), n).await
}
