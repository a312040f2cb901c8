//! Handlers in plain Rust, no Wasm at all: `native_handlers MONGODB_URI`. Works the queues `texts`
//! and `sums` until they are empty; a job that came of another is put under an id of its own.
#![expect(clippy::print_stdout, reason = "an example tells what it did")]

use mongoqueue::{
    Attempt, BoxError, Failure, Handler, HandlerFuture, JobId, MongoQueue, Outcome, Payload, Queue,
    Worker, WorkerOptions, from_fn,
};
use serde_json::json;

/// A handler with something of its own: counts words, and puts the count on another queue.
struct CountWords {
    sums: Queue,
}

impl CountWords {
    async fn count(&self, attempt: Attempt) -> Result<Option<Payload>, BoxError> {
        let text: String = attempt.job().payload.deserialize()?;
        if text.is_empty() {
            return Err(Failure::new("nothing to count").code("empty").reject().into());
        }
        let words = text.split_whitespace().count() as u64;
        // An attempt may be made again; its job's id is the same, and so is this one.
        let id: JobId = format!("sum-of-{}", attempt.job().id).parse()?;
        self.sums.put(json!({ "words": words })).id(id).await?;
        Ok(Some(Payload::json(&words)?))
    }
}

impl Handler for CountWords {
    fn handle(&self, attempt: Attempt) -> HandlerFuture<'_> {
        Box::pin(async move { Outcome::from(self.count(attempt).await) })
    }
}

/// A handler that is a function.
async fn sum(attempt: Attempt) -> Result<(), BoxError> {
    println!("{} {}", attempt.job().id, attempt.job().payload.to_json());
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let uri = std::env::args().nth(1).ok_or("usage: native_handlers MONGODB_URI")?;
    let mq = MongoQueue::init(&uri, Default::default()).await?;
    let sums = mq.queue("sums")?;
    let options = WorkerOptions { until_empty: true, ..Default::default() };
    let worker = Worker::new(&mq, options)
        .serve(mq.queue("texts")?, CountWords { sums: sums.clone() })
        .serve(sums, from_fn(sum));
    let summary = worker.run(async { drop(tokio::signal::ctrl_c().await) }).await?;
    println!("{} completed, {} dead", summary.completed, summary.dead);
    Ok(())
}
