//! Handlers written by hand in WebAssembly's own text: for the deaths that no compiler of Rust
//! makes of a guest, and for components that are odd in their structure.

use anyhow::{Context, Result, anyhow};
use bson::doc;
use mongoqueue::{Failure, Outcome, State};
use mongoqueue_tests::{Stage, built};
use mongoqueue_wasmtime::{ComponentHandler, ComponentSource, Grants, Limits};
use serde_json::json;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use super::{alone, outcome, sandbox, work};

/// What a core module has to have to be a handler; its text, and what the host calls.
struct Core<'a> {
    /// The function `handle`, after its parameters: the job's fields, one after the other. It
    /// leaves the address of its answer.
    body: &'a str,
    /// The allocator that the host asks for room for the job's strings.
    realloc: &'a str,
    /// Types, tables, a start function.
    more: &'a str,
}

impl Default for Core<'_> {
    fn default() -> Self {
        // A zero is `ok`, the next one `none`.
        Self { body: "i32.const 32768", realloc: "i32.const 1024", more: "" }
    }
}

impl Core<'_> {
    /// The component, of the world `pure-handler`.
    fn component(&self) -> Result<Vec<u8>> {
        let Self { body, realloc, more } = self;
        let text = format!(
            r#"(module
                 (memory (export "memory") 1)
                 (func $realloc (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) {realloc})
                 (func $handle (export "mongoqueue:jobs/handler@0.1.0#handle")
                   (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i64) (result i32)
                   {body})
                 {more})"#
        );
        let mut module = wat::parse_str(text)?;
        let mut resolve = Resolve::default();
        let (package, _) = resolve.push_dir(built::checkout().join("wit"))?;
        let world = resolve.select_world(&[package], Some("pure-handler"))?;
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)?;
        ComponentEncoder::default().validate(true).module(&module)?.encode()
    }

    fn handler(&self) -> Result<ComponentHandler> {
        load(self.component()?)
    }

    async fn failure(&self) -> Result<Failure> {
        failure(&self.handler()?).await
    }
}

fn load(component: Vec<u8>) -> Result<ComponentHandler> {
    let source = ComponentSource::bytes("by-hand", component);
    Ok(ComponentHandler::load(sandbox()?, source, Grants::default())?)
}

async fn failure(handler: &ComponentHandler) -> Result<Failure> {
    match outcome(handler, &json!({ "to": "ada" })).await? {
        Outcome::Failed(failure) => Ok(failure),
        other => Err(anyhow!("it did not fail: {other:?}")),
    }
}

#[tokio::test]
async fn one_that_does_nothing_completes_its_job() -> Result<()> {
    let stage = Stage::new().await?;
    stage.queue()?.put(doc! {}).await?;
    work(&stage, Core::default().handler()?).await?;
    assert_eq!(stage.queue()?.stats().await?, Default::default());
    stage.end().await
}

/// The traps that a core module can reach, and their names.
const TRAPS: [(&str, &str, &str); 8] = [
    ("unreachable", "unreachable", "it aborted"),
    ("i32.const 1 i32.const 0 i32.div_s", "integer-divide-by-zero", "integer divide by zero"),
    ("i32.const 0x80000000 i32.const -1 i32.div_s", "integer-overflow", "integer overflow"),
    ("f32.const nan i32.trunc_f32_s", "bad-conversion-to-integer", "invalid conversion to integer"),
    ("i32.const -1 i32.load", "memory-out-of-bounds", "out of bounds memory access"),
    (
        "i32.const 9 call_indirect (result i32)",
        "table-out-of-bounds",
        "undefined element: out of bounds table access",
    ),
    ("i32.const 0 call_indirect (result i32)", "indirect-call-to-null", "uninitialized element"),
    ("i32.const 1 call_indirect (result i32)", "bad-signature", "indirect call type mismatch"),
];

#[tokio::test]
async fn every_trap_of_a_core_module_has_its_name() -> Result<()> {
    let table = "(table 2 funcref) (elem (i32.const 1) func $other) (func $other)";
    for (body, code, message) in TRAPS {
        let failure = Core { body, more: table, ..Core::default() }.failure().await;
        let failure = failure.context(body)?;
        assert_eq!((&*failure.kind, &*failure.message), (&*format!("trap:{code}"), message));
        assert!(failure.backtrace.is_some_and(|trace| trace.contains("handle")), "{body}");
    }
    Ok(())
}

#[tokio::test]
async fn it_dies_of_its_answer_its_allocator_and_its_start() -> Result<()> {
    let answer = |body| Core { body, ..Core::default() };
    let realloc = Core { realloc: "unreachable", ..Core::default() };
    let start = Core { more: "(func $start unreachable) (start $start)", ..Core::default() };
    // An address beyond its memory, one that is not aligned, and a case that the type has not.
    let store = "i32.const 32768 i32.const 9 i32.store8 i32.const 32768";
    let mut seen = Vec::new();
    for core in
        [answer("i32.const 65536"), answer("i32.const 32767"), answer(store), realloc, start]
    {
        let failure = core.failure().await?;
        seen.push(format!("{}: {}", failure.kind, failure.message));
    }
    insta::assert_snapshot!(seen.join("\n"), @"
trap:abi: it broke the component model's rules: pointer out of bounds of memory
trap:abi: it broke the component model's rules: return pointer not aligned
trap:abi: it broke the component model's rules: invalid expected discriminant
trap:unreachable: it aborted
trap:unreachable: it aborted
");
    Ok(())
}

#[tokio::test]
async fn tables_and_instances_are_bounded() -> Result<()> {
    // It gives up when it may not have them.
    let body = "ref.null func i32.const 200000 table.grow 0 i32.const -1 i32.eq if unreachable \
                end i32.const 32768";
    let failure = Core { body, more: "(table 1 funcref)", ..Core::default() }.failure().await?;
    insta::assert_snapshot!(format!("{}: {}", failure.kind, failure.message), @"limit:tables: out of table space: 1 elements in use, 200000 more wanted, the limit is 100000");
    let limits = Limits { instances: 1, ..Limits::default() };
    let failure = failure_of_hello(limits).await?;
    insta::assert_snapshot!(format!("{}: {}", failure.kind, failure.message), @"limit:instances: it is made of more than 1 instances (resource limit exceeded: instance count too high at 2)");
    Ok(())
}

/// It has an instance for its adapters, too.
async fn failure_of_hello(limits: Limits) -> Result<Failure> {
    failure(&alone("hello")?.with_limits(limits)).await
}

/// A job that is tried to the end, by a handler that traps before it could run.
#[tokio::test]
async fn what_can_never_start_makes_a_dead_job() -> Result<()> {
    let stage = Stage::new().await?;
    let queue = stage.queue()?;
    let id = queue.put(doc! {}).max_attempts(2).await?.id;
    let start = Core { more: "(func $start unreachable) (start $start)", ..Core::default() };
    work(&stage, start.handler()?).await?;
    let job = queue.get(&id).await?;
    assert_eq!((job.state, job.attempts, job.errors.len()), (State::Dead, 2, 2));
    assert!(job.errors.iter().all(|record| record.kind == "trap:unreachable"), "{job:#?}");
    stage.end().await
}
