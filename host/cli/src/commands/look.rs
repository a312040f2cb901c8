//! Looking at jobs: `get`, `list`, `stats`.

use std::time::Duration;

use mongoqueue::{ListOptions, MongoQueue, State, Stats};
use serde_json::{Value, json};

use crate::args::{Global, JobArgs, ListArgs, StatsArgs, format_duration};
use crate::connect;
use crate::show::{Show, Tone, death, escape, job, now};
use crate::trouble::{Result, Trouble};

pub(super) async fn get(global: &Global, show: Show, args: JobArgs) -> Result<()> {
    let job = connect::open(global, show).await?.find(&args.id).await?;
    show.answer(&job::json(&job), || job::page(show, &job, now()))
}

pub(super) async fn list(global: &Global, show: Show, args: ListArgs) -> Result<()> {
    let mq = connect::open(global, show).await?;
    if args.group {
        return deaths(&mq, show, args).await;
    }
    let options = ListOptions { state: args.state, limit: args.limit };
    let mut jobs = Vec::new();
    let mut more = false;
    for name in queues(&mq, args.queue).await? {
        let listed = mq.queue(&name)?.list(&options).await?;
        more |= listed.len() >= args.limit;
        jobs.extend(listed);
    }
    if jobs.is_empty() {
        show.note("no jobs");
        return Ok(());
    }
    job::list(show, &jobs, now())?;
    if more {
        show.note(&format!(
            "no more than {} of a queue are shown; --limit N shows more",
            args.limit
        ));
    }
    Ok(())
}

async fn deaths(mq: &MongoQueue, show: Show, args: ListArgs) -> Result<()> {
    if args.state.is_some_and(|state| state != State::Dead) {
        return Err(Trouble::misuse("--group is for dead jobs: leave --state out"));
    }
    let mut all = Vec::new();
    for name in queues(mq, args.queue).await? {
        let deaths = mq.queue(&name)?.deaths(args.limit).await?;
        all.extend(deaths.into_iter().map(|deaths| (name.clone(), deaths)));
    }
    if all.is_empty() {
        show.note("no dead jobs");
        return Ok(());
    }
    death::list(show, &all, now())
}

pub(super) async fn stats(global: &Global, show: Show, args: StatsArgs) -> Result<()> {
    let mq = connect::open(global, show).await?;
    let mut all = Vec::new();
    for name in queues(&mq, args.queue).await? {
        let stats = mq.queue(&name)?.stats().await?;
        all.push((name, stats));
    }
    if show.json {
        return all.iter().try_for_each(|(name, s)| show.line(&escape::json(&json(name, s))));
    }
    if all.is_empty() {
        show.note(&format!("no jobs in {}", escape::line(&mq.namespace())));
        return Ok(());
    }
    show.line(&table(show, &all))
}

/// The queue that was named, or all that have jobs.
async fn queues(mq: &MongoQueue, named: Option<String>) -> Result<Vec<String>> {
    match named {
        Some(name) => Ok(vec![name]),
        None => Ok(mq.queues().await?),
    }
}

fn json(queue: &str, stats: &Stats) -> Value {
    let oldest = stats.oldest_ready.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
    json!({
        "queue": queue,
        "scheduled": stats.scheduled,
        "ready": stats.ready,
        "running": stats.running,
        "completed": stats.completed,
        "dead": stats.dead,
        "cancelled": stats.cancelled,
        "oldest_ready_ms": oldest,
    })
}

pub(crate) fn table(show: Show, all: &[(impl AsRef<str>, Stats)]) -> String {
    let mut table = show.table(&[
        "queue",
        "scheduled#",
        "ready#",
        "running#",
        "completed#",
        "dead#",
        "cancelled#",
        "oldest ready#",
    ]);
    let count = |n: u64, tone| (n.to_string(), if n == 0 { Tone::Faint } else { tone });
    for (name, stats) in all {
        table.row(vec![
            (escape::cut(name.as_ref(), 40), Tone::Plain),
            count(stats.scheduled, Tone::Plain),
            count(stats.ready, Tone::Plain),
            count(stats.running, Tone::Busy),
            count(stats.completed, Tone::Good),
            count(stats.dead, Tone::Bad),
            count(stats.cancelled, Tone::Plain),
            (age(stats.oldest_ready), Tone::Plain),
        ]);
    }
    table.render()
}

fn age(age: Option<Duration>) -> String {
    age.map_or_else(|| "-".to_owned(), format_duration)
}
