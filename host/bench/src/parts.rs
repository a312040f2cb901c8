//! What is measured: a module for each part.

use crate::error::{Error, Result};
use crate::ground::Ground;
use crate::options::Options;
use crate::report::Part;

mod allocations;
mod backlog;
mod drain;
mod growth;
mod handlers;
mod idle;
mod latency;
mod load;
mod long;
mod memory;
mod payload;
mod put;
mod sandbox;
mod start;
mod workers;

/// Measures the part of that name.
pub(crate) async fn measure(name: &str, ground: &Ground, options: &Options) -> Result<Part> {
    match name {
        "put" => put::measure(ground, options).await,
        "drain" => drain::measure(ground, options).await,
        "sandbox" => sandbox::measure(ground, options).await,
        "workers" => workers::measure(ground, options).await,
        "long" => long::measure(ground, options).await,
        "backlog" => backlog::measure(ground, options).await,
        "latency" => latency::measure(ground, options).await,
        "load" => load::measure(ground, options).await,
        "handlers" => handlers::measure(ground, options).await,
        "idle" => idle::measure(ground, options).await,
        "payload" => payload::measure(ground, options).await,
        "allocations" => allocations::measure(ground, options).await,
        "memory" => memory::measure(ground, options).await,
        "start" => start::measure(ground, options).await,
        "growth" => growth::measure(ground, options).await,
        name => Err(Error::NoPart { name: name.to_owned() }),
    }
}
