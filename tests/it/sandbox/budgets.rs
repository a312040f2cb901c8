//! What one guest may use up: rates, jobs on a queue, chance, and less for a job that asks for it.

use anyhow::{Context, Result, anyhow, bail};
use bson::{Document, doc};
use futures_util::TryStreamExt;
use mongoqueue::{Failure, Outcome, State};
use mongoqueue_tests::{Stage, built};
use mongoqueue_wasmtime::{ComponentHandler, ComponentSource, Grants, Limits};
use serde_json::{Value, json};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use super::{HOUR, misbehave, outcome, sandbox, work};

/// Writes to jobs that begin by removing this, as the profiler has seen them.
async fn writes(stage: &Stage, removed: &str) -> Result<usize> {
    let profile = stage.database.collection::<Document>("system.profile");
    let updates = profile.find(doc! { "op": "update", "ns": { "$regex": r"\.jobs$" } }).await?;
    let updates: Vec<Document> = updates.try_collect().await?;
    let begins = format!("\"$unset\": {removed}");
    Ok(updates.iter().filter(|update| update.to_string().contains(&begins)).count())
}

async fn profiled() -> Result<Stage> {
    let stage = Stage::new().await?;
    stage.database.run_command(doc! { "profile": 2 }).await?;
    Ok(stage)
}

#[tokio::test]
async fn a_storm_of_reports_is_a_write_now_and_then() -> Result<()> {
    let stage = profiled().await?;
    let storm = json!({"do": "progress-storm", "count": 20_000});
    let id = stage.queue()?.put(storm).max_attempts(1).retain(HOUR).await?.id;
    // None of them before the end, which writes the last.
    let limits = Limits { notes_per_second: 0, ..Limits::default() };
    work(&stage, misbehave(&stage)?.with_limits(limits)).await?;
    let job = stage.queue()?.get(&id).await?;
    assert_eq!(job.state, State::Completed);
    assert_eq!(job.progress.map(|it| (it.count, it.total)), Some((20_000, Some(20_000))));
    assert_eq!(writes(&stage, "\"progress\"").await?, 1);
    stage.end().await
}

#[tokio::test]
async fn a_report_that_waits_is_written_while_the_guest_goes_on() -> Result<()> {
    let stage = Stage::new().await?;
    // Its first report is written at once, the last one waits; then it sleeps for an hour.
    let payload = json!({"do": "progress-then-sleep", "count": 5_000, "ms": 3_600_000});
    let id = stage.queue()?.put(payload).max_attempts(1).timeout(HOUR * 2).await?.id;
    let options = mongoqueue::WorkerOptions { slots: 1, ..Default::default() };
    let limits = Limits { notes_per_second: 5, ..Limits::default() };
    let handler = misbehave(&stage)?.with_limits(limits);
    let worker = mongoqueue::Worker::new(&stage.mq, options).serve(stage.queue()?, handler);
    let running = mongoqueue_tests::Running::start(worker);
    mongoqueue_tests::eventually("the last report is there", async || {
        let progress = stage.queue()?.get(&id).await?.progress;
        Ok(progress.filter(|progress| progress.count == 5_000))
    })
    .await?;
    drop(running);
    stage.end().await
}

#[tokio::test]
async fn every_state_is_saved_and_too_many_wait() -> Result<()> {
    let stage = profiled().await?;
    let put = |count: u64| json!({"do": "save-storm", "count": count});
    let id = stage.queue()?.put(put(6)).max_attempts(1).retain(HOUR).await?.id;
    let limits = Limits { saves_per_second: 4, ..Limits::default() };
    work(&stage, misbehave(&stage)?.with_limits(limits)).await?;
    let job = stage.queue()?.get(&id).await?;
    assert_eq!(job.state, State::Completed);
    assert_eq!(job.saved.map(|saved| saved.to_json()), Some(json!({ "number": 6 })));
    assert_eq!(writes(&stage, "[\"saved\", \"saved_type\"]").await?, 6);
    // Where there is no time to wait it is told so.
    let limits = Limits { saves_per_second: 0, ..Limits::default() };
    let ended = outcome(&misbehave(&stage)?.with_limits(limits), &put(1)).await?;
    let Outcome::Failed(failure) = ended else { bail!("{ended:?}") };
    assert_eq!(
        failure.message,
        "over a limit of the host: more than 0 saves in a second, and no time to wait"
    );
    stage.end().await
}

async fn output(handler: &ComponentHandler, payload: Value) -> Result<Value> {
    match outcome(handler, &payload).await? {
        Outcome::Completed(Some(output)) => Ok(output.to_json()),
        other => bail!("{payload}: {other:?}"),
    }
}

#[tokio::test]
async fn jobs_are_put_at_a_rate() -> Result<()> {
    let stage = Stage::new().await?;
    let limits = Limits { puts_per_second: 20, ..Limits::default() };
    let handler = misbehave(&stage)?.with_limits(limits);
    // One second's worth at once, half of it again by waiting.
    let storm = json!({"do": "put-storm", "queue": "next", "count": 30});
    assert_eq!(output(&handler, storm).await?["put"], 30);
    // That would be half an hour; an attempt has five minutes.
    let all = Limits { puts_per_second: 1, ..Limits::default() };
    let handler = misbehave(&stage)?.with_limits(all);
    let many = json!({"do": "put-many", "queue": "next", "count": 1_000});
    let Outcome::Failed(failure) = outcome(&handler, &many).await? else { bail!("it was put") };
    assert_eq!(failure.code.as_deref(), Some("limit-exceeded"));
    assert_eq!(stage.mq.queue("next")?.stats().await?.ready, 30);
    stage.end().await
}

#[tokio::test]
async fn a_queue_that_is_full_takes_no_more() -> Result<()> {
    let stage = Stage::new().await?;
    let limits = Limits { waiting: 12, ..Limits::default() };
    let handler = misbehave(&stage)?.with_limits(limits.clone());
    let next = stage.mq.queue("next")?;
    // Scheduled ones wait, too.
    next.put(doc! {}).delay(HOUR).await?;
    let storm = json!({"do": "put-storm", "queue": "next"});
    let told = output(&handler, storm.clone()).await?;
    assert_eq!((&told["put"], &told["refused"]), (&json!(11), &json!("limit-exceeded")));
    assert_eq!(
        told["message"],
        "over a limit of the host: 12 jobs are waiting on this queue, which is the most"
    );
    // Another process sees what is there by itself.
    let other = stage.connect("consumer-2").await?;
    let grants = Grants::default().queue("next", other.queue("next")?);
    let source = super::source("misbehave")?;
    let other = ComponentHandler::load_with(sandbox()?, source, grants, limits)?;
    assert_eq!(output(&other, storm.clone()).await?["put"], 0);
    // It is looked at again when there is room.
    next.clear().await?;
    mongoqueue_tests::eventually("there is room again", async || {
        Ok((output(&handler, storm.clone()).await?["put"] != 0).then_some(()))
    })
    .await?;
    stage.end().await
}

/// Each job puts two of its kind: the queue grows to its limit, not beyond.
#[tokio::test]
async fn jobs_that_multiply_themselves_come_to_an_end() -> Result<()> {
    let stage = Stage::new().await?;
    let queue = stage.queue()?;
    let twins = json!({"do": "twins", "queue": "q"});
    queue.put(twins).max_attempts(1).await?;
    let grants = Grants::default().queue("q", queue.clone());
    let limits = Limits { waiting: 30, ..Limits::default() };
    let source = super::source("misbehave")?;
    let handler = ComponentHandler::load_with(sandbox()?, source, grants, limits)?;
    let options = mongoqueue::WorkerOptions { slots: 2, ..Default::default() };
    let worker = mongoqueue::Worker::new(&stage.mq, options).serve(queue.clone(), handler);
    let running = mongoqueue_tests::Running::start(worker);
    mongoqueue_tests::eventually("one is refused", async || {
        let dead = queue.stats().await?.dead;
        Ok((dead > 0).then_some(()))
    })
    .await?;
    running.stop().await?;
    let stats = queue.stats().await?;
    // A look is a second old at the most, and two jobs came in at once.
    assert!(stats.ready <= 32, "{stats:?}");
    let options = mongoqueue::ListOptions { state: Some(State::Dead), ..Default::default() };
    let dead = queue.list(&options).await?;
    let record = dead.first().and_then(|job| job.last_error()).context("no record")?;
    assert_eq!(record.code.as_deref(), Some("limit-exceeded"));
    stage.end().await
}

/// A handler that imports functions of WASI, by hand: no toolchain's library calls them so often.
fn by_hand(imports: &str, body: &str) -> Result<ComponentHandler> {
    const WASI: [(&str, &str); 3] = [
        (
            "random.wit",
            "package wasi:random@0.2.0;
             interface random { get-random-bytes: func(len: u64) -> list<u8>;
                                get-random-u64: func() -> u64; }
             interface insecure { get-insecure-random-bytes: func(len: u64) -> list<u8>;
                                  get-insecure-random-u64: func() -> u64; }",
        ),
        (
            "io.wit",
            "package wasi:io@0.2.0;
             interface poll { resource pollable;
                              poll: func(in: list<borrow<pollable>>) -> list<u32>; }",
        ),
        (
            "clocks.wit",
            "package wasi:clocks@0.2.0;
             interface monotonic-clock { use wasi:io/poll@0.2.0.{pollable};
                                         subscribe-duration: func(when: u64) -> pollable; }",
        ),
    ];
    let mut resolve = Resolve::default();
    resolve.push_dir(built::checkout().join("wit"))?;
    for (name, text) in WASI {
        resolve.push_str(name, text)?;
    }
    let world = "package test:hand; world hand {
        import wasi:random/random@0.2.0; import wasi:random/insecure@0.2.0;
        import wasi:clocks/monotonic-clock@0.2.0; import wasi:io/poll@0.2.0;
        export mongoqueue:jobs/handler@0.1.0; }";
    let package = resolve.push_str("hand.wit", world)?;
    let world = resolve.select_world(&[package], Some("hand"))?;
    let text = format!(
        r#"(module
             {imports}
             (memory (export "memory") 200)
             (global $room (mut i32) (i32.const 65536))
             ;; What comes in lies where the last piece lay: nobody looks at it.
             (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) global.get $room)
             (func $handle (export "mongoqueue:jobs/handler@0.1.0#handle")
               (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i64) (result i32)
               {body} i32.const 32768))"#
    );
    let mut module = wat::parse_str(text)?;
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)?;
    let component = ComponentEncoder::default().validate(true).module(&module)?.encode()?;
    let source = ComponentSource::bytes("by-hand", component);
    Ok(ComponentHandler::load(sandbox()?, source, Grants::default())?)
}

async fn death(handler: &ComponentHandler) -> Result<Failure> {
    match outcome(handler, &json!({ "to": "ada" })).await? {
        Outcome::Failed(failure) => Ok(failure),
        other => Err(anyhow!("it did not fail: {other:?}")),
    }
}

const RANDOM_U64: &str =
    r#"(import "wasi:random/random@0.2.0" "get-random-u64" (func $chance (result i64)))"#;
const INSECURE_U64: &str = r#"(import "wasi:random/insecure@0.2.0" "get-insecure-random-u64" (func $chance (result i64)))"#;
const RANDOM: &str =
    r#"(import "wasi:random/random@0.2.0" "get-random-bytes" (func $chance (param i64 i32)))"#;
const INSECURE: &str = r#"(import "wasi:random/insecure@0.2.0" "get-insecure-random-bytes" (func $chance (param i64 i32)))"#;

#[tokio::test]
async fn chance_has_an_end() -> Result<()> {
    let for_ever = "(loop $again call $chance drop br $again)";
    let pieces = "(loop $again i64.const 100000 i32.const 32 call $chance br $again)";
    let at_once = "i64.const 17000000 i32.const 32 call $chance";
    let huge = "i64.const -1 i32.const 32 call $chance";
    let enough = "i64.const 1000000 i32.const 32 call $chance";
    for (imports, body) in [
        (RANDOM_U64, for_ever),
        (INSECURE_U64, for_ever),
        (RANDOM, pieces),
        (INSECURE, pieces),
        (RANDOM, at_once),
        (INSECURE, huge),
    ] {
        let small = Limits { random_bytes: 1 << 20, ..Limits::default() };
        let handler = by_hand(imports, body)?.with_limits(small);
        let failure = death(&handler).await.with_context(|| format!("{imports} {body}"))?;
        let told = (&*failure.kind, &*failure.message);
        assert_eq!(told, ("limit:random", "it took more than 1 MiB of random bytes"));
        assert!(failure.backtrace.is_some_and(|trace| trace.contains("handle")));
    }
    for imports in [RANDOM, INSECURE] {
        let ended = outcome(&by_hand(imports, enough)?, &json!(1)).await?;
        assert_eq!(ended, Outcome::Completed(None));
    }
    Ok(())
}

/// wasmtime counts what is lent to the host for a call among the handles.
#[tokio::test]
async fn no_more_is_waited_for_than_can_be_held() -> Result<()> {
    let imports = r#"
        (import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration"
          (func $soon (param i64) (result i32)))
        (import "wasi:io/poll@0.2.0" "poll" (func $poll (param i32 i32 i32)))"#;
    // The same one, so many times.
    let body = |times: usize| {
        format!(
            "(local $at i32) (local $it i32)
             (local.set $it (call $soon (i64.const 1)))
             (local.set $at (i32.const 131072))
             (loop $more
               (i32.store (local.get $at) (local.get $it))
               (local.set $at (i32.add (local.get $at) (i32.const 4)))
               (br_if $more (i32.lt_u (local.get $at) (i32.const {}))))
             (call $poll (i32.const 131072) (i32.const {times}) (i32.const 32))",
            131_072 + 4 * times
        )
    };
    let failure = death(&by_hand(imports, &body(1_001))?).await?;
    let told = (&*failure.kind, &*failure.message);
    assert_eq!(told, ("limit:handles", "it held more than 1000 resources at the same time"));
    let ended = outcome(&by_hand(imports, &body(900))?, &json!(1)).await?;
    assert_eq!(ended, Outcome::Completed(None));
    Ok(())
}

#[tokio::test]
async fn a_job_may_have_less_than_its_handler_and_not_more() -> Result<()> {
    let stage = Stage::new().await?;
    let queue = stage.queue()?;
    let put = async |payload: Value, header: (&str, &str)| {
        let put = queue.put(payload).header(header.0, header.1).max_attempts(1).retain(HOUR);
        anyhow::Ok(put.await?.id)
    };
    let big = json!({"do": "memory-big", "bytes": 20 << 20});
    let less = put(big.clone(), ("mq-limit-memory", "16MiB")).await?;
    let more = put(json!({"do": "memory-ask", "bytes": 200 << 20}), ("mq-limit-memory", "1GiB"));
    let more = more.await?;
    let output = put(json!({"do": "big-output", "bytes": 100}), ("mq-limit-output", "50")).await?;
    let cpu = put(json!({"do": "loop"}), ("mq-limit-cpu", "50ms")).await?;
    let junk = queue.put(json!({"do": "ok"})).header("mq-limit-memory", "lots").max_attempts(5);
    let junk = junk.await?.id;
    let enough = queue.put(big).retain(HOUR).await?.id;
    work(&stage, misbehave(&stage)?).await?;

    for (id, kind) in [(&less, "memory"), (&output, "limit:output"), (&cpu, "cpu")] {
        let job = queue.get(id).await?;
        assert_eq!((job.state, &*job.last_error().context("a record")?.kind), (State::Dead, kind));
    }
    let told = queue.get(&less).await?.last_error().map(|record| record.message.clone());
    assert!(told.is_some_and(|told| told.ends_with("the limit is 16 MiB")));
    let asked = queue.get(&more).await?.output.context("no output")?.to_json();
    assert_eq!(asked["granted"], false);
    assert_eq!(queue.get(&enough).await?.state, State::Completed);
    // Once: it would be read no better the next time.
    let job = queue.get(&junk).await?;
    let record = job.last_error().context("no record")?;
    assert_eq!((job.state, job.attempts), (State::Dead, 1));
    assert_eq!(record.code.as_deref(), Some("bad-limit"));
    assert_eq!(record.message, "header mq-limit-memory: a size is needed, such as 512KiB or 16MiB");
    stage.end().await
}
