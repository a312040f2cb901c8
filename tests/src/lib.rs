//! The harness of the integration tests and benches: a real server, a database for each test,
//! components and the command line as cargo builds them, and ways to wait that are no sleeps.
//!
//! In reading order:
//!
//! - [`server`]: the server, `MONGODB_URI` or a private one;
//! - [`Stage`]: a test's own database, with a queue in it;
//! - [`eventually()`], [`Running`] and [`Events`]: waiting for a condition, for a worker's events;
//! - [`FailPoint`]: commands that fail on purpose;
//! - [`process`]: consumers in processes of their own;
//! - [`built`]: the guests' components and the binary `mongoqueue`;
//! - [`languages`]: handlers in each language, from the templates;
//! - [`keys`]: keys to sign components with;
//! - [`fuzz`]: random input for whatever reads what strangers wrote.

pub mod built;
mod failpoint;
pub mod fuzz;
pub mod keys;
pub mod languages;
pub mod process;
mod running;
pub mod server;
mod stage;
mod wait;

pub use failpoint::FailPoint;
pub use running::{Events, Running};
pub use stage::{Stage, every};
pub use wait::{PATIENCE, eventually, soon};

/// The Rust of the documents is compiled with the doc tests.
#[cfg(doctest)]
mod documents {
    #[doc = include_str!("../../README.md")]
    struct Readme;

    #[doc = include_str!("../../docs/concepts.md")]
    struct Concepts;

    #[doc = include_str!("../../docs/embedding.md")]
    struct Embedding;
}
