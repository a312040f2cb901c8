//! A MongoDB server of one's own: found or fetched, started, and ended again.
//!
//! ```no_run
//! use mongoqueue_mongod::{Data, Mongod, Options, Places, find};
//!
//! # async fn example() -> Result<(), mongoqueue_mongod::Error> {
//! let places = Places::from_env()?;
//! let program = find(&places, &mut |step| eprintln!("{step}")).await?;
//! let data = Data::Temporary(places.temp);
//! let mongod = Mongod::start(&program, data, Options::default()).await?;
//! let client = mongodb::Client::with_uri_str(mongod.uri()).await;
//! # drop(client);
//! mongod.stop().await
//! # }
//! ```
//!
//! In reading order:
//!
//! - [`Places`]: the folders that are used, and where programs are looked for;
//! - [`find()`]: a [`Program`] on the path, or one fetched before or now; each [`Step`] is told;
//! - [`Mongod`]: a private replica set of one;
//! - [`ReplicaSet`]: several nodes, to try what a failover does;
//! - [`Server`]: a user's server in the background, shared by all commands, ended when idle;
//! - [`Error`].
//!
//! Every server here listens on 127.0.0.1 alone and asks for no password: whoever has an account
//! on this machine can reach it. None outlives the process that holds it, even when that process
//! is killed. Processes are handled the Unix way; Linux and macOS are what this is for.

mod admin;
mod error;
mod fetch;
mod find;
mod log;
mod mongod;
mod places;
mod primary;
mod process;
mod program;
mod server;
mod set;
mod step;

pub use error::Error;
pub use find::find;
pub use mongod::{Data, Mongod, Options};
pub use places::Places;
pub use program::{Program, Version};
pub use server::Server;
pub use set::ReplicaSet;
pub use step::Step;
