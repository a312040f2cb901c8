//! One native worker beside its floor and beside the loop that people write by hand.

use mongoqueue::from_fn;

use crate::crew::no_op;
use crate::error::Result;
use crate::ground::Ground;
use crate::options::{Options, Samples};
use crate::report::Part;
use crate::{by_hand, drained};

/// By hand it takes that much longer for as many jobs.
const SLOWER: usize = 20;

pub(super) async fn measure(ground: &Ground, options: &Options) -> Result<Part> {
    let mut part = Part::new("drain");
    let bytes = options.payload;
    ground.fresh().await?;
    let (in_flight, alone) = by_hand::best(ground, options.count(1_000), bytes).await?;
    let (mut native, mut floor, mut hand) =
        (Samples::default(), Samples::default(), Samples::default());
    for round in options.rounds() {
        floor.add(&round, drained::by_driver(ground, round.jobs, bytes).await?);
        native.add(&round, drained::by_worker(ground, round.jobs, bytes, from_fn(no_op)).await?);
        let few = (round.jobs / SLOWER).max(in_flight);
        hand.add(&round, by_hand::drain(ground, few, (in_flight, bytes)).await?);
    }
    part.figure(("native", "one native worker"), &native.0, "jobs/s");
    part.figure(("raw", "the same statements, bare driver"), &floor.0, "jobs/s");
    let best = format!("by hand, job by job, {in_flight} in flight (its best)");
    part.figure(("by-hand", best), &hand.0, "jobs/s");
    part.figure(("by-hand-alone", "by hand, one such loop"), &[alone], "jobs/s");
    part.ratio(("native/raw", "native worker / bare driver"), (&native.0, &floor.0));
    part.ratio(("native/by-hand", "native worker / by hand"), (&native.0, &hand.0));
    Ok(part)
}
