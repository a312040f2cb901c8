//! What a handler can say and ask about the job at hand.

use std::time::Duration;

use crate::bindings::mongoqueue::jobs::context;
use crate::bindings::mongoqueue::jobs::types::{Payload, Progress};
use crate::error::Result;
use crate::host_error::HostError;
use crate::payload::{FromPayload, IntoPayload};

/// Says how far the work is, and extends the lease.
///
/// `count` and `total` are in the handler's own unit (rows, bytes, files); `note` is for people,
/// an empty one is none.
///
/// # Errors
///
/// [`HostError::LeaseLost`] once another worker has the job: stop then.
pub fn progress(count: u64, total: Option<u64>, note: &str) -> Result<(), HostError> {
    Ok(context::report(&host_progress(count, total, note))?)
}

/// Saves state for a later attempt, in place of what was saved before.
///
/// # Errors
///
/// [`HostError::LeaseLost`] once another worker has the job: stop then.
/// [`HostError::LimitExceeded`] for more bytes than the host keeps.
pub fn save(state: impl IntoPayload) -> Result<(), HostError> {
    Ok(context::save(&argument(state)?)?)
}

/// What [`save`] last saved, in this attempt or an earlier one; `None` when nothing was.
///
/// # Errors
///
/// What was saved is no `T`, for example because an older handler saved it (the code is
/// `bad-state`), or a [`HostError`].
pub fn saved<T: FromPayload>() -> Result<Option<T>> {
    match context::saved().map_err(HostError::from)? {
        None => Ok(None),
        Some(state) => T::from_payload(state)
            .map(Some)
            .map_err(|error| error.context("the saved state").code("bad-state")),
    }
}

/// Extends the lease. The host does so by itself while the handler runs; this is also the cheap
/// way to ask whether the job is still ours.
///
/// # Errors
///
/// [`HostError::LeaseLost`] once another worker has the job: stop then.
pub fn heartbeat() -> Result<(), HostError> {
    Ok(context::heartbeat()?)
}

/// Time left before the host cuts this attempt off.
pub fn remaining() -> Duration {
    Duration::from_millis(context::remaining())
}

/// Whether somebody asked for the job to be cancelled, or the host is shutting down: return soon,
/// with [`release`](crate::release) if the work can be taken up later.
pub fn is_cancelled() -> bool {
    context::is_cancelled()
}

pub(crate) fn host_progress(count: u64, total: Option<u64>, note: &str) -> Progress {
    Progress { count, total, note: (!note.is_empty()).then(|| note.to_owned()) }
}

/// A payload for the host; one that cannot be written is a wrong argument.
pub(crate) fn argument(payload: impl IntoPayload) -> Result<Payload, HostError> {
    payload.into_payload().map_err(|error| HostError::InvalidArgument(error.message().to_owned()))
}
