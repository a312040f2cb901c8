//! What an idle worker costs the server.

use std::time::{Duration, Instant};

use anyhow::Result;
use mongoqueue::{Attempt, BoxError, Worker, WorkerOptions, from_fn};
use tokio::sync::oneshot;

use crate::report::Report;
use crate::server::Server;

/// Some turns of the poll.
const WATCHED: Duration = Duration::from_secs(15);

/// Measures and reports.
pub(crate) async fn measure(server: &Server, report: &mut Report) -> Result<()> {
    let without = rate(server).await?;
    let mq = server.queues("idle").await?;
    let handler = from_fn(async |_: Attempt| Ok::<(), BoxError>(()));
    let worker = Worker::new(&mq, WorkerOptions::default()).serve(mq.queue("bench")?, handler);
    let (stop, stopped) = oneshot::channel::<()>();
    let worker = tokio::spawn(worker.run(async { drop(stopped.await) }));
    tokio::time::sleep(Duration::from_secs(2)).await;
    let with = rate(server).await?;
    drop(stop);
    worker.await??;
    report.say("an idle worker");
    report.figure("commands sent to the server", (with - without).max(0.0), "/s");
    Ok(())
}

async fn rate(server: &Server) -> Result<f64> {
    let (before, started) = (server.commands().await?, Instant::now());
    tokio::time::sleep(WATCHED).await;
    let after = server.commands().await?;
    Ok((after - before) as f64 / started.elapsed().as_secs_f64())
}
