//! mongoqueue: a durable job queue in a MongoDB collection.
//!
//! Jobs are put on named queues, claimed by consumers with atomic updates, and settled once per
//! claim; whatever dies on the way, no job is lost.
//!
//! ```no_run
//! use mongoqueue::{ConnectOptions, MongoQueue, NextOptions};
//! use bson::doc;
//!
//! # async fn example() -> mongoqueue::Result<()> {
//! let mq = MongoQueue::init("mongodb://localhost", ConnectOptions::default()).await?;
//! let emails = mq.queue("emails")?;
//! emails.put(doc! { "to": "ada@example.org" }).priority(3).await?;
//!
//! if let Some(job) = emails.next(&NextOptions::default()).await? {
//!     println!("{}", job.payload().to_json());
//!     job.complete(None).await?;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! In reading order: [`Job`] and its [`State`]s, [`Payload`], [`Backoff`]; [`MongoQueue`] and
//! [`Queue`]; [`Lease`], a claimed job; [`Handler`] and [`Worker`], the loop that does the claiming;
//! [`Lock`], mutual exclusion beside the queue.

// In this order: a room uses only those above it.
#[cfg(feature = "breaks")]
pub mod breaks;
#[cfg(not(feature = "breaks"))]
mod breaks;
mod error;
mod retry;
mod defaults;
mod check;
mod payload;
mod outcome;
mod job;
mod fingerprint;
mod transition;
mod store;
mod claim;
mod lease;
mod lock;
mod queue;
mod handler;
mod worker;
mod replay;
#[cfg(test)]
mod model;

pub use defaults::{Defaults, LONGEST};
pub use error::{Error, Result};
pub use fingerprint::Fingerprint;
pub use handler::{Handler, HandlerFuture, from_fn};
pub use job::{Claim, ErrorRecord, Event, Job, JobId, Progress, State, Token};
pub use lease::{Attempt, Lease, RunError};
pub use lock::{Lock, LockGuard};
pub use outcome::{BoxError, Disposition, Evidence, Failure, Outcome};
pub use payload::{IntoPayload, JSON, Payload};
pub use queue::{
    ConnectOptions, ListOptions, MongoQueue, NewJob, NextOptions, Put, PutOptions, Queue,
};
pub use retry::Backoff;
pub use store::{Deaths, Receipt, Stats};
pub use worker::{Summary, Worker, WorkerEvent, WorkerOptions};
