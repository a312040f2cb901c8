//! Two tenants in one process, each with an engine and a collection of its own, that can't see
//! each other's queues: `two_tenants MONGODB_URI producer.wasm`. Both run the same component; each
//! puts a job on its own queue, and then tries the other's by its name.
#![expect(clippy::print_stdout, reason = "an example tells what it did")]

use std::error::Error;
use std::time::Duration;

use mongoqueue::{ConnectOptions, MongoQueue};
use mongoqueue_wasmtime::{Command, ComponentSource, Grants, Sandbox, SandboxOptions};

/// Longer than any of them runs.
const TIME: Duration = Duration::from_secs(30);

struct Tenant {
    name: &'static str,
    sandbox: Sandbox,
    mq: MongoQueue,
}

impl Tenant {
    async fn new(name: &'static str, uri: &str) -> Result<Self, Box<dyn Error>> {
        // A collection for each: no query of one reaches a document of the other. Where tenants
        // have users of the database, each connects with its own.
        let options = ConnectOptions { collection: name.to_owned(), ..Default::default() };
        let mq = MongoQueue::init(uri, options).await?;
        // An engine for each: its code, its pool of memory and its limits are not shared.
        let options = SandboxOptions { instances: 4, ..Default::default() };
        Ok(Self { name, sandbox: Sandbox::new(options)?, mq })
    }

    /// Runs the component on a queue; says what came of it.
    async fn put(&self, component: &str, queue: &str) -> Result<(), Box<dyn Error>> {
        // A name is bound to a queue by whoever grants it. There is no other way to one.
        let grants = Grants::default().queue(self.name, self.mq.queue("letters")?);
        let program = Command::load(&self.sandbox, ComponentSource::file(component), grants)?
            .with_args([queue])
            .with_stdin(format!("{{\"of\": \"{}\"}}\n", self.name));
        match program.run(TIME).await {
            Ok(()) => println!("{} on {queue}: put", self.name),
            Err(failure) => {
                let said = failure.stderr.unwrap_or(failure.message);
                println!("{} on {queue}: {}", self.name, said.trim());
            }
        }
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [uri, component] = args.as_slice() else {
        return Err("usage: two_tenants MONGODB_URI COMPONENT".into());
    };
    let (red, blue) = (Tenant::new("red", uri).await?, Tenant::new("blue", uri).await?);
    for (tenant, other) in [(&red, &blue), (&blue, &red)] {
        tenant.put(component, tenant.name).await?;
        tenant.put(component, other.name).await?;
    }
    Ok(())
}
