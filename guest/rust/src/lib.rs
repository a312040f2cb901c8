//! Write mongoqueue job handlers in Rust.
//!
//! A handler is one function and one macro. Built for `wasm32-wasip2` as a `cdylib` it is a
//! component, and `mongoqueue work QUEUE=handler.wasm` runs it once for every attempt at a job,
//! each time in a fresh sandbox.
//!
//! ```
//! use mongoqueue_guest::{Job, Result, handler, reject};
//!
//! #[derive(serde::Deserialize)]
//! struct Person {
//!     name: String,
//! }
//!
//! fn hello(job: Job<Person>) -> Result<String> {
//!     if job.payload.name.is_empty() {
//!         return Err(reject("nobody to greet"));
//!     }
//!     Ok(format!("Hello, {}!", job.payload.name))
//! }
//!
//! handler!(hello);
//! ```
//!
//! - The payload is any type that serde reads from JSON, or a [`Payload`] as it is. One that does
//!   not fit is rejected with the code `bad-payload`.
//! - The output is any type that serde writes as JSON, or a [`Payload`]; what is written as `null`
//!   (`()`, `None`) is no output.
//! - Any error can leave by `?`: its text and those of its sources become the failure's message,
//!   and the job is tried again. [`reject`], [`retry_after`] and [`release`] say otherwise.
//! - [`progress`], [`save`], [`saved`], [`heartbeat`], [`remaining`] and [`is_cancelled`] are about
//!   the job at hand. [`Queue`] puts further jobs, [`log`] writes to the job's log.
//! - A program with a loop of its own pulls jobs with [`Queue::next`] and needs no macro.
//!
//! A component imports only what its code calls: one that never opens a queue does not ask the
//! host for queues. Off `wasm32` everything compiles and links, so that a handler can have unit
//! tests, but there is no host: whatever would call it panics.

mod attempt;
#[allow(
    missing_docs,
    unreachable_pub,
    unsafe_code,
    reason = "generated: the docs are those of the WIT, the ABI needs unsafe"
)]
pub mod bindings;
mod error;
mod handler;
mod host_error;
mod job;
mod lease;
pub mod log;
mod payload;
mod queue;
mod time;

pub use attempt::{heartbeat, is_cancelled, progress, remaining, save, saved};
pub use bindings::mongoqueue::jobs::types::{Payload, Progress, Status};
pub use error::{Context, Disposition, Error, Result, reject, release, retry_after};
#[doc(hidden)]
pub use handler::run as __run;
pub use host_error::HostError;
pub use job::Job;
pub use lease::Lease;
pub use payload::{FromPayload, IntoPayload};
pub use queue::{JobId, JobInfo, PutOptions, Queue, Stats};

/// The README's code is compiled with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
