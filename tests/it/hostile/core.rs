//! Components written in WebAssembly's own text: what no compiler of Rust would make.

use anyhow::{Context, Result};
use mongoqueue_tests::built;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// A handler as a core module; its text, and what the host calls.
#[derive(Clone, Copy)]
pub(super) struct Core {
    /// Before everything else: what it imports.
    pub(super) imports: &'static str,
    /// The function `handle`, after its parameters: the job's fields, one after the other. It
    /// leaves the address of its answer.
    pub(super) body: &'static str,
    /// The allocator that the host asks for room: old address, old size, alignment, new size.
    pub(super) realloc: &'static str,
    /// Types, tables, functions, a start function.
    pub(super) more: &'static str,
    pub(super) memory: &'static str,
    pub(super) strings: StringEncoding,
}

/// It does nothing, and its job completes: a zero is `ok`, the next one `none`.
pub(super) const NOTHING: Core = Core {
    imports: "",
    body: "i32.const 32768",
    realloc: "i32.const 1024",
    more: "",
    memory: "(memory (export \"memory\") 1)",
    strings: StringEncoding::UTF8,
};

/// Interfaces of WASI, as far as a test imports them.
const WASI: [(&str, &str); 6] = [
    (
        "io.wit",
        "package wasi:io@0.2.6; interface poll { resource pollable { block: func(); } \
         poll: func(in: list<borrow<pollable>>) -> list<u32>; }",
    ),
    (
        "clocks.wit",
        "package wasi:clocks@0.2.6; interface monotonic-clock { use wasi:io/poll@0.2.6.{pollable}; \
         subscribe-duration: func(when: u64) -> pollable; }",
    ),
    (
        "random.wit",
        "package wasi:random@0.2.6; interface random { \
         get-random-bytes: func(len: u64) -> list<u8>; }",
    ),
    // Theirs have other functions, and other types.
    ("filesystem.wit", "package wasi:filesystem@0.2.6; interface preopens { f: func(); }"),
    (
        "cli.wit",
        "package wasi:cli@0.2.6; interface environment { get-environment: func() -> u64; }",
    ),
    (
        "guest.wit",
        "package hostile:guest; world guest { include mongoqueue:jobs/imports@0.1.0; \
         import wasi:io/poll@0.2.6; import wasi:clocks/monotonic-clock@0.2.6; \
         import wasi:random/random@0.2.6; \
         import wasi:filesystem/preopens@0.2.6; import wasi:cli/environment@0.2.6; export mongoqueue:jobs/handler@0.1.0; }",
    ),
];

impl Core {
    pub(super) fn component(&self) -> Result<Vec<u8>> {
        let Self { imports, body, realloc, more, memory, strings } = *self;
        let text = format!(
            r#"(module
                 {imports}
                 {memory}
                 (func $realloc (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) {realloc})
                 (func $handle (export "mongoqueue:jobs/handler@0.1.0#handle")
                   (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i64) (result i32)
                   {body})
                 {more})"#
        );
        let mut module = wat::parse_str(&text).with_context(|| text.clone())?;
        let mut resolve = Resolve::default();
        resolve.push_dir(built::checkout().join("wit"))?;
        let mut package = None;
        for (path, text) in WASI {
            package = Some(resolve.push_str(path, text)?);
        }
        let world = resolve.select_world(&[package.context("a package")?], Some("guest"))?;
        embed_component_metadata(&mut module, &resolve, world, strings)?;
        // What the host has to refuse may be beyond what this crate takes for valid.
        ComponentEncoder::default().validate(false).module(&module)?.encode()
    }
}

/// A length as WebAssembly writes it.
pub(super) fn leb(mut n: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (n & 0x7f) as u8;
        n >>= 7;
        bytes.push(if n == 0 { low } else { low | 0x80 });
        if n == 0 {
            return bytes;
        }
    }
}

pub(super) fn section(id: u8, body: &[u8]) -> Vec<u8> {
    [&[id], &leb(body.len())[..], body].concat()
}

/// How every component begins.
pub(super) const HEADER: &[u8] = b"\0asm\x0d\0\x01\0";

/// A handler that does nothing, and another component inside it, which is made with it.
pub(super) fn with_inner(inner: &[u8]) -> Result<Vec<u8>> {
    let mut component = NOTHING.component()?;
    component.extend(section(4, inner));
    // The second component inside, the first one being that of the handler's interface, is
    // instantiated without arguments.
    component.extend(section(5, &[1, 0, 1, 0]));
    Ok(component)
}

/// A component of many core instances of one module, with `of` in it.
pub(super) fn modules(count: usize, of: &str) -> Result<Vec<u8>> {
    let module = wat::parse_str(format!("(module {of})"))?;
    // Each an instance of the first module, without arguments.
    let instances = [leb(count), [0, 0, 0].repeat(count)].concat();
    Ok([HEADER, &section(1, &module), &section(2, &instances)].concat())
}
