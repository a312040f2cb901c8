//! A guest that runs its own loop through `consumer`: `sandbox_loop MONGODB_URI worker.wasm`. It
//! has the sandbox and the limits of a handler, and one run in which it pulls as it likes.
#![expect(clippy::print_stdout, reason = "an example tells what it did")]

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use mongoqueue::MongoQueue;
use mongoqueue_wasmtime::{
    Command, ComponentSource, Grants, Limits, LogLine, Sandbox, SandboxOptions,
};

/// The longest that the loop may go on; what it holds then goes back to the queue.
const TIME: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [uri, component] = args.as_slice() else {
        return Err("usage: sandbox_loop MONGODB_URI COMPONENT".into());
    };
    let mq = MongoQueue::init(uri, Default::default()).await?;
    let sandbox = Sandbox::new(SandboxOptions::default())?;
    // It claims from the queue `mails` under the name `jobs`.
    let grants = Grants::default().consume("jobs", mq.queue("mails")?);
    let say = |line: &LogLine<'_>| println!("{}: {}", line.guest, line.text);
    let program = Command::load(&sandbox, ComponentSource::file(component), grants)?
        // One job at a time is all that it may hold.
        .with_limits(Limits { leases: 1, cpu: TIME, ..Limits::default() })
        .with_log(Arc::new(say));
    program.run(TIME).await?;
    Ok(())
}
