//! One attempt, made to be looked into.

use std::time::Instant;

use mongoqueue::{Attempt, Outcome};

use super::ComponentHandler;
use crate::replay::{Rehearsal, ReplayOptions, Replayed, Sampling, dump};
use crate::sandbox::Input;

impl ComponentHandler {
    /// Makes one attempt as [`handle`](mongoqueue::Handler::handle) does, in the same limits (less
    /// where the job asks for less), and writes nothing to any queue. Give it an [`Attempt::detached`] of
    /// [`Job::at_attempt`](mongoqueue::Job::at_attempt): its deadline runs from then on.
    ///
    /// Puts and cancels are checked, kept, and answered as if done; that a unique key is taken does
    /// not show. `get` and `stats` read the queues that are granted, `next` finds nothing to claim.
    /// Traces and core dumps need a [`Sandbox::for_replay`](crate::Sandbox::for_replay).
    ///
    /// # Errors
    /// Where something that the component is granted isn't there, in the system's words.
    pub async fn replay(
        &self,
        attempt: &Attempt,
        options: ReplayOptions,
    ) -> Result<Replayed, String> {
        let inner = &self.0;
        let rehearsal = Rehearsal::new(options.trace);
        // With limits that can't be kept it fails as it would there, and no guest is called.
        let limits = inner.limits_for(attempt);
        let of_context = limits.as_ref().unwrap_or(&inner.limits).clone();
        let jobs = inner.context(attempt, of_context, Some(rehearsal.clone()));
        let store = inner.sandbox.store(jobs.clone(), attempt.remaining(), &Input::default());
        let mut store = store.map_err(|error| format!("{error:#}"))?;
        let component = inner.pre.instance_pre().component();
        let sampling = options.profile.then(|| Sampling::of(&mut store, component, &inner.name));

        let start = Instant::now();
        let (outcome, error) = match limits {
            Ok(_) => inner.run(&mut store, attempt, &jobs).await,
            Err(failure) => (Outcome::Failed(*failure), None),
        };
        let wall = start.elapsed();

        let coredump = options.coredump.then(|| dump(&mut store, error.as_ref(), &inner.name));
        let profile = sampling.map(|sampling| {
            sampling.map_err(|error| format!("{error:#}")).and_then(|it| it.finish())
        });
        let (puts, cancels) = rehearsal.take_acts();
        let (calls, calls_dropped) = rehearsal.take_calls();
        let job = attempt.job();
        Ok(Replayed {
            outcome,
            wall,
            cpu: store.data().computed(),
            memory: store.data().memory(),
            puts,
            cancels,
            saved: attempt.saved().filter(|saved| job.saved.as_ref() != Some(saved)),
            progress: attempt.last_progress().filter(|it| job.progress.as_ref() != Some(it)),
            calls,
            calls_dropped,
            coredump,
            profile,
        })
    }
}
