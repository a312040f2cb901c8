//! `log`: lines for the job's own log.

use super::JobsCtxView;
use crate::bindings::log;
use crate::log::Level;

impl log::Host for JobsCtxView<'_> {
    async fn write(&mut self, level: log::Level, message: String) -> wasmtime::Result<()> {
        let level = match level {
            log::Level::Debug => Level::Debug,
            log::Level::Info => Level::Info,
            log::Level::Warn => Level::Warn,
            log::Level::Error => Level::Error,
        };
        self.ctx.log().message(level, &message);
        Ok(())
    }
}
