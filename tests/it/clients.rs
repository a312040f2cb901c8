//! Other MongoDB clients, with the programs of docs/document.md: they put jobs that a worker does,
//! are refused what is none, and read what became of ours.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use bson::doc;
use mongoqueue::{Attempt, Failure, Outcome, Payload, from_fn};
use mongoqueue_tests::{Stage, built};
use serde_json::json;
use tempfile::TempDir;

use crate::docs;
use crate::embedding::{npm, run};
use crate::worker::{HOUR, drain, until_empty};

/// How a client's program is run.
struct Client {
    /// Of the block in the document.
    language: &'static str,
    /// Puts the URI where the block expects it.
    first: &'static str,
    /// What a program does after it, once for each of [`WORDS`].
    rest: &'static str,
}

#[tokio::test]
async fn pymongo() -> Result<()> {
    let client = Client {
        language: "python",
        first: "import sys\nuri = sys.argv[1]\n",
        rest: include_str!("clients/rest.py"),
    };
    puts_and_reads(&client, &venv().await?, "program.py").await
}

#[tokio::test]
async fn the_node_driver() -> Result<()> {
    let client = Client {
        language: "js",
        first: "const uri = process.argv[2];\n",
        rest: include_str!("clients/rest.js"),
    };
    puts_and_reads(&client, Path::new("node"), "program.mjs").await
}

async fn puts_and_reads(client: &Client, runs: &Path, name: &str) -> Result<()> {
    let (stage, folder) = (Stage::new().await?, TempDir::new()?);
    if client.language == "js" {
        std::os::unix::fs::symlink(
            npm("mongodb", "6.20.0").await?,
            folder.path().join("node_modules"),
        )?;
    }
    let blocks = docs::blocks(&docs::text("docs/document.md")?, client.language);
    let block = blocks.first().context("no program")?;
    let program = folder.path().join(name);
    std::fs::write(&program, [client.first, block, client.rest].concat())?;

    // Ours, for the other side to read: one of each kind of payload, and one that died.
    let queue = stage.queue()?;
    let payload = doc! { "text": "Zoë", "large": i64::MAX, "half": 0.5, "list": [1, null] };
    queue.put(payload).id("document".parse()?).priority(7).retain(HOUR).await?;
    let bytes = Payload::bytes("image/png", vec![0, 159, 146, 150]);
    queue.put(bytes).id("bytes".parse()?).retain(HOUR).await?;
    queue.put(json!("no")).id("dead".parse()?).max_attempts(1).await?;
    let handler = from_fn(async |attempt: Attempt| {
        let payload = &attempt.job().payload;
        match payload.deserialize::<String>() {
            Ok(_) => Outcome::Failed(Failure::new("never").code("no")),
            Err(_) => Outcome::Completed(Some(payload.clone())),
        }
    });
    drain(&stage, until_empty(3), handler).await?;

    let args = [program.display().to_string(), stage.uri_of_database().to_owned()];
    let said = run(runs, &args, "").await?;
    assert_eq!(said, WORDS);

    let greetings = stage.mq.queue("greetings")?;
    let claimed = greetings.next(&Default::default()).await?.context("a job is due")?;
    let job = claimed.job();
    assert_eq!(job.payload.deserialize::<bson::Document>()?, doc! { "name": "Ada" });
    assert_eq!((job.max_attempts, job.timeout.as_secs()), (5, 60));
    ensure!(job.headers.iter().any(|(name, _)| name == "from"), "{:?}", job.headers);
    claimed.complete(None).await?;
    assert_eq!(greetings.stats().await?, Default::default());
    stage.end().await
}

/// What each program prints.
const WORDS: &str = "\
refused: priority
refused: due
refused: state
document completed 7 Zoë 9223372036854775807 0.5
bytes completed image/png 009f9296
dead dead never no
";

/// A Python that has the driver, made once for a checkout.
async fn venv() -> Result<PathBuf> {
    let folder = built::checkout().join("target/clients/python");
    let python = folder.join("bin/python");
    // The version that was tried.
    if !folder.join("has-pymongo-4.15.0").exists() {
        let place = folder.display().to_string();
        run(Path::new("python3"), &["-m", "venv", "--clear", &place], "").await?;
        run(&python, &["-m", "pip", "install", "--quiet", "pymongo==4.15.0"], "").await?;
        std::fs::write(folder.join("has-pymongo-4.15.0"), "")?;
    }
    Ok(python)
}
