//! One handler that is worked on: its sources watched, its versions at work one after the other.

use std::time::Instant;

use mongoqueue_wasmtime::ComponentHandler;

use super::changes::Changes;
use super::loader::{Current, Loader};
use super::project::Project;
use super::samples::Samples;
use super::tell;
use crate::show::Show;
use crate::trouble::Result;

pub(super) struct Tended {
    show: Show,
    project: Project,
    changes: Changes,
    samples: Samples,
    loader: Loader,
    /// What the sources were when they were built last, whatever came of it.
    built: Option<u64>,
    current: Option<Current>,
}

impl Tended {
    pub(super) fn new(
        show: Show,
        project: Project,
        (changes, samples, loader): (Changes, Samples, Loader),
    ) -> Self {
        Self { show, project, changes, samples, loader, built: None, current: None }
    }

    /// The handler, as soon as a version of it can do jobs.
    pub(super) async fn first(&mut self) -> Result<Current> {
        loop {
            if let Some(handler) = self.build().await? {
                let current = Current::new(handler);
                self.current = Some(current.clone());
                return Ok(current);
            }
            self.show.note("waiting for a change");
            self.changes.next().await;
        }
    }

    /// Builds it again when it changes, and puts its samples, until nobody reads of it any more.
    pub(super) async fn tend(mut self) -> Result<()> {
        self.samples.put(true).await?;
        loop {
            self.changes.next().await;
            let rebuilt = match (self.build().await?, &self.current) {
                (Some(handler), Some(current)) => {
                    current.set(handler);
                    true
                }
                _ => false,
            };
            self.samples.put(rebuilt).await?;
        }
    }

    /// A new version, if the sources are others than at the last time and make one.
    async fn build(&mut self) -> Result<Option<ComponentHandler>> {
        // Before the build: what changes while it runs is seen as a change the next time.
        let sources = Some(self.project.sources());
        if self.built == sources {
            return Ok(None);
        }
        self.built = sources;
        let queue = &self.project.queue;
        tell::building(self.show, queue)?;
        let started = Instant::now();
        let made = match self.project.build().await {
            Ok(file) => self.loader.load(queue, &file).await.map_err(|trouble| trouble.message),
            Err(said) => Err(said),
        };
        match made {
            Ok(handler) => {
                tell::built(self.show, queue, (&handler, started.elapsed()))?;
                Ok(Some(handler))
            }
            Err(why) => {
                let then = match self.current {
                    Some(_) => "the version before stays at work",
                    None => "nothing at work yet",
                };
                let why = format!("build failed, {then}:\n{why}");
                tell::failed(self.show, queue, ("build-failed", &why))?;
                Ok(None)
            }
        }
    }
}
