//! What is refused, in which words, and who is to blame: through the public face, without a guest
//! and without a database.

use std::path::PathBuf;
use std::sync::LazyLock;

use mongoqueue_wasmtime::{
    Blame, ComponentHandler, ComponentSource, Grants, JobsCtx, JobsCtxView, JobsView, Kind, Limits,
    LoadError, Sandbox, SandboxError, SandboxOptions, add_to_linker, add_to_linker_with, inspect,
};
use wasmtime::component::{Linker, ResourceTable};

/// The smallest component: none of anything.
const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";
const CORE_MODULE: &[u8] = b"\0asm\x01\0\0\0";

static SANDBOX: LazyLock<Sandbox> = LazyLock::new(|| {
    let limits = Limits { component_bytes: 1_000, ..Limits::default() };
    let options = SandboxOptions { limits, instances: 1, ..SandboxOptions::default() };
    Sandbox::new(options).expect("this machine runs components")
});

fn refused(source: ComponentSource) -> LoadError {
    match ComponentHandler::load(&SANDBOX, source, Grants::default()) {
        Err(error) => error,
        Ok(handler) => panic!("{} was not refused", handler.name()),
    }
}

fn told(bytes: &[u8]) -> (String, Blame) {
    let error = refused(ComponentSource::bytes("notes", bytes));
    (error.to_string(), error.blame())
}

/// A component that exports an empty instance under this name, and imports one under that.
fn component(export: &str, import: &str) -> Vec<u8> {
    fn named(name: &str, rest: &[u8]) -> Vec<u8> {
        [&[1, 0, name.len() as u8], name.as_bytes(), rest].concat()
    }
    let mut bytes = EMPTY.to_vec();
    let sections =
        [(7, vec![1, 0x42, 0]), (10, named(import, &[5, 0])), (11, named(export, &[5, 0, 0]))];
    for (id, body) in sections {
        bytes.extend([id, body.len() as u8]);
        bytes.extend(body);
    }
    bytes
}

#[test]
fn what_is_no_handler() {
    let (text, blame) = told(EMPTY);
    assert_eq!(
        text,
        "notes is a component that is neither handler nor program; a handler exports \
         mongoqueue:jobs/handler@0.1, this exports nothing"
    );
    assert_eq!(blame, Blame::Component);
    assert_eq!(
        told(CORE_MODULE).0,
        "notes is a core WebAssembly module; build it for wasm32-wasip2, or make it a component \
         by `wasm-tools component new`"
    );
    assert_eq!(
        told(b"(component)").0,
        "notes is WebAssembly text; translate it by `wasm-tools parse`"
    );
    assert_eq!(
        told(b"\x7fELF").0,
        "notes is machine code; give the .wasm that it was made from; this would run unchecked"
    );
    assert_eq!(
        told(b"#!/bin/sh").0,
        "notes is no component (it doesn't start as WebAssembly does); a component is a .wasm \
         file built for wasm32-wasip2"
    );
}

#[test]
fn machine_code_that_this_very_engine_made() {
    let engine = wasmtime::Engine::default();
    let code = engine.precompile_component(EMPTY).expect("a valid component");
    assert_eq!(inspect(&code).kind, Kind::MachineCode);
}

#[test]
fn imports_that_nobody_granted() {
    let handler = component("mongoqueue:jobs/handler@0.1.0", "mongoqueue:jobs/queue@0.1.0");
    let (text, blame) = told(&handler);
    assert_eq!(
        text,
        "notes imports more than it is granted:\n  mongoqueue:jobs/queue@0.1.0\n    to grant it, \
         add under [handler.notes]: queues = { next = \"emails\" }  # its name for a queue = that \
         queue"
    );
    assert_eq!(blame, Blame::Operator);

    let handler = component("mongoqueue:jobs/handler@0.1.0", "wasi:keyvalue/store@0.2.0");
    let (text, blame) = told(&handler);
    assert!(text.ends_with("wasi:keyvalue/store@0.2.0\n    this host does not know it"), "{text}");
    assert_eq!(blame, Blame::Component);
}

#[test]
fn the_right_name_and_the_wrong_type() {
    // An instance without `handle`.
    let handler = component("mongoqueue:jobs/handler@0.1.0", "mongoqueue:jobs/types@0.1.0");
    let (text, blame) = told(&handler);
    assert!(
        text.starts_with("notes does not fit this host: ") && text.contains("handle"),
        "{text}"
    );
    assert_eq!(blame, Blame::Component);
}

#[test]
fn files_that_are_not_there_or_too_large() {
    let error = refused(ComponentSource::file("no/such/notes.wasm"));
    assert!(error.to_string().starts_with("cannot read no/such/notes.wasm: "), "{error}");
    assert_eq!(error.blame(), Blame::Operator);

    let large = tempfile::NamedTempFile::with_suffix(".wasm").expect("a temporary file");
    std::fs::write(large.path(), [0; 1_001]).expect("it can be written");
    let error = refused(ComponentSource::file(large.path()).named("notes"));
    assert_eq!(error.to_string(), "notes is too large: 1001 bytes, the limit is 1000");
    assert_eq!(error.blame(), Blame::Operator);
}

#[test]
fn a_cache_that_is_no_folder() {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    let path: PathBuf = file.path().into();
    let options = SandboxOptions { instances: 1, cache: Some(path), ..SandboxOptions::default() };
    let Err(SandboxError::CacheFolder { path, why }) = Sandbox::new(options) else {
        panic!("a file was taken for a folder");
    };
    assert_eq!(path, file.path());
    assert!(!why.is_empty());
}

struct Mine {
    jobs: JobsCtx,
    table: ResourceTable,
}

impl JobsView for Mine {
    fn jobs(&mut self) -> JobsCtxView<'_> {
        JobsCtxView { ctx: self.jobs.clone(), table: &mut self.table }
    }
}

#[test]
fn the_adapter_fits_any_linker_once() {
    let mut linker = Linker::<Mine>::new(&wasmtime::Engine::default());
    assert!(add_to_linker(&mut linker).is_ok());
    assert!(add_to_linker_with(&mut linker, Mine::jobs).is_err());
}
