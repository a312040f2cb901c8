//! Lines for the job's own log.
//!
//! What a handler prints to stdout and stderr goes to the same place; these have a level. Past
//! its limit the host drops lines and says so once.

use std::fmt::Display;

use crate::bindings::mongoqueue::jobs::log::{Level, write};

/// For whoever looks for a fault: `log::debug(format!("{rows} rows"))`.
pub fn debug(message: impl Display) {
    write(Level::Debug, &message.to_string());
}

/// What happened.
pub fn info(message: impl Display) {
    write(Level::Info, &message.to_string());
}

/// What somebody should look at some day.
pub fn warn(message: impl Display) {
    write(Level::Warn, &message.to_string());
}

/// What somebody should look at now.
pub fn error(message: impl Display) {
    write(Level::Error, &message.to_string());
}
