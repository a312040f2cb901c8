//! Jobs whose payload is large: what our code does to it on its way shows here.

use mongoqueue::from_fn;

use crate::crew::no_op;
use crate::drained;
use crate::error::Result;
use crate::ground::Ground;
use crate::options::{Options, Samples};
use crate::report::Part;

/// A little less than what a connection lets through unless it is told otherwise.
const BYTES: usize = (1 << 20) - 1_024;
/// A thousandth of the payload of small ones would still be more bytes.
const FEWER: usize = 200;

pub(super) async fn measure(ground: &Ground, options: &Options) -> Result<Part> {
    let mut part = Part::new("payload");
    let (mut native, mut floor) = (Samples::default(), Samples::default());
    for round in options.few_rounds() {
        let jobs = (round.jobs / FEWER).max(8);
        floor.add(&round, drained::by_driver(ground, jobs, BYTES).await?);
        native.add(&round, drained::by_worker(ground, jobs, BYTES, from_fn(no_op)).await?);
    }
    part.figure(("native", "one native worker"), &native.0, "jobs/s");
    part.figure(("raw", "the same statements, bare driver"), &floor.0, "jobs/s");
    part.ratio(("native/raw", "native worker / bare driver"), (&native.0, &floor.0));
    Ok(part)
}
