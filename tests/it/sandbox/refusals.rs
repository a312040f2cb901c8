//! What is no component for this host, and how its operator is told.

use std::fs;

use anyhow::{Context, Result, anyhow, bail};
use mongoqueue_tests::built;
use mongoqueue_wasmtime::{
    Blame, ComponentHandler, ComponentSource, Grants, Kind, Limits, LoadError, Sandbox,
    SandboxOptions, inspect,
};

use super::{filtered, sandbox, source};

/// A component without imports and exports.
const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

fn refused(bytes: &[u8]) -> Result<LoadError> {
    let source = ComponentSource::bytes("notes", bytes);
    match ComponentHandler::load(sandbox()?, source, Grants::default()) {
        Err(error) => Ok(error),
        Ok(_) => bail!("{} bytes were not refused", bytes.len()),
    }
}

fn told(bytes: &[u8]) -> Result<String> {
    Ok(filtered(&refused(bytes)?.to_string()))
}

fn hello() -> Result<Vec<u8>> {
    Ok(fs::read(built::guest("hello")?)?)
}

#[test]
fn what_is_no_handler_is_told_what_it_is() -> Result<()> {
    insta::assert_snapshot!(told(b"")?, @r"
    notes is no component (it is empty); a component is a .wasm file built for
    wasm32-wasip2
    ");
    insta::assert_snapshot!(told(b"#!/bin/sh\necho hello\n")?, @r"
    notes is no component (it doesn't start as WebAssembly does); a component is a .wasm
    file built for wasm32-wasip2
    ");
    insta::assert_snapshot!(
        told(b"  (component)\n")?,
        @"notes is WebAssembly text; translate it by `wasm-tools parse`"
    );
    insta::assert_snapshot!(told(b"\0asm\x01\0\0\0")?, @r"
    notes is a core WebAssembly module; build it for wasm32-wasip2, or make it a
    component by `wasm-tools component new`
    ");
    insta::assert_snapshot!(told(EMPTY)?, @r"
    notes is a component that is neither handler nor program; a handler exports
    mongoqueue:jobs/handler@0.1, this exports nothing
    ");
    insta::assert_snapshot!(told(b"\0asm\x0d\0")?, @r"
    notes is no component (unexpected end-of-file (at offset 0x4)); a component is a
    .wasm file built for wasm32-wasip2
    ");
    insta::assert_snapshot!(told(b"\0asm\x0e\0\x01\0")?, @r"
    notes is no component (unknown binary version:    N (at offset 0x4)); a component is
    a .wasm file built for wasm32-wasip2
    ");
    Ok(())
}

/// The module inside a component: what a build for another target makes.
#[test]
fn a_core_module_is_told_from_a_component() -> Result<()> {
    let hello = hello()?;
    let header = b"\0asm\x01\0\0\0";
    let at = hello.windows(header.len()).position(|bytes| bytes == header);
    let module = at.and_then(|at| hello.get(at..)).context("no module in the component")?;
    assert_eq!(inspect(module).kind, Kind::CoreModule);
    assert!(matches!(refused(module)?, LoadError::WrongKind { kind: Kind::CoreModule, .. }));
    Ok(())
}

#[test]
fn machine_code_is_never_taken() -> Result<()> {
    let hello = hello()?;
    // Made by this very version, and by one with this host's own settings.
    let code = wasmtime::Engine::default()
        .precompile_component(&hello)
        .map_err(|error| anyhow!("{error:#}"))?;
    insta::assert_snapshot!(told(&code)?, @r"
    notes is machine code; give the .wasm that it was made from; this would run
    unchecked
    ");
    let error = refused(&code)?;
    assert_eq!(error.blame(), Blame::Component);
    let folder = tempfile::tempdir()?;
    let cache = Some(folder.path().join("cache"));
    let options = SandboxOptions { instances: 1, cache: cache.clone(), ..Default::default() };
    ComponentHandler::load(&Sandbox::new(options)?, source("hello")?, Grants::default())?;
    let kept = fs::read_dir(cache.context("no folder")?)?.next().context("nothing was kept")?;
    let refused = refused(&fs::read(kept?.path())?)?;
    assert!(matches!(refused, LoadError::WrongKind { kind: Kind::MachineCode, .. }));
    Ok(())
}

#[test]
fn a_file_that_was_cut_off_is_refused_wherever_it_was_cut() -> Result<()> {
    let hello = hello()?;
    for part in 0..64 {
        let cut = hello.get(..hello.len() * part / 64).unwrap_or_default();
        let error = refused(cut)?;
        assert_eq!(error.blame(), Blame::Component, "{part}: {error}");
    }
    let cut = hello.get(..hello.len() - 1).unwrap_or_default();
    insta::assert_snapshot!(told(cut)?, @r"
    notes is no component (unexpected end-of-file (at offset N)); a component is a .wasm
    file built for wasm32-wasip2
    ");
    Ok(())
}

/// Whatever a broken component is taken for, it is no reason to end the process.
#[test]
fn a_file_with_a_broken_byte_is_refused_or_runs() -> Result<()> {
    let hello = hello()?;
    for part in 0..48 {
        let mut broken = hello.clone();
        let at = (hello.len() - 1) * part / 47;
        if let Some(byte) = broken.get_mut(at) {
            *byte ^= 0x55;
        }
        let source = ComponentSource::bytes("notes", broken);
        let loaded = ComponentHandler::load(sandbox()?, source, Grants::default());
        if let Err(error) = loaded {
            let ours = matches!(error, LoadError::CompilerFailed { .. });
            assert!(!ours && error.blame() != Blame::Host, "byte {at}: {error}");
        }
    }
    Ok(())
}

#[test]
fn a_component_has_to_fit_the_limits() -> Result<()> {
    let limits = Limits { memory: 1 << 20, ..Limits::default() };
    let options = SandboxOptions { limits, instances: 1, ..SandboxOptions::default() };
    let small = Sandbox::new(options)?;
    let Err(error) = ComponentHandler::load(&small, source("hello")?, Grants::default()) else {
        bail!("it was not refused")
    };
    assert_eq!(error.blame(), Blame::Operator);
    insta::assert_snapshot!(
        filtered(&error.to_string()),
        @"hello starts with N bytes of memory, the limit is N"
    );
    let limits = Limits { component_bytes: 1_000, ..Limits::default() };
    let small = Sandbox::new(SandboxOptions { limits, instances: 1, ..SandboxOptions::default() })?;
    let Err(error) = ComponentHandler::load(&small, source("hello")?, Grants::default()) else {
        bail!("it was not refused")
    };
    assert_eq!(error.blame(), Blame::Operator);
    insta::assert_snapshot!(
        filtered(&error.to_string()),
        @"hello is too large: N bytes, the limit is N"
    );
    Ok(())
}

#[test]
fn a_file_that_is_not_there_is_named() -> Result<()> {
    let source = ComponentSource::file("no/such/notes.wasm");
    let Err(error) = ComponentHandler::load(sandbox()?, source, Grants::default()) else {
        bail!("it was found")
    };
    assert_eq!(error.blame(), Blame::Operator);
    insta::assert_snapshot!(
        error.to_string(),
        @"cannot read no/such/notes.wasm: No such file or directory (os error 2)"
    );
    let folder = tempfile::tempdir()?;
    let source = ComponentSource::file(folder.path());
    let loaded = ComponentHandler::load(sandbox()?, source, Grants::default());
    assert!(matches!(loaded, Err(LoadError::Unreadable { .. })));
    Ok(())
}
