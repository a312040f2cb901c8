//! A claim with a million jobs waiting, and with as many that are due later.

use std::time::Instant;

use anyhow::Result;
use bson::{Bson, DateTime, Document, doc};
use mongodb::Collection;
use mongoqueue::NextOptions;

use crate::report::{Report, spread};
use crate::server::Server;

const WAITING: usize = 1_000_000;
const CLAIM: usize = 100;

/// Measures and reports.
pub(crate) async fn measure(server: &Server, report: &mut Report) -> Result<()> {
    let mq = server.queues("backlog").await?;
    let queue = mq.queue("bench")?;
    report.say("a claim of one job, and the plan of a claim of a hundred");
    fill(server, 1_000, 0).await?;
    let few = claim(&queue).await?;
    report.figure("1,000 waiting: claim and complete", few, "ms");
    fill(server, WAITING, 0).await?;
    let many = claim(&queue).await?;
    report.figure("1,000,000 waiting: claim and complete", many, "ms");
    // Higher priority, due in a year.
    fill(server, WAITING / 2, 365 * 24 * 3_600_000).await?;
    let future = claim(&queue).await?;
    report.figure("and 500,000 scheduled above them", future, "ms");
    let plan = queue.explain_next(CLAIM).await?;
    let stats = plan.get_document("executionStats")?;
    let keys = whole(stats, "totalKeysExamined");
    report.figure("index keys examined for a hundred jobs", keys, "keys");
    report.ratio("hundred jobs / index keys examined", CLAIM as f64 / keys, 0.9);
    report.ratio("claim among a thousand / among 1.5 million", few / future, 0.7);
    Ok(())
}

async fn fill(server: &Server, jobs: usize, later: i64) -> Result<()> {
    let collection: Collection<Document> =
        server.client.database(&server.database("backlog")).collection("jobs");
    let due = DateTime::from_millis(DateTime::now().timestamp_millis() - 3_600_000 + later);
    let priority = i32::from(later > 0);
    let job = || {
        doc! {
            "queue": "bench", "state": "ready", "priority": priority, "due": due,
            "payload": { "pad": "x".repeat(100) },
        }
    };
    for _ in 0..jobs / 1_000 {
        collection.insert_many((0..1_000).map(|_| job())).await?;
    }
    Ok(())
}

/// The median time of claiming and completing one job, in milliseconds.
async fn claim(queue: &mongoqueue::Queue) -> Result<f64> {
    let mut times = Vec::new();
    for _ in 0..200 {
        let started = Instant::now();
        if let Some(job) = queue.next(&NextOptions::default()).await? {
            job.complete(None).await?;
        }
        times.push(started.elapsed().as_secs_f64() * 1e3);
    }
    Ok(spread(times).1)
}

fn whole(document: &Document, name: &str) -> f64 {
    match document.get(name) {
        Some(Bson::Int32(n)) => f64::from(*n),
        Some(Bson::Int64(n)) => *n as f64,
        _ => f64::NAN,
    }
}
