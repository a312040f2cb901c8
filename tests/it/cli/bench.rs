//! `bench`: that it measures everything and says so; that it refuses, and leaves nothing behind.
//! How fast anything is, is not tested.

use anyhow::{Context, Result, ensure};
use bson::doc;
use mongodb::Client;
use mongoqueue_mongod::Mongod;
use mongoqueue_tests::{FailPoint, Stage, built, eventually, server, soon};
use serde_json::Value;
use std::process::Stdio;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

use super::{Ran, program, ran, signal};

/// As little as there can be.
const LITTLE: [&str; 5] = ["--quick", "--jobs=100", "--runs=1", "--waiting=1000", "--long=1s"];

/// A server of the test's own, as databases are counted.
async fn somewhere() -> Result<(Mongod, Client)> {
    let mongod = server::own().await?;
    let client = Client::with_uri_str(mongod.uri()).await?;
    Ok((mongod, client))
}

fn bench(uri: &str, args: &[&str]) -> Result<Command> {
    let mut command = program(&built::cli()?);
    command.env("MONGODB_URI", uri).arg("bench").args(args);
    Ok(command)
}

async fn little(mongod: &Mongod, args: &[&str]) -> Result<Ran> {
    ran(bench(&mongod.uri(), &[&LITTLE[..], args].concat())?, "").await
}

/// The databases that benches made.
async fn databases(client: &Client) -> Result<Vec<String>> {
    let names = client.list_database_names().await?.into_iter();
    Ok(names.filter(|name| name.starts_with("mongoqueue-bench-")).collect())
}

fn array<'a>(value: &'a Value, name: &str) -> Result<&'a Vec<Value>> {
    value[name].as_array().with_context(|| format!("no array {name}: {value}"))
}

#[tokio::test]
async fn every_part_is_measured_and_nothing_is_left() -> Result<()> {
    let (mongod, client) = somewhere().await?;
    let folder = tempfile::tempdir()?;
    for name in mongoqueue_bench::names() {
        let page = folder.path().join(format!("{name}.html"));
        let file = page.to_str().context("a path in UTF-8")?;
        let document = folder.path().join(format!("{name}.md"));
        std::fs::write(&document, "# ours\n<!-- bench --><!-- /bench -->\nend\n")?;
        let tables = document.to_str().context("a path in UTF-8")?;
        let args = ["--only", name, "--json", "--html", file, "--markdown", tables];
        let mut documents = little(&mongod, &args).await?.ended(0)?.documents()?;
        ensure!(documents.len() == 1, "{name}: {} documents", documents.len());
        let report = documents.pop().context("one")?;
        let parts = array(&report, "parts")?;
        let names: Vec<&Value> = parts.iter().map(|part| &part["name"]).collect();
        assert_eq!(names, [name]);
        for figure in array(&parts[0], "figures")? {
            ensure!(figure["name"].is_string() && figure["unit"].is_string(), "{figure}");
            let [least, median, most] =
                ["least", "median", "most"].map(|it| figure[it].as_f64().unwrap_or(f64::NAN));
            ensure!(!(least > median || median > most), "{figure}");
        }
        assert!(report["machine"]["server"].as_str().is_some_and(|it| it.contains('.')));
        assert!(report["command"].as_str().is_some_and(|it| it.starts_with("mongoqueue bench ")));
        let targets = array(&report, "targets")?;
        assert!(!targets.is_empty() && targets.iter().all(|target| target["part"] == name));

        let page = std::fs::read_to_string(page)?;
        ensure!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"), "{page}");
        ensure!(page.contains(&format!("<h2>{name}<small>")), "{page}");
        let tables = std::fs::read_to_string(&document)?;
        ensure!(tables.starts_with("# ours\n<!-- bench -->\n\n`mongoqueue bench"), "{tables}");
        ensure!(tables.contains(&format!("\n### {name}: ")), "{tables}");
        ensure!(tables.ends_with("\n<!-- /bench -->\nend\n"), "{tables}");
        let plots = array(&parts[0], "plots")?.len();
        assert_eq!(page.matches("<svg").count(), plots, "{name}");
        assert_eq!(databases(&client).await?, Vec::<String>::new(), "{name}");
    }
    Ok(())
}

#[tokio::test]
async fn a_database_with_a_queue_is_left_alone_unless_told() -> Result<()> {
    let stage = Stage::new().await?;
    stage.queue()?.put(doc! { "to": "ada" }).await?;
    let of = ["--database", stage.database.name(), "--only", "start", "--runs=1"];
    let mut asked = bench(stage.uri(), &of)?;
    asked.arg("--json");
    let refused = ran(asked, "").await?.ended(1)?;
    let error: Value = serde_json::from_str(&refused.stderr).context(refused.stderr)?;
    assert_eq!(error["error"]["kind"], "in-use");
    assert_eq!(error["error"]["database"], stage.database.name());
    assert_eq!(error["error"]["collection"], "jobs");

    let mut told = bench(stage.uri(), &of)?;
    told.arg("--force");
    let shown = ran(told, "").await?.ended(0)?.stdout;
    assert!(shown.starts_with("start: the start of a worker"), "{shown}");
    assert_eq!(stage.queue()?.stats().await?.ready, 1);
    stage.end().await
}

#[tokio::test]
async fn a_judged_target_is_named() -> Result<()> {
    let (mongod, _) = somewhere().await?;
    let ended = little(&mongod, &["--only", "start", "--check"]).await?;
    let met = ended.stdout.contains("  met\n") || ended.stdout.contains("  met ");
    ensure!(
        ended.stdout.contains("until it is ready, beside connecting  ≤ 50.0"),
        "{}",
        ended.stdout
    );
    assert_eq!(ended.code, if met { 0 } else { 1 }, "{}", ended.stdout);
    let missed = ended.stderr.contains("error: targets missed: start cached");
    assert_eq!(missed, !met, "{}", ended.stderr);
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_measured_is_refused_at_once() -> Result<()> {
    let (mongod, client) = somewhere().await?;
    let wrong = little(&mongod, &["--only", "put,drian"]).await?.ended(2)?;
    assert!(wrong.stderr.contains("no part \"drian\": there are put, drain, "), "{}", wrong.stderr);
    let html = ["--only", "start", "--html", "/nowhere/at/all.html"];
    let nowhere = little(&mongod, &html).await?.ended(2)?;
    assert!(nowhere.stderr.contains("can't write /nowhere/at/all.html"), "{}", nowhere.stderr);
    for none in ["--jobs=0", "--runs=0", "--waiting=0", "--payload=200 apples"] {
        let refused = ran(bench(&mongod.uri(), &[none])?, "").await?.ended(2)?;
        ensure!(refused.stderr.contains("invalid value"), "{}", refused.stderr);
    }
    assert_eq!(databases(&client).await?, Vec::<String>::new());
    Ok(())
}

/// By the signal that a terminal sends at Ctrl-C, in parts that have workers in this process and in
/// others.
#[tokio::test]
async fn interrupted_it_leaves_nothing_either() -> Result<()> {
    let (mongod, client) = somewhere().await?;
    for part in ["long", "workers"] {
        let args = ["--only", part, "--long=10m", "--runs=100", "--jobs=1000", "--waiting=1000"];
        let mut command = bench(&mongod.uri(), &args)?;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn()?;
        eventually("jobs are put", async || {
            let Some(name) = databases(&client).await?.pop() else { return Ok(None) };
            let jobs = client.database(&name).collection::<bson::Document>("jobs");
            Ok(jobs.find_one(mongoqueue_tests::every()).await?)
        })
        .await?;
        signal(&child, "INT").await?;
        let output = soon("the bench ends", child.wait_with_output()).await??;
        let stderr = String::from_utf8(output.stderr)?;
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(stderr.contains("the bench was interrupted; nothing of it is left"), "{stderr}");
        assert_eq!(databases(&client).await?, Vec::<String>::new(), "{part}");
    }
    Ok(())
}

/// Also where each batch is marked so slowly that the next look comes before: the floor would find
/// the same jobs again.
#[tokio::test]
async fn the_floor_drains_what_is_marked_slowly() -> Result<()> {
    let stage = Stage::private().await?;
    let slow = doc! { "failCommands": ["update"], "blockConnection": true, "blockTimeMS": 100 };
    let fail = FailPoint::on(&stage, slow, None).await?;
    let args = ["--only=drain", "--quick", "--jobs=1200", "--runs=1", "--json", "--force"];
    let ended = ran(bench(stage.uri(), &args)?, "").await?.ended(0)?;
    assert!(fail.off().await? > 0, "{}", ended.stdout);
    stage.end().await
}

/// What makes the test below a worker process.
const ROLE: &str = "MONGOQUEUE_TEST_ROLE";

/// While its standard input is still open, as a bench that waits for it keeps it; and where its
/// runtime waits for all that blocks a thread of it, as that of `cargo bench` does.
#[test]
fn a_worker_process_ends_when_nothing_is_left() -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    if let Ok(role) = std::env::var(ROLE) {
        let uri = std::env::var("MONGODB_URI")?;
        return Ok(runtime.block_on(mongoqueue_bench::worker_process(&uri, &role))?);
    }
    runtime.block_on(async {
        let stage = Stage::new().await?;
        let role = serde_json::json!({
            "database": stage.database.name(), "workers": 2, "slots": 1, "queue": 0,
            "components": [], "until_empty": true, "cache": null,
        });
        let mut command = Command::new(std::env::current_exe()?);
        let (_, module) = module_path!().split_once("::").context("a module of this binary")?;
        let test = format!("{module}::a_worker_process_ends_when_nothing_is_left");
        command.args(["--exact", &test, "--nocapture"]).kill_on_drop(true);
        command.env(ROLE, role.to_string()).env("MONGODB_URI", stage.uri());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut input = child.stdin.take().context("its input")?;
        input.write_all(b"\n").await?;
        let ended = async {
            let mut shown = String::new();
            let output = child.stdout.as_mut().context("its output")?;
            output.read_to_string(&mut shown).await?;
            ensure!(child.wait().await?.success() && shown.contains("1 passed"), "{shown}");
            Ok(())
        };
        soon("it ends", ended).await??;
        drop(input);
        stage.end().await
    })
}
