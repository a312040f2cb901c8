//! A batch's lease, the attempt that a handler makes under it, and a claimed job in pull mode.

mod attempt;
mod claimed;
mod hold;
mod run;

pub use attempt::Attempt;
pub use claimed::Lease;
pub use run::RunError;

pub(crate) use claimed::verdict;
pub(crate) use hold::Hold;
pub(crate) use run::catch_panic;
