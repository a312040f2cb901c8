//! `replay`: attempts made again, with nothing written.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use bson::{Document, doc};
use futures_util::TryStreamExt;
use serde_json::{Value, json};
use wasmparser::{Parser, Payload};

use super::{Cli, guest};

/// Everything in the database: the jobs' whole documents, leases, turns and all else.
async fn whole(cli: &Cli) -> Result<BTreeMap<String, Vec<Document>>> {
    let mut all = BTreeMap::new();
    for name in cli.stage.database.list_collection_names().await? {
        let collection = cli.stage.database.collection::<Document>(&name);
        let found = collection.find(doc! {}).sort(doc! { "_id": 1 }).await?;
        all.insert(name, found.try_collect().await?);
    }
    ensure!(all.values().any(|documents: &Vec<Document>| !documents.is_empty()), "it is empty");
    Ok(all)
}

/// Lets a worker do what is on the queue `q`; what it puts comes on `other`.
async fn work(cli: &Cli, component: &str) -> Result<()> {
    let serve = format!("q={component}");
    cli.run(&["work", &serve, "--queue", "next=other", "--until-empty"]).await?.ended(0)?;
    Ok(())
}

/// Replays with that exit code, and checks that nothing is changed by it.
async fn replay(cli: &Cli, code: i32, id: &str, more: &[&str]) -> Result<Value> {
    let before = whole(cli).await?;
    let ran = cli.run(&[&["replay", id, "--json"], more].concat()).await?.ended(code)?;
    assert_eq!(whole(cli).await?, before, "{id}");
    let mut documents = ran.documents()?;
    ensure!(documents.len() == 1, "{documents:?}");
    documents.pop().context("one")
}

/// With the guest that does all the harm.
async fn misbehave(cli: &Cli, code: i32, id: &str, more: &[&str]) -> Result<Value> {
    let component = guest("misbehave")?;
    let how = ["--component", &component, "--queue", "next=other"];
    replay(cli, code, id, &[&how, more].concat()).await
}

#[tokio::test]
async fn a_dead_job_dies_the_same_death_again_and_nothing_is_written() -> Result<()> {
    let cli = Cli::new().await?;
    let deaths = [
        (json!({ "do": "panic", "message": "over" }), "trap:unreachable"),
        (json!({ "do": "loop" }), "timeout"),
        (json!({ "do": "memory" }), "memory"),
        (json!({ "do": "stack" }), "trap:stack-overflow"),
        (json!({ "do": "fail-code", "code": "smtp-550" }), "failure"),
        (json!("junk"), "failure"),
    ];
    for (n, (payload, _)) in deaths.iter().enumerate() {
        let timeout = if payload["do"] == "loop" { "1s" } else { "1m" };
        let more = ["--id", &n.to_string(), "--max-attempts", "1", "--timeout", timeout];
        cli.put(&payload.to_string(), &more).await?;
    }
    work(&cli, &guest("misbehave")?).await?;
    for (n, (payload, kind)) in deaths.iter().enumerate() {
        let told = misbehave(&cli, 1, &n.to_string(), &[]).await?;
        assert_eq!(told["death"]["kind"], *kind, "{payload}: {told}");
        assert_eq!(told["outcome"], "failed");
        assert_eq!((&told["attempt"], &told["same_death"]), (&json!(1), &json!(true)), "{told}");
        let job = cli.json(&["get", &n.to_string()]).await?;
        let record = &job["errors"][0];
        assert_eq!(told["recorded"]["message"], record["message"]);
        // These say the same each time, but for where memory ended.
        if *kind != "memory" {
            assert_eq!(told["differs"], json!([]), "{payload}: {told}");
            assert_eq!(told["death"]["message"], record["message"]);
        }
        if *kind == "trap:unreachable" {
            assert_eq!(told["death"]["backtrace"], record["backtrace"]);
            assert!(told["death"]["stderr"].as_str().is_some_and(|it| it.contains("over")));
        }
    }
    let looped = misbehave(&cli, 1, "1", &[]).await?;
    assert!(looped["cpu_ms"].as_u64().is_some_and(|ms| ms > 0), "{looped}");
    assert!(looped["wall_ms"].as_f64().is_some_and(|ms| ms >= 1_000.0), "{looped}");
    let memory = misbehave(&cli, 1, "2", &[]).await?;
    assert!(memory["memory"].as_u64().is_some_and(|bytes| bytes > 60 << 20), "{memory}");
    cli.end().await
}

#[tokio::test]
async fn a_job_that_completed_completes_again() -> Result<()> {
    let cli = Cli::new().await?;
    cli.put("{\"name\": \"Ada\"}", &["--id", "ada", "--retain", "1h"]).await?;
    let hello = guest("hello")?;
    work(&cli, &hello).await?;
    let told = replay(&cli, 0, "ada", &["--component", &hello]).await?;
    assert_eq!((&told["outcome"], &told["output"]), (&json!("completed"), &json!("Hello, Ada!")));
    assert_eq!((&told["recorded"], &told["same_death"]), (&json!(null), &json!(null)));
    let digest = cli.json(&["inspect", &hello]).await?["digest"].clone();
    assert_eq!(told["handler"]["digest"], format!("sha256:{}", digest.as_str().context("one")?));
    let shown = cli.run(&["replay", "ada", "--component", &hello]).await?.ended(0)?.stdout;
    assert!(shown.contains("outcome   completed with \"Hello, Ada!\"\n"), "{shown}");
    assert!(shown.contains("nothing is on record of an end of this attempt"), "{shown}");
    cli.end().await
}

#[tokio::test]
async fn what_it_would_put_and_cancel_is_shown_and_not_done() -> Result<()> {
    let cli = Cli::new().await?;
    let waiting = cli.json(&["put", "other", "{}", "--delay", "1h"]).await?;
    let waiting = waiting["id"].as_str().context("an id")?;
    let payload = json!({ "a": [1, 2], "secret": "x\u{1b}[31m" });
    let puts = json!({ "do": "put", "queue": "next", "payload": payload });
    cli.put(&puts.to_string(), &["--id", "puts"]).await?;
    let cancels = json!({ "do": "cancel", "queue": "next", "id": waiting });
    cli.put(&cancels.to_string(), &["--id", "cancels"]).await?;
    let gets = json!({ "do": "get", "queue": "next", "id": waiting });
    cli.put(&gets.to_string(), &["--id", "gets"]).await?;
    let many = json!({ "do": "put-many", "queue": "next", "count": 30 });
    cli.put(&many.to_string(), &["--id", "many"]).await?;
    let storm = json!({ "do": "put-storm", "queue": "next" });
    cli.put(&storm.to_string(), &["--id", "storm"]).await?;

    // None of them has run: their first attempts can be tried beforehand.
    let told = misbehave(&cli, 0, "puts", &["--trace"]).await?;
    let put = &told["puts"][0];
    assert_eq!((&put["queue"], &put["payload"]), (&json!("other"), &payload));
    assert_eq!(put["id"], told["output"]["id"]);
    let calls = told["trace"].as_array().context("a trace")?;
    let names: Vec<&Value> = calls.iter().map(|call| &call["call"]).collect();
    assert_eq!(names, ["queue.open", "queue.put", "queue.drop"]);
    assert_eq!((&calls[0]["arguments"], &calls[1]["answer"]), (&json!("\"next\""), &put["id"]));
    assert_eq!(told["trace_dropped"], 0);

    let told = misbehave(&cli, 0, "cancels", &[]).await?;
    assert_eq!((&told["cancels"], &told["trace"]), (&json!([waiting]), &json!(null)));
    assert!(told["output"]["status"].as_str().is_some_and(|it| it.ends_with("Cancelled")));
    // A real look at a real job.
    let told = misbehave(&cli, 0, "gets", &[]).await?;
    let status = told["output"]["status"].as_str();
    assert!(status.is_some_and(|status| status.ends_with("Scheduled")), "{told}");
    let told = misbehave(&cli, 0, "many", &[]).await?;
    assert_eq!(told["puts"].as_array().map(Vec::len), Some(30));
    // In the same limits as ever, and with a trace that stays bounded.
    let told = misbehave(&cli, 0, "storm", &["--trace"]).await?;
    assert_eq!(
        (&told["output"]["put"], &told["puts"][999]["queue"]),
        (&json!(1000), &json!("other"))
    );
    assert_eq!(told["output"]["refused"], "limit-exceeded");
    let calls = told["trace"].as_array().context("a trace")?;
    assert!(calls.len() <= 2_000, "{}", calls.len());

    let component = guest("misbehave")?;
    let args = ["replay", "puts", "--component", &component, "--queue", "next=other", "--trace"];
    let ran = cli.run(&args).await?.ended(0)?;
    assert!(ran.stdout.contains("would have put 1 job\n  other {\"a\":[1,2]"), "{}", ran.stdout);
    assert!(ran.stderr.contains(" queue.put #"), "{}", ran.stderr);
    cli.end().await
}

#[tokio::test]
async fn what_was_saved_is_there_and_what_would_be_is_not_written() -> Result<()> {
    let cli = Cli::new().await?;
    let steps = json!({ "steps": 3, "die_at": 2 }).to_string();
    cli.put(&steps, &["--id", "steps", "--max-attempts", "1"]).await?;
    let resumable = guest("resumable")?;
    work(&cli, &resumable).await?;
    let of = ["--component", &resumable];
    let told = replay(&cli, 1, "steps", &of).await?;
    assert_eq!((&told["same_death"], &told["saved"]), (&json!(true), &json!(null)), "{told}");
    // The attempt that never was: it starts where the first one died.
    let told = replay(&cli, 0, "steps", &[&of[..], &["--attempt", "2"]].concat()).await?;
    assert_eq!(told["output"], json!({ "attempt": 2, "started_at": 2, "sum": 6 }));
    assert_eq!((&told["saved"]["next"], &told["progress"]["count"]), (&json!(4), &json!(3)));
    assert_eq!(told["recorded"], json!(null));
    cli.end().await
}

#[tokio::test]
async fn limits_and_grants_are_those_of_the_file() -> Result<()> {
    let cli = Cli::new().await?;
    cli.put("{\"do\": \"memory\"}", &["--id", "m", "--max-attempts", "1"]).await?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("work.toml");
    fs::copy(guest("misbehave")?, folder.path().join("m.wasm"))?;
    let text = "until_empty = true\n[queue.q]\ncomponent = \"m.wasm\"\n\
                queues = { next = \"other\" }\nmemory = \"16MiB\"\n";
    fs::write(&file, text)?;
    let file = file.display().to_string();
    cli.run(&["work", "--config", &file]).await?.ended(0)?;
    let told = replay(&cli, 1, "m", &["--config", &file]).await?;
    assert_eq!((&told["same_death"], &told["differs"]), (&json!(true), &json!([])), "{told}");
    let message = told["death"]["message"].as_str().context("words")?;
    assert!(message.contains("the limit is 16 MiB"), "{message}");
    // Without the file the limit is another, and so are the words.
    let told = misbehave(&cli, 1, "m", &[]).await?;
    assert_eq!(told["differs"], json!(["message"]), "{told}");
    fs::write(Path::new(&file), "[queue.other]\ncomponent = \"m.wasm\"\n")?;
    let said = cli.error(2, &["replay", "m", "--config", &file]).await?;
    assert!(said.contains("nothing is said of the job's queue; add it as [queue.q]"), "{said}");
    cli.end().await
}

#[tokio::test]
async fn a_job_that_asks_for_less_gets_less_again() -> Result<()> {
    let cli = Cli::new().await?;
    for (id, limit) in [("less", "mq-limit-memory=16MiB"), ("junk", "mq-limit-memory=lots")] {
        let header = ["--id", id, "--max-attempts", "1", "--header", limit];
        cli.put("{\"do\": \"memory\"}", &header).await?;
    }
    work(&cli, &guest("misbehave")?).await?;
    for (id, code, words) in [
        ("less", json!(null), "the limit is 16 MiB"),
        ("junk", json!("bad-limit"), "header mq-limit-memory: a size is needed"),
    ] {
        let told = misbehave(&cli, 1, id, &[]).await?;
        assert_eq!((&told["same_death"], &told["differs"]), (&json!(true), &json!([])), "{told}");
        let death = &told["death"];
        assert_eq!((&death["code"], &told["handler"]["same"]), (&code, &json!(true)), "{told}");
        let message = death["message"].as_str().context("words")?;
        assert!(message.contains(words), "{message}");
    }
    cli.end().await
}

#[tokio::test]
async fn another_time_out_is_another_death() -> Result<()> {
    let cli = Cli::new().await?;
    let payload = "{\"do\": \"sleep\", \"ms\": 60000}";
    cli.put(payload, &["--id", "s", "--max-attempts", "1", "--timeout", "1s"]).await?;
    work(&cli, &guest("misbehave")?).await?;
    let told = misbehave(&cli, 1, "s", &["--timeout", "300ms"]).await?;
    assert_eq!((&told["death"]["kind"], &told["timeout_ms"]), (&json!("timeout"), &json!(300)));
    assert_eq!((&told["same_death"], &told["differs"]), (&json!(true), &json!(["message"])));
    cli.end().await
}

#[tokio::test]
async fn a_trap_leaves_a_core_dump_that_only_its_owner_may_read() -> Result<()> {
    let cli = Cli::new().await?;
    let panics = "{\"do\": \"panic\", \"message\": \"a needle in the memory\"}";
    cli.put(panics, &["--id", "p", "--max-attempts", "1"]).await?;
    cli.put("{\"do\": \"ok\"}", &["--id", "ok"]).await?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("p.core");
    // One that is there and that everybody may read is no longer that.
    fs::write(&file, "old")?;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644))?;
    let path = file.display().to_string();
    let told = misbehave(&cli, 1, "p", &["--coredump", &path]).await?;
    let bytes = fs::read(&file)?;
    assert_eq!(told["coredump"]["bytes"], bytes.len());
    assert_eq!(fs::metadata(&file)?.permissions().mode() & 0o777, 0o600);
    let mut sections = Vec::new();
    for part in Parser::new(0).parse_all(&bytes) {
        match part.context("the dump is wasm")? {
            Payload::CustomSection(section) => sections.push(section.name().to_owned()),
            Payload::MemorySection(memories) => ensure!(memories.count() > 0, "no memory"),
            _ => {}
        }
    }
    for name in ["core", "coremodules", "coreinstances", "corestack"] {
        assert!(sections.iter().any(|section| section == name), "{name}: {sections:?}");
    }
    let needle = b"a needle in the memory";
    assert!(bytes.windows(needle.len()).any(|window| window == needle));

    let none = folder.path().join("none.core").display().to_string();
    let told = misbehave(&cli, 0, "ok", &["--coredump", &none]).await?;
    assert_eq!(
        (&told["coredump"]["bytes"], &told["coredump"]["why"]),
        (&json!(null), &json!("there was no trap"))
    );
    assert!(!Path::new(&none).exists());
    let nowhere = folder.path().join("no/p.core").display().to_string();
    let component = guest("misbehave")?;
    let how = ["--component", &component, "--queue", "next=other", "--coredump", &nowhere];
    let ran = cli.run(&[&["replay", "p"], &how[..]].concat()).await?.ended(2)?;
    assert!(ran.stderr.contains("can't write ") && ran.stdout.contains("trap:unreachable"));
    cli.end().await
}

/// The names of the functions on the stacks of a profile's samples.
fn sampled(profile: &Value) -> Result<Vec<String>> {
    let thread = &profile["threads"][0];
    let at = |list: &Value, index: &Value| -> Option<Value> {
        list.get(usize::try_from(index.as_u64()?).ok()?).cloned()
    };
    let mut names = Vec::new();
    for stack in thread["samples"]["stack"].as_array().context("samples")? {
        let mut stack = stack.clone();
        while !stack.is_null() {
            let frame = at(&thread["stackTable"]["frame"], &stack).context("a frame")?;
            let func = at(&thread["frameTable"]["func"], &frame).context("a function")?;
            let name = at(&thread["funcTable"]["name"], &func).context("its name")?;
            let name = at(&thread["stringArray"], &name).context("the name's text")?;
            names.push(name.as_str().context("text")?.to_owned());
            stack = at(&thread["stackTable"]["prefix"], &stack).context("a caller")?;
        }
    }
    Ok(names)
}

#[tokio::test]
async fn a_profile_names_the_functions_that_computed() -> Result<()> {
    let cli = Cli::new().await?;
    cli.put("{\"do\": \"loop\"}", &["--id", "l", "--timeout", "1s"]).await?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("l.json");
    let path = file.display().to_string();
    let told = misbehave(&cli, 1, "l", &["--profile", &path]).await?;
    assert!(told["profile"]["samples"].as_u64().is_some_and(|n| n > 0), "{told}");
    assert_eq!(fs::metadata(&file)?.permissions().mode() & 0o777, 0o600);
    let profile: Value = serde_json::from_slice(&fs::read(&file)?)?;
    let names = sampled(&profile)?;
    assert!(names.iter().any(|name| name.contains("forever")), "{names:?}");
    assert!(names.iter().any(|name| name.contains("handler")), "{names:?}");
    cli.end().await
}

#[tokio::test]
async fn what_cannot_be_replayed_is_said() -> Result<()> {
    let cli = Cli::new().await?;
    cli.put("{}", &["--id", "j"]).await?;
    let hello = guest("hello")?;
    assert_eq!(cli.kind(1, &["replay", "none", "--component", &hello]).await?, "no-such-job");
    let pipeline = guest("pipeline")?;
    assert_eq!(cli.kind(4, &["replay", "j", "--component", &pipeline]).await?, "missing-grants");
    let gone = ["replay", "j", "--component", "missing.wasm"];
    let said = cli.error(2, &gone).await?;
    assert!(said.contains("queue q: cannot read missing.wasm"), "{said}");
    assert_eq!(cli.kind(2, &["replay", "j"]).await?, "misuse");
    let both = ["replay", "j", "--config", "work.toml", "--component", &hello];
    assert_eq!(cli.kind(2, &both).await?, "misuse");
    let granted = ["replay", "j", "--config", "work.toml", "--queue", "a=b"];
    assert_eq!(cli.kind(2, &granted).await?, "misuse");
    let zeroth = ["replay", "j", "--component", &hello, "--attempt", "0"];
    assert_eq!(cli.kind(2, &zeroth).await?, "misuse");
    cli.end().await
}
