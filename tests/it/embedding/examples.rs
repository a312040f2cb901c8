//! The programs of docs/embedding.md, as cargo builds them, against the tests' server.

use std::collections::BTreeSet;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use mongoqueue::{ConnectOptions, JobId, ListOptions, MongoQueue, State};
use mongoqueue_tests::{Stage, built, eventually, soon};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::Command;

use super::run;
use crate::house;

fn guest(name: &str) -> Result<String> {
    Ok(built::guest(name)?.to_string_lossy().into_owned())
}

/// Runs an example with the stage's database and a guest.
async fn example(stage: &Stage, name: &str, guest_name: &str, input: &str) -> Result<String> {
    let args = [stage.uri_of_database(), guest(guest_name)?];
    run(&built::example(name)?, &args, input).await
}

#[tokio::test]
async fn native_handlers_work_two_queues() -> Result<()> {
    let stage = Stage::new().await?;
    let texts = stage.mq.queue("texts")?;
    let id: JobId = "poem".parse()?;
    texts.put(json!("one two three")).id(id).await?;
    let empty = texts.put(json!("")).await?.id;
    let said = run(&built::example("native_handlers")?, &[stage.uri_of_database()], "").await?;
    assert_eq!(said, "sum-of-poem {\"words\":3}\n2 completed, 1 dead\n");
    let dead = texts.get(&empty).await?;
    let code = dead.last_error().and_then(|error| error.code.as_deref());
    assert_eq!((dead.state, code), (State::Dead, Some("empty")));
    stage.end().await
}

#[test]
fn native_handlers_compile_no_wasmtime() -> Result<()> {
    // All that is compiled for the example: its room's dependencies, and those of its tests.
    let what = ["tree", "--package", "mongoqueue", "--edges", "normal,build,dev"];
    let tree = house::cargo(&[&what[..], &["--prefix", "none", "--offline"]].concat())?;
    let names: BTreeSet<&str> =
        tree.lines().filter_map(|line| line.split_whitespace().next()).collect();
    ensure!(names.contains("mongodb") && names.contains("tokio"), "{names:?}");
    let heavy = ["wasmtime", "cranelift", "wit-", "wasmparser"];
    let wasm = |name: &&&str| heavy.iter().any(|word| name.starts_with(word));
    assert_eq!(names.iter().filter(wasm).collect::<Vec<_>>(), Vec::<&&str>::new());
    Ok(())
}

#[tokio::test]
async fn a_wasmtime_program_offers_the_queue_to_a_producer() -> Result<()> {
    let stage = Stage::new().await?;
    let input = "{\"to\": \"ada\"}\n{\"to\": \"bob\"}\n";
    let said = example(&stage, "wasmtime_producer", "producer", input).await?;
    assert_eq!(said.lines().last(), Some("2 ready, 0 scheduled"));
    let jobs = stage.mq.queue("mails")?.list(&ListOptions::default()).await?;
    let payloads: Vec<Value> = jobs.iter().map(|job| job.payload.to_json()).collect();
    assert_eq!(payloads, [json!({"to": "ada"}), json!({"to": "bob"})]);
    stage.end().await
}

#[test]
fn the_first_program_is_as_short_as_it_is_said_to_be() -> Result<()> {
    let text = built::checkout().join("host/wasmtime/examples/wasmtime_producer.rs");
    let text = std::fs::read_to_string(text)?;
    let code = text.lines().filter(|line| !line.is_empty() && !line.trim().starts_with("//"));
    let lines = code.count();
    ensure!(lines <= 48, "{lines} lines of code");
    Ok(())
}

#[tokio::test]
async fn a_guest_with_a_loop_of_its_own_pulls_its_jobs() -> Result<()> {
    let stage = Stage::new().await?;
    let mails = stage.mq.queue("mails")?;
    let hour = std::time::Duration::from_secs(3600);
    let id = mails.put(json!({"text": "quiet"})).retain(hour).await?.id;
    let empty = mails.put(json!({"text": ""})).await?.id;
    let said = example(&stage, "sandbox_loop", "worker", "").await?;
    assert_eq!(said, "worker: 1 jobs completed\nworker: 1\n");
    let job = mails.get(&id).await?;
    assert_eq!(job.output.map(|output| output.to_json()), Some(json!("QUIET")));
    assert_eq!(mails.get(&empty).await?.state, State::Dead);
    stage.end().await
}

#[tokio::test]
async fn a_host_with_its_own_store_and_limits_calls_handlers() -> Result<()> {
    let stage = Stage::new().await?;
    let work = stage.mq.queue("work")?;
    let hour = std::time::Duration::from_secs(3600);
    let mut ids = Vec::new();
    for job in [json!({"do": "echo", "value": 7}), json!({"do": "memory"}), json!({"do": "loop"})] {
        ids.push(work.put(job).max_attempts(1).retain(hour).await?.id);
    }
    let said = example(&stage, "wasmtime_host", "misbehave", "").await?;
    let [echo, memory, endless] = ids.as_slice() else { anyhow::bail!("{ids:?}") };
    assert_eq!(said, format!("{echo} completed\n{memory} dead\n{endless} dead\n"));
    assert_eq!(work.get(echo).await?.output.map(|output| output.to_json()), Some(json!(7)));
    let why = async |id| {
        let job = work.get(id).await?;
        Ok::<_, anyhow::Error>(job.last_error().context("no error")?.message.clone())
    };
    // Its runtime settings, not those of the sandbox.
    let endless = why(endless).await?;
    ensure!(endless.contains("fuel"), "{endless}");
    let memory = why(memory).await?;
    ensure!(!memory.contains("fuel"), "{memory}");
    stage.end().await
}

#[tokio::test]
async fn two_tenants_do_not_see_each_others_queues() -> Result<()> {
    let stage = Stage::new().await?;
    let said = example(&stage, "two_tenants", "producer", "").await?;
    insta::assert_snapshot!(said, @"
red on red: put
red on blue: Error: opening blue: the host grants no queue of this name (access-denied)
blue on blue: put
blue on red: Error: opening red: the host grants no queue of this name (access-denied)
");
    for name in ["red", "blue"] {
        let database = Some(stage.database.name().to_owned());
        let collection = name.to_owned();
        let options = ConnectOptions { database, collection, ..Default::default() };
        let letters = MongoQueue::connect(stage.uri(), options).await?.queue("letters")?;
        let jobs = letters.list(&ListOptions::default()).await?;
        let payloads: Vec<Value> = jobs.iter().map(|job| job.payload.to_json()).collect();
        assert_eq!(payloads, [json!({ "of": name })]);
    }
    stage.end().await
}

/// One request with one answer: its status and its JSON.
async fn ask(address: &str, request: &str, body: &str) -> Result<(u16, Value)> {
    let mut stream = TcpStream::connect(address).await?;
    let head = format!(
        "{request} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await?;
    let mut answer = String::new();
    soon("an answer", stream.read_to_string(&mut answer)).await??;
    let status = answer.split(' ').nth(1).context("no status")?.parse()?;
    let (_, body) = answer.split_once("\r\n\r\n").context("no body")?;
    Ok((status, serde_json::from_str(body).with_context(|| body.to_owned())?))
}

#[tokio::test]
async fn a_web_service_works_its_own_jobs_and_stops_in_good_order() -> Result<()> {
    let stage = Stage::new().await?;
    let mut command = Command::new(built::service()?);
    command.args([stage.uri_of_database(), guest("misbehave")?, "127.0.0.1:0".to_owned()]);
    let mut service = command.stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
    let mut lines = BufReader::new(service.stdout.take().context("no output")?).lines();
    let first = soon("it listens", lines.next_line()).await??.context("it ended")?;
    let address = first.strip_prefix("listening on ").context(first.clone())?.to_owned();

    let (status, put) =
        ask(&address, "POST /greetings", "{\"do\": \"echo\", \"value\": \"hi\"}").await?;
    assert_eq!(status, 202);
    let path = format!("GET /greetings/{}", put["id"].as_str().context("no id")?);
    let done = eventually("the job is done", async || {
        let (status, job) = ask(&address, &path, "").await?;
        assert_eq!(status, 200);
        Ok((job["state"] == "completed").then_some(job))
    });
    assert_eq!(done.await?["output"], "hi");
    assert_eq!(ask(&address, "GET /greetings/nobody", "").await?.0, 404);

    // One that runs until it is told to stop, which the signal does.
    let (_, put) = ask(&address, "POST /greetings", "{\"do\": \"until-asked\"}").await?;
    let greetings = stage.mq.queue("greetings")?;
    let id: JobId = put["id"].as_str().context("no id")?.parse()?;
    let runs = eventually("it runs", async || {
        Ok((greetings.get(&id).await?.state == State::Running).then_some(()))
    });
    runs.await?;
    let pid = service.id().context("it ended")?.to_string();
    ensure!(Command::new("kill").args(["-TERM", &pid]).status().await?.success());
    let last = soon("its last word", lines.next_line()).await??;
    assert_eq!(last.as_deref(), Some("stopped: 2 completed, 0 handed back"));
    ensure!(soon("it ends", service.wait()).await??.success());
    assert_eq!(greetings.get(&id).await?.state, State::Completed);
    stage.end().await
}
