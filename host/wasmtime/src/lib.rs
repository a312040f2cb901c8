//! Runs mongoqueue's job handlers as WebAssembly components, each attempt in a fresh sandbox; and
//! the adapter that offers the queue to the guests of any wasmtime program.
//!
//! ```no_run
//! use mongoqueue::{MongoQueue, Worker};
//! use mongoqueue_wasmtime::{ComponentHandler, ComponentSource, Grants, Sandbox, SandboxOptions};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let mq = MongoQueue::connect("mongodb://localhost", Default::default()).await?;
//! let sandbox = Sandbox::new(SandboxOptions::default())?;
//! let hello = ComponentSource::file("hello.wasm");
//! let handler = ComponentHandler::load(&sandbox, hello, Grants::default())?;
//! let worker = Worker::new(&mq, Default::default()).serve(mq.queue("greetings")?, handler);
//! worker.run(std::future::pending()).await?;
//! # Ok(())
//! # }
//! ```
//!
//! In reading order: [`Sandbox`], the [`Limits`] of each guest and the [`HostLimits`] of all;
//! [`Grants`], the queues that a guest may use; [`ComponentHandler`], which serves a queue, and
//! [`Command`], a program with a loop of its own; [`inspect`] and [`LoadError`], what a component is
//! and why it is refused; [`Compiler`], who makes code of it; [`Digest`], [`PrivateKey`] and
//! [`PublicKey`], by which it is known; [`LogLine`], what guests say; [`Replayed`], an attempt made
//! again without a queue.
//!
//! For a host of your own: [`add_to_linker`] with [`JobsCtx`] and [`JobsView`], over [`bindings`].
//! This version is for wasmtime 48.

pub mod bindings;
mod command;
mod component;
mod death;
mod evidence;
mod handler;
mod jobs;
mod log;
mod powers;
mod replay;
mod sandbox;

pub use command::Command;
pub use component::{
    Blame, Compiler, ComponentSource, Digest, Import, Inspection, KeyError, Kind, LoadError, Need,
    NoDigest, PrivateKey, PublicKey, compile_for_parent, inspect, read_signature, signature_path,
};
pub use handler::ComponentHandler;
pub use jobs::{
    BoundQueue, Grants, GuestError, GuestPutOptions, HeldLease, Jobs, JobsCtx, JobsCtxBuilder,
    JobsCtxView, JobsView, add_to_linker, add_to_linker_with,
};
pub use log::{Level, LogLine, LogSink, Source};
pub use powers::{GrantError, HttpGrant};
pub use replay::{HostCall, Profile, ReplayOptions, Replayed, WouldPut};
pub use sandbox::{HostLimits, Limits, Sandbox, SandboxError, SandboxOptions};
