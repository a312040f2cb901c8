//! The smallest handler: greets the person named in the payload, `{"name": "Ada"}`.

use mongoqueue_guest::{Job, Result, handler};

#[derive(serde::Deserialize)]
struct Person {
    name: String,
}

fn hello(job: Job<Person>) -> Result<String> {
    Ok(format!("Hello, {}!", job.payload.name))
}

handler!(hello);
