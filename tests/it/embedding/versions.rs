//! What a new version may not break: components that were built against 0.1.0, and the words of
//! their contract. `tests/compat` has both as they were.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use mongoqueue::{State, Worker, WorkerOptions};
use mongoqueue_tests::{Stage, built, soon};
use mongoqueue_wasmtime::{
    Command, ComponentHandler, ComponentSource, Grants, Sandbox, SandboxOptions,
};
use serde_json::json;
use wit_parser::{Handle, Resolve, Stability, Type, TypeDefKind, TypeId, WorldKey};

const HOUR: Duration = Duration::from_secs(3600);

fn built_then(name: &str) -> ComponentSource {
    ComponentSource::file(built::checkout().join("tests/compat/0.1.0").join(name))
}

#[tokio::test]
async fn a_handler_built_against_0_1_0_still_runs() -> Result<()> {
    let stage = Stage::new().await?;
    let grants = Grants::default().queue("next", stage.mq.queue("words")?);
    let sandbox = Sandbox::new(SandboxOptions::default())?;
    let handler = ComponentHandler::load(&sandbox, built_then("pipeline.wasm"), grants)?;
    let id = stage.queue()?.put(json!({ "text": "one two" })).retain(HOUR).await?.id;
    let options = WorkerOptions { until_empty: true, ..Default::default() };
    let worker = Worker::new(&stage.mq, options).serve(stage.queue()?, handler);
    soon("it works", worker.run(std::future::pending())).await??;
    let job = stage.queue()?.get(&id).await?;
    assert_eq!(job.state, State::Completed, "{:?}", job.last_error());
    let output = job.output.map(|output| output.to_json());
    assert_eq!(output, Some(json!({ "put": 2, "found": 0 })));
    assert_eq!(stage.mq.queue("words")?.stats().await?.ready, 2);
    stage.end().await
}

#[tokio::test]
async fn a_program_built_against_0_1_0_still_runs() -> Result<()> {
    let stage = Stage::new().await?;
    let id = stage.queue()?.put(json!({ "text": "quiet" })).retain(HOUR).await?.id;
    let grants = Grants::default().consume("jobs", stage.queue()?);
    let sandbox = Sandbox::new(SandboxOptions::default())?;
    let program = Command::load(&sandbox, built_then("worker.wasm"), grants)?;
    assert_eq!(program.run(Duration::from_secs(60)).await, Ok(()));
    let output = stage.queue()?.get(&id).await?.output.map(|output| output.to_json());
    assert_eq!(output, Some(json!("QUIET")));
    stage.end().await
}

/// What a component is built against: each item of the contract in one line, by its name, and the
/// version that it is there since.
type Contract = BTreeMap<String, (String, Option<String>)>;

fn read(folder: &Path) -> Result<Contract> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(folder)?;
    let package = resolve.packages.get(package).context("no package")?;
    let mut items = Contract::new();
    for (of, id) in &package.interfaces {
        let interface = resolve.interfaces.get(*id).context("no interface")?;
        for (name, id) in &interface.types {
            let stability = &resolve.types.get(*id).context("no type")?.stability;
            items.insert(format!("{of}.{name}"), (kind(&resolve, *id)?, since(stability)));
        }
        for (name, function) in &interface.functions {
            let mut line = String::new();
            for param in &function.params {
                line += &format!("{}: {}, ", param.name, print(&resolve, &param.ty)?);
            }
            let result = function.result.as_ref().map(|ty| print(&resolve, ty)).transpose()?;
            line += &format!("-> {}", result.unwrap_or_default());
            items.insert(format!("{of}.{name}"), (line, since(&function.stability)));
        }
    }
    for (name, id) in &package.worlds {
        let world = resolve.worlds.get(*id).context("no world")?;
        let keys = |keys: Vec<&WorldKey>| -> Vec<String> {
            keys.iter().map(|key| resolve.name_world_key(key)).collect()
        };
        // What a guest need not import may be added; what it has to export may not.
        for import in keys(world.imports.keys().collect()) {
            let import = without_version(&import);
            items.insert(format!("{name} imports {import}"), (String::new(), None));
        }
        let exports: Vec<String> = keys(world.exports.keys().collect());
        let exports: Vec<&str> = exports.iter().map(|name| without_version(name)).collect();
        items.insert(format!("{name} exports"), (exports.join(", "), None));
    }
    Ok(items)
}

fn without_version(name: &str) -> &str {
    name.split('@').next().unwrap_or(name)
}

fn since(stability: &Stability) -> Option<String> {
    match stability {
        Stability::Stable { since, .. } => Some(since.to_string()),
        _ => None,
    }
}

/// A type where it is used: by its name, if it has one.
fn print(resolve: &Resolve, ty: &Type) -> Result<String> {
    let Type::Id(id) = ty else { return Ok(format!("{ty:?}")) };
    match &resolve.types.get(*id).context("no type")?.name {
        Some(name) => Ok(name.clone()),
        None => kind(resolve, *id),
    }
}

fn print_all<'a>(
    resolve: &Resolve,
    parts: impl Iterator<Item = (&'a str, Option<&'a Type>)>,
) -> Result<String> {
    let part = |(name, ty): (&str, Option<&Type>)| -> Result<String> {
        let ty = ty.map(|ty| print(resolve, ty)).transpose()?;
        Ok(format!("{name}({})", ty.unwrap_or_default()))
    };
    Ok(parts.map(part).collect::<Result<Vec<_>>>()?.join(", "))
}

fn kind(resolve: &Resolve, id: TypeId) -> Result<String> {
    let kind = &resolve.types.get(id).context("no type")?.kind;
    let parts = match kind {
        TypeDefKind::Record(it) => {
            print_all(resolve, it.fields.iter().map(|it| (&*it.name, Some(&it.ty))))?
        }
        TypeDefKind::Variant(it) => {
            print_all(resolve, it.cases.iter().map(|it| (&*it.name, it.ty.as_ref())))?
        }
        TypeDefKind::Enum(it) => print_all(resolve, it.cases.iter().map(|it| (&*it.name, None)))?,
        TypeDefKind::Flags(it) => print_all(resolve, it.flags.iter().map(|it| (&*it.name, None)))?,
        TypeDefKind::Tuple(it) => print_all(resolve, it.types.iter().map(|ty| ("", Some(ty))))?,
        TypeDefKind::Result(it) => {
            print_all(resolve, [("ok", it.ok.as_ref()), ("err", it.err.as_ref())].into_iter())?
        }
        TypeDefKind::Option(ty) | TypeDefKind::List(ty) | TypeDefKind::Type(ty) => {
            print(resolve, ty)?
        }
        TypeDefKind::Handle(Handle::Own(of) | Handle::Borrow(of)) => {
            print(resolve, &Type::Id(*of))?
        }
        TypeDefKind::Resource => String::new(),
        other => anyhow::bail!("this test can't print a {} yet", other.as_str()),
    };
    Ok(format!("{} [{parts}]", kind.as_str()))
}

/// What a component that was built against `old` would miss in `new`, and what has come without
/// saying since when.
fn breaks(old: &Contract, new: &Contract) -> Vec<String> {
    let mut breaks = Vec::new();
    for (name, (was, since)) in old {
        match new.get(name) {
            None => breaks.push(format!("{name} is gone")),
            Some(is) if (was, since) != (&is.0, &is.1) => {
                breaks.push(format!("{name} was {was} and is {}", is.0));
            }
            Some(_) => {}
        }
    }
    for (name, (_, since)) in new.iter().filter(|(name, _)| !old.contains_key(*name)) {
        let dated = since.as_ref().is_some_and(|since| since != "0.1.0");
        if !dated && !name.contains(" imports ") {
            breaks.push(format!("{name} is new and has no @since of a later version"));
        }
    }
    breaks
}

#[test]
fn the_contract_only_grows() -> Result<()> {
    let old = read(&built::checkout().join("tests/compat/0.1.0/wit"))?;
    let new = read(&built::checkout().join("wit"))?;
    ensure!(old.len() > 40, "{old:#?}");
    assert_eq!(breaks(&old, &new), Vec::<String>::new());
    Ok(())
}

#[test]
fn a_change_of_the_contract_is_seen() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let source = built::checkout().join("tests/compat/0.1.0/wit");
    let old = read(&source)?;
    let changed = |from: &str, to: &str| -> Result<Vec<String>> {
        let mut found = false;
        for entry in std::fs::read_dir(&source)? {
            let path = entry?.path();
            let text = std::fs::read_to_string(&path)?;
            found |= text.contains(from);
            let file = folder.path().join(path.file_name().context("no name")?);
            // A version that something is there since has come.
            let text = match to.contains("0.1.1") {
                true => {
                    text.replace("package mongoqueue:jobs@0.1.0", "package mongoqueue:jobs@0.1.1")
                }
                false => text,
            };
            std::fs::write(file, text.replace(from, to))?;
        }
        ensure!(found, "{from:?} is nowhere");
        Ok(breaks(&old, &read(folder.path())?))
    };
    let lease = "heartbeat: func() -> result<_, error>;";
    let seen = [
        changed(lease, "heartbeat: func() -> bool;")?,
        changed(lease, "beat: func() -> result<_, error>;")?,
        changed("    attempt: u32,\n    max", "    attempt: u64,\n    max")?,
        changed("    no-such-job,\n", "")?,
        changed(
            "import consumer;",
            "import consumer;\n  @since(version = 0.1.0)\n  export handler;",
        )?,
        changed(lease, &format!("{lease}\n  @since(version = 0.1.0)\n  more: func();"))?,
    ];
    ensure!(seen.iter().all(|breaks| !breaks.is_empty()), "{seen:#?}");
    // What a minor version may do.
    let later = format!("{lease}\n  @since(version = 0.1.1)\n  more: func();");
    assert_eq!(changed(lease, &later)?, Vec::<String>::new());
    Ok(())
}
