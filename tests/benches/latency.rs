//! From a put to the start of its handler, on an idle queue.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bson::doc;
use mongoqueue::{Attempt, BoxError, Worker, WorkerOptions, from_fn};
use tokio::sync::{mpsc, oneshot};

use crate::report::{Report, percentile};
use crate::server::Server;

const PUTS: usize = 300;

/// Measures and reports.
pub(crate) async fn measure(server: &Server, report: &mut Report) -> Result<()> {
    let mq = server.queues("latency").await?;
    let queue = mq.queue("bench")?;
    let (started, mut starts) = mpsc::unbounded_channel();
    let handler = from_fn(move |_: Attempt| {
        let started = started.clone();
        async move { started.send(Instant::now()).map_err(BoxError::from) }
    });
    let worker = Worker::new(&mq, WorkerOptions::default()).serve(queue.clone(), handler);
    let (stop, stopped) = oneshot::channel::<()>();
    let worker = tokio::spawn(worker.run(async { drop(stopped.await) }));

    let mut waits = Vec::new();
    for n in 0..PUTS {
        let put = Instant::now();
        queue.put(doc! { "n": n as i64 }).await?;
        let start = tokio::time::timeout(Duration::from_secs(30), starts.recv()).await?;
        waits.push(start.context("the worker ended")?.duration_since(put).as_secs_f64() * 1e3);
        // So that the worker is idle again, and not in step with its poll.
        tokio::time::sleep(Duration::from_millis(rand::random_range(5..25))).await;
    }
    drop(stop);
    worker.await??;
    // The first ones open the connections.
    let waits = waits.split_off(20);
    report.say("from a put at majority to the start of its handler, idle queue");
    report.figure("p50", percentile(waits.clone(), 0.5), "ms");
    report.figure("p99", percentile(waits, 0.99), "ms");
    Ok(())
}
