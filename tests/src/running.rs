//! A worker that runs beside the test, and its events.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use mongoqueue::{Outcome, State, Summary, Worker, WorkerEvent};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::wait::soon;

/// A worker that runs in the background until it is stopped. Dropped, it ends as if its process
/// had been killed: nothing is handed back.
pub struct Running {
    /// What it tells.
    pub events: Events,
    stop: Option<oneshot::Sender<()>>,
    worker: JoinHandle<mongoqueue::Result<Summary>>,
}

impl Running {
    /// Starts it.
    pub fn start(worker: Worker) -> Self {
        let events = Events::of(&worker);
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async move {
            // A sender that is gone without a word is no shutdown: `ended` waits for the end.
            if stopped.await.is_err() {
                std::future::pending().await
            }
        };
        Self { events, stop: Some(stop), worker: tokio::spawn(worker.run(shutdown)) }
    }

    /// Asks it to stop, without waiting.
    pub fn ask_to_stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // It may have ended by itself.
            let _ = stop.send(());
        }
    }

    /// Stops it and waits until it has ended.
    ///
    /// # Errors
    /// Its own, and one when it doesn't end.
    pub async fn stop(mut self) -> Result<Summary> {
        self.ask_to_stop();
        self.ended().await
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    /// Its own, and one when it doesn't end.
    pub async fn ended(self) -> Result<Summary> {
        Ok(soon("the worker ends", self.worker).await???)
    }
}

/// What a worker tells, from the beginning.
pub struct Events {
    receiver: broadcast::Receiver<WorkerEvent>,
    seen: Vec<WorkerEvent>,
}

impl Events {
    /// Those of a worker that has not been started yet.
    pub fn of(worker: &Worker) -> Self {
        Self { receiver: worker.events(), seen: Vec::new() }
    }

    /// Waits for the next event of which `wanted` makes something.
    ///
    /// # Errors
    /// When none came, with those that did.
    pub async fn until<T>(
        &mut self,
        what: &str,
        mut wanted: impl FnMut(&WorkerEvent) -> Option<T>,
    ) -> Result<T> {
        let found = soon(what, async {
            loop {
                let event = self.next().await?;
                if let Some(found) = wanted(&event) {
                    return Ok(found);
                }
            }
        });
        let found: Result<T> = found.await.and_then(|found| found);
        found.with_context(|| format!("{what}: not among {:#?}", self.seen))
    }

    /// Waits for the end of the next attempt: its outcome, and the state of the job after it, none
    /// for one that was removed.
    ///
    /// # Errors
    /// As [`until`](Self::until).
    pub async fn finished(&mut self) -> Result<(Arc<Outcome>, Option<State>)> {
        self.until("an attempt finishes", |event| match event {
            WorkerEvent::Finished { outcome, state, .. } => Some((outcome.clone(), *state)),
            _ => None,
        })
        .await
    }

    /// Everything that was told so far, the worker having ended.
    pub fn all(mut self) -> Vec<WorkerEvent> {
        while let Ok(event) = self.receiver.try_recv() {
            self.seen.push(event);
        }
        self.seen
    }

    async fn next(&mut self) -> Result<WorkerEvent> {
        match self.receiver.recv().await {
            Ok(event) => {
                self.seen.push(event.clone());
                Ok(event)
            }
            Err(RecvError::Closed) => bail!("the worker has ended"),
            Err(RecvError::Lagged(n)) => bail!("{n} events were missed"),
        }
    }
}
