//! The server's own account of a run: every write to the jobs and their leases, in the order in
//! which they were committed, as a change stream tells it. What a failover rolls back is not in it.
//!
//! - [`Write`]: a line of it;
//! - [`Watch`]: reads it off the server while the run goes on, over failovers;
//! - [`Account`]: all of it, read back.

mod account;
mod plain;
#[cfg(test)]
mod tests;
mod watch;
mod write;

pub use account::Account;
pub use watch::Watch;
pub use write::{Deed, Of, Write};

/// The file of a run's folder that has the account.
pub const FILE: &str = "server.account";
