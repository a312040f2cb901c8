//! `context`: the attempt that the guest is making.

use std::time::Duration;

use super::JobsCtxView;
use super::error::{GuestError, tell};
use super::translate::{millis, payload_from_guest, payload_to_guest, progress_from_guest};
use crate::bindings::{context, types};

impl context::Host for JobsCtxView<'_> {
    async fn report(&mut self, progress: types::Progress) -> Result<(), GuestError> {
        self.ctx.report(progress_from_guest(progress)).await
    }

    async fn save(&mut self, state: types::Payload) -> Result<(), GuestError> {
        let attempt = self.ctx.attempt()?;
        let state = payload_from_guest(state, self.ctx.limits().saved_bytes)?;
        self.ctx.pace_save().await?;
        attempt.save(&state).await.map_err(tell)
    }

    async fn saved(&mut self) -> Result<Option<types::Payload>, GuestError> {
        let attempt = self.ctx.attempt()?;
        if attempt.is_lost() {
            return Err(types::Error::LeaseLost.into());
        }
        Ok(attempt.saved().as_ref().map(payload_to_guest))
    }

    async fn heartbeat(&mut self) -> Result<(), GuestError> {
        self.ctx.heartbeat().await
    }

    async fn remaining(&mut self) -> wasmtime::Result<u64> {
        // Without an attempt there is none to make time for.
        let left = self.ctx.current_attempt().map_or(Duration::ZERO, |a| a.remaining());
        Ok(millis(left))
    }

    async fn is_cancelled(&mut self) -> wasmtime::Result<bool> {
        Ok(self.ctx.current_attempt().is_some_and(|attempt| attempt.is_cancelled()))
    }
}
