//! Bounds of what callers hand in, checked before anything is sent.

use std::time::Duration;

use bson::DateTime;

use crate::defaults::LONGEST;
use crate::error::{Error, Result};

pub(crate) fn duration_is_valid(what: &'static str, duration: Duration) -> Result<()> {
    if duration > LONGEST {
        return Err(Error::invalid(what, "it is longer than a hundred years"));
    }
    Ok(())
}

/// A date that every client and tool can show.
pub(crate) fn date_is_valid(what: &'static str, date: DateTime) -> Result<()> {
    // The first millisecond of the year 9999.
    const FAR: i64 = 253_370_764_800_000;
    if !(0..FAR).contains(&date.timestamp_millis()) {
        return Err(Error::invalid(what, "it is not between the years 1970 and 9999"));
    }
    Ok(())
}

pub(crate) fn name_is_valid(what: &'static str, name: &str, limit: usize) -> Result<()> {
    if name.is_empty() {
        return Err(Error::invalid(what, "it is empty"));
    }
    if name.len() > limit {
        return Err(Error::invalid(what, format!("it is longer than {limit} bytes")));
    }
    if name.chars().any(char::is_control) {
        return Err(Error::invalid(what, format!("{name:?} has control characters")));
    }
    Ok(())
}
