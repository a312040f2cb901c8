//! The fault checker: real processes on a real replica set, faults from a seeded schedule, a history
//! of what everybody said and did, and a judgement over it.
//!
//! In reading order; a room uses only those above it.
//!
//! - [`history`]: what each process writes down, in a form that survives kill -9;
//! - [`server`]: what the server says has happened, in the order in which it did;
//! - [`judge`]: which promises were broken, by both: pure;
//! - [`verdict`]: that for people, and as JSON.

pub mod history;
pub mod server;
pub mod judge;
pub mod verdict;

// The run itself.
mod chance;
mod proxy;
mod cluster;
mod roles;
mod crew;
mod faults;
mod run;
mod options;
mod command;

pub use command::main;
