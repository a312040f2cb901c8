//! `mongoqueue dev`: a worker whose handlers are built again whenever their sources change.

use mongoqueue::Worker;
use tokio::task::JoinSet;

use super::work::{self, config};
use crate::args::{DevArgs, Global};
use crate::component::{self, log};
use crate::connect;
use crate::policy::Policy;
use crate::show::Show;
use crate::trouble::Result;

mod changes;
mod loader;
mod project;
mod samples;
mod sources;
mod tell;
mod tended;

use changes::Changes;
use loader::Loader;
use project::Project;
use samples::Samples;
use tended::Tended;

pub(super) async fn run(global: &Global, show: Show, args: DevArgs) -> Result<()> {
    let mut policy = policy(&args)?;
    let mut projects = Vec::new();
    for serving in &args.queues {
        projects.push(Project::find(serving, &args)?);
    }
    let mq = connect::open(global, show).await?;
    let (sink, lines) = log::channel();
    let options = config::worker_options(&policy);
    let slots = u32::try_from(options.slots).unwrap_or(u32::MAX);
    let sandbox = work::sandbox(&policy, slots)?;
    let mut worker = Worker::new(&mq, options);
    let mut all = Vec::new();
    for project in projects {
        let queue = mq.queue(&project.queue)?;
        let served = policy.queues.remove(&project.queue).unwrap_or_default();
        let grants = component::grants(&mq, &served.queues, &served.consume)?;
        let loader = Loader {
            sandbox: sandbox.clone(),
            limits: config::limits(&served, global.payload_limit)?,
            grants: served
                .add_powers(grants)
                .map_err(|finding| config::wrong_there(args.config.as_deref(), finding))?,
            by_options: served.by_options,
            sink: sink.clone(),
        };
        let samples = Samples::of(show, queue.clone(), project.samples.clone());
        let changes = Changes::watch(&project)?;
        let mut tended = Tended::new(show, project, (changes, samples, loader));
        worker = worker.serve(queue, tended.first().await?);
        all.push(tended);
    }
    // Ended, with the builds that run, when this is dropped.
    let mut tending = JoinSet::new();
    for tended in all {
        tending.spawn(tended.tend());
    }
    work::report(show, worker, lines, false).await
}

/// What the components are granted: by the file, and by the options where it doesn't name a queue.
/// Which component it is, and who has signed it, is not the file's matter here.
fn policy(args: &DevArgs) -> Result<Policy> {
    let mut policy = config::file(args.config.as_deref())?;
    let mut named: Vec<&str> = Vec::new();
    for serving in &args.queues {
        if named.contains(&serving.queue.as_str()) {
            return Err(config::twice(&serving.queue));
        }
        named.push(&serving.queue);
        let served = policy.queues.entry(serving.queue.clone());
        served.or_insert_with(|| config::by_options(&args.grants));
    }
    policy.until_empty = false;
    Ok(policy)
}
