//! SIGINT and SIGTERM: the first asks for an end, the second makes one.

use std::future::Future;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::show::Show;
use crate::trouble::{Exit, Result, Trouble};

/// What a shell adds to a signal's number to make it an exit code.
const BY_SIGNAL: i32 = 128;

/// Listens from now on. The future is done at the first signal; the second ends the process.
pub(crate) fn stop(show: Show) -> Result<impl Future<Output = ()>> {
    let mut listening = Signals::listen()?;
    Ok(async move {
        listening.next().await;
        show.note("stopping; a second signal ends it at once");
        tokio::spawn(async move {
            listening.ignore(ECHO).await;
            let signal = listening.next().await;
            std::process::exit(BY_SIGNAL + signal);
        });
    })
}

/// Wrappers such as timeout(1) signal a process and its group, so that one wish arrives twice.
const ECHO: Duration = Duration::from_millis(500);

/// Both signals.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    pub(crate) fn listen() -> Result<Self> {
        let on = |kind| {
            signal(kind).map_err(|error| {
                Trouble::new(Exit::Misuse, "system", format!("can't listen to signals: {error}"))
            })
        };
        Ok(Self {
            interrupt: on(SignalKind::interrupt())?,
            terminate: on(SignalKind::terminate())?,
        })
    }

    /// Lets those of the next moment pass.
    async fn ignore(&mut self, moment: Duration) {
        let over = tokio::time::sleep(moment);
        tokio::pin!(over);
        loop {
            tokio::select! {
                biased;
                _ = self.next() => {}
                () = &mut over => return,
            }
        }
    }

    /// The number of the next one.
    pub(crate) async fn next(&mut self) -> i32 {
        tokio::select! {
            _ = self.interrupt.recv() => SignalKind::interrupt().as_raw_value(),
            _ = self.terminate.recv() => SignalKind::terminate().as_raw_value(),
        }
    }
}
