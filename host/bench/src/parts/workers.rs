//! More workers on one queue beside one alone: who claims should not be in each other's way.

use std::time::{Duration, Instant};

use crate::crew::{Crew, Role};
use crate::error::{Result, ensure};
use crate::fill::{BOOKENDS, Filling, fill, left};
use crate::ground::Ground;
use crate::options::{Options, Samples};
use crate::report::Part;
use crate::status::Status;

/// So many workers, as processes with so many each, and so many times the jobs of a round: where many
/// begin, that takes a second. Beyond eight processes a small machine measures its memory rather than
/// the queue.
const CREWS: [(usize, usize, usize); 5] = [(1, 1, 2), (2, 1, 2), (8, 1, 4), (8, 4, 6), (8, 8, 8)];

/// All are taken to be at work when this share of the jobs is done: one in so many.
const BEGINNING: usize = 5;

/// How often it is asked whether all jobs are gone.
const LOOK: Duration = Duration::from_millis(10);

/// What is measured of a crew.
#[derive(Default)]
struct Measured {
    /// Jobs a second.
    rates: Samples,
    /// Write conflicts in percent of the claims, once all are at work.
    conflicts: Samples,
    /// Write conflicts until then.
    beginning: Samples,
    /// Cores that the server had busy.
    busy: Samples,
}

pub(super) async fn measure(ground: &Ground, options: &Options) -> Result<Part> {
    let mut part = Part::new("workers");
    let mut measured: [Measured; 5] = Default::default();
    for round in options.few_rounds() {
        for ((processes, each, times), measured) in CREWS.iter().zip(&mut measured) {
            ground.fresh().await?;
            let jobs = times * round.jobs;
            fill(ground, jobs, Filling::of(options.payload)).await?;
            let drained = drain(ground, jobs, (*processes, *each)).await?;
            measured.rates.add(&round, drained.rate());
            measured.conflicts.add(&round, drained.conflicts());
            measured.beginning.add(&round, drained.conflicts_of_beginning());
            measured.busy.add(&round, drained.busy());
        }
    }
    let alone = measured.first().map(|alone| alone.rates.0.clone()).unwrap_or_default();
    for ((processes, each, _), measured) in CREWS.iter().zip(&measured) {
        let n = processes * each;
        let how = match (n, each) {
            (1, _) => "one worker, a process".to_owned(),
            (_, 1) => format!("{n} workers, a process each"),
            _ => format!("{n} workers in {processes} processes, a connection each"),
        };
        part.figure((n.to_string(), how), &measured.rates.0, "jobs/s");
        if n > 1 {
            let words = (format!("{n}/1"), format!("{n} workers / one"));
            part.ratio(words, (&measured.rates.0, &alone));
            let words = (format!("{n}-conflicts"), format!("write conflicts of {n} at work"));
            part.figure(words, &measured.conflicts.0, "% of claims");
            let words = (format!("{n}-beginning"), format!("as {n} begin, with the first fifth"));
            part.figure(words, &measured.beginning.0, "conflicts");
        }
        let words = (format!("{n}-busy"), "the server computes meanwhile".to_owned());
        part.figure(words, &measured.busy.0, "cores");
    }
    let all = measured.iter().skip(1).flat_map(|it| it.conflicts.0.clone()).collect::<Vec<_>>();
    part.figure(("conflicts", "write conflicts, whatever the number"), &all, "% of claims");
    part.note(
        "a claim takes up to 500 jobs; conflicts are the server's own count, for claims, \
         settlements and turns",
    );
    Ok(part)
}

/// A drain, and the server's counters before it, after its first fifth and at its end.
struct Drained {
    jobs: f64,
    elapsed: Duration,
    status: [Status; 3],
}

impl Drained {
    fn rate(&self) -> f64 {
        self.jobs / self.elapsed.as_secs_f64()
    }

    fn conflicts(&self) -> f64 {
        let [before, begun, after] = &self.status;
        // Beside the jobs only leases go, and each claim has one.
        let claims = after.deleted() - before.deleted() - self.jobs;
        let at_work = claims * (1.0 - 1.0 / BEGINNING as f64);
        100.0 * (after.conflicts() - begun.conflicts()) / at_work
    }

    fn conflicts_of_beginning(&self) -> f64 {
        let [before, begun, _] = &self.status;
        begun.conflicts() - before.conflicts()
    }

    fn busy(&self) -> f64 {
        let [before, _, after] = &self.status;
        (after.computed() - before.computed()) / self.elapsed.as_micros() as f64
    }
}

/// From when they are let go until the last job is gone: neither their start nor their end counts.
async fn drain(ground: &Ground, n: usize, (processes, each): (usize, usize)) -> Result<Drained> {
    let mut crew = Crew::start(ground, processes, &Role::drain(ground, each)).await?;
    let jobs = ground.jobs();
    let before = ground.status().await;
    let started = Instant::now();
    crew.go().await?;
    let mut begun = None;
    loop {
        // The server answers that from its catalogue.
        let left = jobs.estimated_document_count().await?;
        if left <= BOOKENDS {
            break;
        }
        if begun.is_none() && left as usize <= n - n / BEGINNING {
            begun = Some(ground.status().await);
        }
        crew.check()?;
        tokio::time::sleep(LOOK).await;
    }
    let elapsed = started.elapsed();
    let after = ground.status().await;
    let begun = begun.unwrap_or_else(|| after.clone());
    crew.ended().await?;
    let left = left(&jobs).await?;
    ensure(left == 0, || format!("{left} of {n} jobs are left"))?;
    Ok(Drained { jobs: n as f64, elapsed, status: [before, begun, after] })
}
