//! Compiling in a child process with a budget.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bson::oid::ObjectId;
use mongoqueue::Outcome;
use mongoqueue_tests::{built, eventually, soon};
use mongoqueue_wasmtime::{
    Blame, Compiler, ComponentHandler, ComponentSource, Grants, HostLimits, LoadError, Sandbox,
    SandboxOptions,
};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

use super::{filtered, outcome, source};

/// The command line, as a compiler.
fn compiler() -> Result<Compiler> {
    Ok(Compiler::program(built::cli()?, ["compile-component"]))
}

fn sandbox(host: HostLimits) -> Result<Sandbox> {
    let compiler = compiler()?;
    let options = SandboxOptions { host, compiler, instances: 2, ..SandboxOptions::default() };
    Ok(Sandbox::new(options)?)
}

fn refused(host: HostLimits) -> Result<LoadError> {
    match ComponentHandler::load(&sandbox(host)?, source("hello")?, Grants::default()) {
        Err(error) => Ok(error),
        Ok(_) => bail!("it was not refused"),
    }
}

#[tokio::test]
async fn what_a_child_compiled_runs_and_is_kept() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let load = |compiler: Compiler| {
        let cache = Some(folder.path().join("cache"));
        let options = SandboxOptions { cache, compiler, instances: 2, ..Default::default() };
        let sandbox = Sandbox::new(options)?;
        anyhow::Ok(ComponentHandler::load(&sandbox, source("hello")?, Grants::default())?)
    };
    let (first, second) = (load(compiler()?)?, load(Compiler::Here)?);
    assert!(!first.is_cached() && second.is_cached());
    for handler in [first, second] {
        let ended = outcome(&handler, &json!({ "name": "Ada" })).await?;
        assert!(matches!(ended, Outcome::Completed(Some(_))), "{ended:?}");
    }
    Ok(())
}

#[test]
fn what_takes_too_long_to_compile_is_refused() -> Result<()> {
    let compile_time = Duration::ZERO;
    let error = refused(HostLimits { compile_time, ..HostLimits::default() })?;
    assert!(matches!(error, LoadError::CompileTime { .. }), "{error}");
    assert_eq!(error.blame(), Blame::Operator);
    insta::assert_snapshot!(error.to_string(), @"compiling hello took longer than the 0ns that it may: allow more as `compile_time` under [host], or make it smaller");
    Ok(())
}

#[test]
fn what_takes_too_much_memory_to_compile_is_refused() -> Result<()> {
    // Less than the process has when it begins.
    let compile_memory = 16 << 20;
    let error = refused(HostLimits { compile_memory, ..HostLimits::default() })?;
    assert!(matches!(error, LoadError::CompileMemory { .. }), "{error}");
    assert_eq!(error.blame(), Blame::Operator);
    insta::assert_snapshot!(filtered(&error.to_string()), @r"
    compiling hello took more than the N bytes of memory that it may: allow more as
    `compile_memory` under [host], or make it smaller
    ");
    Ok(())
}

#[test]
fn what_is_not_valid_is_refused_as_ever() -> Result<()> {
    // Valid to look at, and of a type that its code has not.
    let mut broken = fs::read(built::guest("hello")?)?;
    let module = broken.windows(8).position(|bytes| bytes == b"\0asm\x01\0\0\0");
    let module = module.context("no module")?;
    let load = |compiler, bytes: &[u8]| {
        let options = SandboxOptions { compiler, instances: 2, ..SandboxOptions::default() };
        let source = ComponentSource::bytes("hello", bytes);
        let loaded = ComponentHandler::load(&Sandbox::new(options)?, source, Grants::default());
        anyhow::Ok(loaded.err().map(|error| error.to_string()))
    };
    for at in (module + 8..broken.len()).step_by(broken.len() / 8) {
        let Some(byte) = broken.get_mut(at) else { continue };
        *byte ^= 0x55;
        assert_eq!(load(compiler()?, &broken)?, load(Compiler::Here, &broken)?, "byte {at}");
    }
    let missing = Compiler::program("/no/such/program", ["compile"]);
    let told = load(missing, &fs::read(built::guest("hello")?)?)?.context("it was compiled")?;
    assert!(told.contains("can't run /no/such/program to compile it"), "{told}");
    Ok(())
}

#[tokio::test]
async fn a_compiling_process_ends_with_its_parent() -> Result<()> {
    // A parent that only waits for it.
    let script = "exec 3<&0; \"$0\" compile-component <&3 & echo $!; wait";
    let mut parent = tokio::process::Command::new("/bin/sh")
        .args(["-c", script])
        .arg(built::cli()?)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut output = BufReader::new(parent.stdout.take().context("stdout")?);
    let mut child = String::new();
    output.read_line(&mut child).await?;
    // It has its order, and waits for the rest of the component.
    let (version, id) = (env!("CARGO_PKG_VERSION"), parent.id().context("its id")?);
    let order = format!("mongoqueue-compile {version} {id} 0 54321 {} 100\n\0asm", 2_u64 << 30);
    let mut input = parent.stdin.take().context("stdin")?;
    input.write_all(order.as_bytes()).await?;
    let limits = format!("/proc/{}/limits", child.trim());
    eventually("it has bounded itself", async || {
        Ok(fs::read_to_string(&limits)?.contains("54321").then_some(()))
    })
    .await?;
    parent.start_kill()?;
    // Nobody else has its output open.
    let mut rest = String::new();
    soon("it ends", output.read_to_string(&mut rest)).await??;
    assert_eq!(rest, "");
    drop(input);
    Ok(())
}

#[tokio::test]
async fn only_so_many_components_are_loaded() -> Result<()> {
    let host = HostLimits { components: 2, ..HostLimits::default() };
    let options = SandboxOptions { host, instances: 2, ..SandboxOptions::default() };
    let sandbox = Sandbox::new(options)?;
    let load = || {
        ComponentHandler::load(&sandbox, source("hello")?, Grants::default())
            .map_err(anyhow::Error::from)
    };
    let (first, _second) = (load()?, load()?);
    let Err(error) = load() else { bail!("a third was loaded") };
    insta::assert_snapshot!(
        error.to_string(),
        @"hello is one too many: 2 components are loaded, which is the limit"
    );
    let copy = first.clone();
    drop(first);
    assert!(load().is_err());
    drop(copy);
    load()?;
    Ok(())
}

/// Of the file for `work`, whose components are compiled by the command line itself.
#[tokio::test]
async fn the_command_line_compiles_in_a_child() -> Result<()> {
    let folder = tempfile::tempdir()?;
    // In no cache yet: a section that means nothing.
    let mut fresh = fs::read(built::guest("hello")?)?;
    let id = ObjectId::new().to_hex();
    fresh.extend([0, 30, 5]);
    fresh.extend(b"fresh");
    fresh.extend(id.as_bytes());
    fs::write(folder.path().join("fresh.wasm"), fresh)?;
    let file = folder.path().join("work.toml");
    let stage = mongoqueue_tests::Stage::new().await?;
    let work = async |host: &str| {
        let text = format!("[host]\n{host}\n[queue.q]\ncomponent = \"fresh.wasm\"\n");
        fs::write(&file, text)?;
        let mut command = tokio::process::Command::new(built::cli()?);
        command.args(["--uri", stage.uri(), "--database", stage.database.name()]);
        command.args(["work", "--until-empty", "--config"]).arg(&file);
        let ran = soon("it ends", command.stdin(Stdio::null()).output()).await??;
        anyhow::Ok((ran.status.code(), String::from_utf8_lossy(&ran.stderr).into_owned()))
    };
    let (code, told) = work("compile_time = \"1ms\"").await?;
    assert_eq!(code, Some(4), "{told}");
    insta::assert_snapshot!(told.trim(), @"error: queue q: compiling fresh took longer than the 1ms that it may: allow more as `compile_time` under [host], or make it smaller");
    let (code, told) = work("compile_memory = \"16MiB\"").await?;
    assert_eq!(code, Some(4), "{told}");
    assert!(told.contains("compile_memory"), "{told}");
    let (code, told) = work("components = 0").await?;
    assert_eq!(code, Some(4), "{told}");
    let (code, told) = work("cache = \"1GiB\"").await?;
    assert_eq!(code, Some(0), "{told}");
    stage.end().await
}
