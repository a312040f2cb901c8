//! The demo's jobs are put and worked, by the same worker and sandbox that `work` has.

use std::path::Path;
use std::time::{Duration, Instant};

use mongoqueue::{
    ListOptions, MongoQueue, NewJob, Outcome, Payload, PutOptions, State, Worker, WorkerEvent,
    WorkerOptions,
};
use mongoqueue_wasmtime::{Grants, Limits, Sandbox, SandboxOptions};
use serde_json::json;
use tokio::sync::broadcast;

use super::expected::Misdeed;
use super::guests::Guests;
use super::stage::Stage;
use super::texts::Document;
use super::{PAGES, Played, TROUBLE};
use crate::component;
use crate::show::Show;
use crate::trouble::{Granting, Result, refused};

/// Keeps the pages until they have been looked at.
const RETAIN: Duration = Duration::from_secs(3_600);

/// Puts all jobs; how many there are.
pub(super) async fn put(
    mq: &MongoQueue,
    documents: &[Document],
    misdeeds: &[Misdeed],
) -> Result<u64> {
    let options = PutOptions { retain: Some(RETAIN), ..Default::default() };
    let page = |document: &Document| {
        let Document { name, markdown } = document;
        let payload = Payload::json(&json!({ "name": name, "markdown": markdown }))?;
        Ok(NewJob { payload, options: options.clone() })
    };
    let pages: mongoqueue::Result<Vec<NewJob>> = documents.iter().map(page).collect();
    let trouble: mongoqueue::Result<Vec<NewJob>> = misdeeds.iter().map(Misdeed::job).collect();
    let mut put = 0;
    for (queue, jobs) in [(PAGES, pages?), (TROUBLE, trouble?)] {
        for receipt in mq.queue(queue)?.put_many(jobs).await? {
            receipt?;
            put += 1;
        }
    }
    Ok(put)
}

/// Works until nothing is left to be done, and collects what came of it.
pub(super) async fn work(
    show: Show,
    mq: &MongoQueue,
    guests: &Guests,
    jobs: u64,
) -> Result<Played> {
    let stage = Stage::begin(show, "compiling the handlers");
    let options = SandboxOptions {
        cache: component::cache(),
        compiler: component::compiler(),
        instances: 64,
        ..Default::default()
    };
    let sandbox = Sandbox::new(options)?;
    let handler = async |file: &Path, queue, grants| {
        let loaded = component::handler(&sandbox, file, grants, Limits::default()).await;
        loaded.map_err(|error| refused(&error, Granting::File { queue }))
    };
    let markdown = handler(&guests.markdown, PAGES, Grants::default()).await?;
    // It asks for a queue to put on, which is not what it is here for.
    let spare = Grants::default().queue("next", mq.queue("spare")?);
    let misbehave = handler(&guests.misbehave, TROUBLE, spare).await?;
    stage.end("handlers loaded, each in a sandbox without files, network or environment")?;

    let options = WorkerOptions { until_empty: true, ..Default::default() };
    let worker = Worker::new(mq, options)
        .serve(mq.queue(PAGES)?, markdown)
        .serve(mq.queue(TROUBLE)?, misbehave);
    let stage = Stage::counting(show, "working", jobs);
    let mut watch = Watch { events: worker.events(), stage: &stage, pages: 0, last_page: None };
    let begun = Instant::now();
    let working = worker.run(std::future::pending());
    tokio::pin!(working);
    loop {
        tokio::select! {
            event = watch.events.recv(), if !watch.events.is_closed() => watch.take(event.ok()),
            summary = &mut working => {
                summary?;
                break;
            }
        };
    }
    let elapsed = begun.elapsed();
    while let Ok(event) = watch.events.try_recv() {
        watch.take(Some(event));
    }
    let (pages, rate) = (watch.pages, watch.rate(begun));
    stage.end(&format!("{pages} pages rendered, {rate:.0} a second, each in a fresh sandbox"))?;
    collect(mq, rate, elapsed).await
}

/// Follows the worker.
struct Watch<'a> {
    events: broadcast::Receiver<WorkerEvent>,
    stage: &'a Stage,
    pages: u64,
    last_page: Option<Instant>,
}

impl Watch<'_> {
    fn take(&mut self, event: Option<WorkerEvent>) {
        let Some(WorkerEvent::Finished { queue, outcome, state, .. }) = event else { return };
        if state.is_none_or(State::is_final) {
            self.stage.count();
        }
        if queue == PAGES && matches!(*outcome, Outcome::Completed(_)) {
            self.pages += 1;
            self.last_page = Some(Instant::now());
        }
    }

    /// Pages per second. The job that never ends has no part in it.
    fn rate(&self, begun: Instant) -> f64 {
        let took = self.last_page.map_or(Duration::ZERO, |last| last - begun);
        self.pages as f64 / took.as_secs_f64().max(0.001)
    }
}

async fn collect(mq: &MongoQueue, rate: f64, elapsed: Duration) -> Result<Played> {
    let (pages, trouble) = (mq.queue(PAGES)?, mq.queue(TROUBLE)?);
    let all = |state| ListOptions { state: Some(state), limit: super::DOCUMENTS * 2 };
    let counts = [(PAGES, pages.stats().await?), (TROUBLE, trouble.stats().await?)];
    let mut dead = trouble.list(&all(State::Dead)).await?;
    // In the order of the list that they were put from.
    let misdeeds = super::expected::misdeeds();
    dead.sort_by_key(|job| misdeeds.iter().position(|misdeed| misdeed.is(job)));
    dead.extend(pages.list(&all(State::Dead)).await?);
    let pages = pages.list(&all(State::Completed)).await?;
    Ok(Played { rate, elapsed, pages, dead, counts })
}
