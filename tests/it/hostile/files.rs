//! Files that are no handlers: what can be seen of them when they are loaded.

use std::fs::{self, File};
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use mongoqueue_tests::built;

use super::attack::End::{Completes, Refused};
use super::attack::{Attack, Guest, component, core};
use super::core::{Core, HEADER, NOTHING, leb, modules, section, with_inner};

const OUTSIDE: super::attack::End = Refused("MissingGrants");
const INVALID: super::attack::End = Refused("Invalid");
const KIND: super::attack::End = Refused("WrongKind");
const MISMATCH: super::attack::End = Refused("Mismatch");

/// A component that exports this interface, of one function: without parameters, without an answer.
fn exporting(name: &str) -> Result<Vec<u8>> {
    let module = wat::parse_str(r#"(module (func (export "f")))"#)?;
    let mut export = vec![1, 0];
    export.extend(leb(name.len()));
    export.extend(name.as_bytes());
    export.extend([5, 0, 0]);
    Ok([
        HEADER,
        &section(1, &module),
        &section(2, &[1, 0, 0, 0]),
        // The module's function, its type, lifted by it, in an instance as `handle`.
        &section(6, &[1, 0, 0, 1, 0, 1, b'f']),
        &section(7, &[1, 0x40, 0, 1, 0]),
        &section(8, &[1, 0, 0, 0, 0, 0]),
        &section(5, b"\x01\x01\x01\0\x06handle\x01\0"),
        &section(11, &export),
    ]
    .concat())
}

/// A handler, as far as it is read, with one more import.
fn importing(name: &str) -> Result<Vec<u8>> {
    Ok(raw_imports(&[name.into()]))
}

/// Imports are read before anything is compiled, as they stand there.
fn raw_imports(names: &[Vec<u8>]) -> Vec<u8> {
    let mut body = leb(names.len());
    for name in names {
        body.extend([&[0], &leb(name.len())[..], name, &[5, 0]].concat());
    }
    let types = section(7, &[1, 0x42, 0]);
    let mut export = vec![1, 0];
    let handler = b"mongoqueue:jobs/handler@0.1.0";
    export.extend(leb(handler.len()));
    export.extend(handler);
    export.extend([5, 0, 0]);
    [HEADER.to_vec(), types, section(10, &body), section(11, &export)].concat()
}

fn hello() -> Result<Vec<u8>> {
    Ok(fs::read(built::guest("hello")?)?)
}

/// A component whose compilation takes long for its size: `functions` of them, each of `blocks`
/// in one another, with a jump out of each to any other.
fn slow_to_compile(functions: usize, blocks: usize) -> Result<Vec<u8>> {
    let targets: Vec<String> = (0..blocks).map(|n| n.to_string()).collect();
    let jump = format!("local.get 0 br_table {} ", targets.join(" "));
    let arithmetic = "local.get 0 i32.const 3 i32.mul local.get 1 i32.xor local.set 0 ";
    let body =
        format!("{}{jump}{}", "block ".repeat(blocks), format!("end {arithmetic}").repeat(blocks));
    same_functions(functions, &body)
}

/// A component whose compilation takes much memory: a function of `loops` in one another, in the
/// innermost of which any of `locals` may have changed.
fn large_to_compile(loops: usize, locals: usize) -> Result<Vec<u8>> {
    let change = |n| format!("local.get {n} i32.const 3 i32.add local.set {n} ");
    let changes: String = (0..locals).map(change).collect();
    let again: String = (0..loops).map(|_| "local.get 0 br_if 0 end ").collect();
    let locals = "(local i32) ".repeat(locals);
    same_functions(1, &format!("{locals}{}{changes}{again}", "loop ".repeat(loops)))
}

/// A component with a module of so many functions, which take two numbers. Written as text they
/// would take longer to read than to compile.
fn same_functions(count: usize, body: &str) -> Result<Vec<u8>> {
    let one = wat::parse_str(format!("(module (func (param i32 i32) {body}))"))?;
    // Before it are its own header, the type, and the function's; it is a count, which is one, and
    // the function. A name section is not written for functions without names.
    let header = section(1, &[1, 0x60, 2, 0x7f, 0x7f, 0]).len() + section(3, &[1, 0]).len() + 8;
    let code = one.get(header + 1..).context("no code")?;
    let length = code.iter().take_while(|byte| **byte >= 0x80).count() + 1;
    let code = code.get(length + 1..).context("no function")?;
    let module = [
        &b"\0asm\x01\0\0\0"[..],
        &section(1, &[1, 0x60, 2, 0x7f, 0x7f, 0]),
        &section(3, &[leb(count), vec![0; count]].concat()),
        &section(10, &[leb(count), code.repeat(count)].concat()),
    ]
    .concat();
    with_inner(&[HEADER, &section(1, &module), &section(2, &[1, 0, 0, 0])].concat())
}

/// So many empty components, one in the other.
fn nested(depth: usize) -> Vec<u8> {
    // From the innermost out: the size of each, and the header of the section that it is in.
    let mut sizes = vec![HEADER.len()];
    for _ in 1..depth {
        let inner = sizes.last().copied().unwrap_or_default();
        sizes.push(HEADER.len() + 1 + leb(inner).len() + inner);
    }
    sizes.pop();
    let outer = sizes.iter().rev().flat_map(|inner| [HEADER, &[4], &leb(*inner)].concat());
    outer.chain(HEADER.iter().copied()).collect()
}

pub(super) fn attacks() -> Vec<Attack> {
    let file = |name, does, write, end| Attack { name, does, guest: Guest::File(write), end };
    let mut all = bytes();
    all.extend([
        file(
            "file-of-500-megabytes",
            "has a file of 500 MB",
            |path: &Path| Ok(File::create(path)?.set_len(500 << 20)?),
            Refused("TooLarge"),
        ),
        file(
            "file-without-end",
            "is a device that can be read for ever",
            |path| Ok(std::os::unix::fs::symlink("/dev/zero", path)?),
            Refused("Unreadable"),
        ),
        file(
            "file-that-waits",
            "is a pipe that nobody writes to",
            |path| {
                let made = std::process::Command::new("mkfifo").arg(path).status()?;
                made.success().then_some(()).context("no pipe")
            },
            Refused("Unreadable"),
        ),
        file(
            "file-is-folder",
            "is a folder",
            |path| Ok(fs::create_dir(path)?),
            Refused("Unreadable"),
        ),
    ]);
    all
}

fn bytes() -> Vec<Attack> {
    vec![
        component("no-component", "is a shell script", || Ok(b"#!/bin/sh\n".to_vec()), KIND),
        component("nothing", "is empty", || Ok(Vec::new()), KIND),
        component("text", "is WebAssembly text", || Ok(b"(component)".to_vec()), KIND),
        component(
            "core-module",
            "is a core module",
            || Ok(wat::parse_str("(module (memory 1))")?),
            KIND,
        ),
        component(
            "machine-code",
            "is compiled already",
            || {
                let code = wasmtime::Engine::default().precompile_component(&hello()?);
                code.map_err(|error| anyhow!("{error:#}"))
            },
            KIND,
        ),
        component(
            "cut-off",
            "is a handler whose last third is missing",
            || {
                hello().map(|mut hello| {
                    hello.truncate(hello.len() * 2 / 3);
                    hello
                })
            },
            KIND,
        ),
        component("exports-nothing", "exports nothing", || Ok(HEADER.to_vec()), KIND),
        component(
            "of-another-version",
            "exports the handler of another version of the contract",
            || exporting("mongoqueue:jobs/handler@0.2.0"),
            KIND,
        ),
        component(
            "of-another-type",
            "exports a handler that takes nothing and answers nothing",
            || exporting("mongoqueue:jobs/handler@0.1.0"),
            MISMATCH,
        ),
        component(
            "imports-another-version",
            "imports the queue of another version of the contract",
            || importing("mongoqueue:jobs/queue@0.2.0"),
            OUTSIDE,
        ),
        component(
            "imports-what-is-not-there",
            "imports an interface that doesn't exist",
            || importing("mongoqueue:jobs/admin@0.1.0"),
            OUTSIDE,
        ),
        component(
            "imports-the-network",
            "imports sockets of a version that is not there",
            || importing("wasi:sockets/tcp@0.3.0"),
            OUTSIDE,
        ),
        component(
            "imports-without-grant",
            "imports queues, and is granted none",
            || importing("mongoqueue:jobs/consumer@0.1.0"),
            OUTSIDE,
        ),
        core(
            "imports-another-function",
            "imports a function that WASI's files have not",
            Core {
                imports: r#"(import "wasi:filesystem/preopens@0.2.6" "f" (func $f))"#,
                body: "call $f i32.const 32768",
                ..NOTHING
            },
            MISMATCH,
        ),
        core(
            "imports-another-type",
            "imports the environment as a number",
            Core {
                imports: r#"(import "wasi:cli/environment@0.2.6" "get-environment"
                              (func $f (result i64)))"#,
                body: "call $f drop i32.const 32768",
                ..NOTHING
            },
            MISMATCH,
        ),
        component(
            "imports-without-number",
            "imports 100,000 interfaces that don't exist",
            || {
                let name = |n| format!("a:b/c{n}@0.1.0").into_bytes();
                Ok(raw_imports(&(0..100_000).map(name).collect::<Vec<_>>()))
            },
            OUTSIDE,
        ),
        component(
            "imports-of-escapes",
            "imports an interface whose name is commands for a terminal",
            || Ok(raw_imports(&[b"\x1b[2J\x1b]0;owned\x07\nall is well".to_vec()])),
            OUTSIDE,
        ),
        component(
            "import-of-a-megabyte",
            "imports an interface whose name has a megabyte",
            || Ok(raw_imports(&[vec![b'a'; 1 << 20]])),
            KIND,
        ),
        component(
            "nested-without-end",
            "has 100,000 components in it, one in the other",
            || Ok([NOTHING.component()?, section(4, &nested(100_000))].concat()),
            KIND,
        ),
        component(
            "tail-calls",
            "uses instructions that are switched off",
            || with_inner(&modules(1, "(func $f return_call $f)")?),
            INVALID,
        ),
        component(
            "jumps-without-number",
            "has functions of jumps to everywhere, which take long to compile",
            || slow_to_compile(2, 100),
            Completes,
        ),
        component(
            "jumps-without-end",
            "has thousands of them, which take more time to compile than there is",
            || slow_to_compile(2_000, 100),
            Refused("CompileTime"),
        ),
        component(
            "loops-in-loops",
            "has a function of loops in loops, which takes more memory to compile than there is",
            || large_to_compile(2_000, 2_000),
            Refused("CompileMemory"),
        ),
        component(
            "stack-unbalanced",
            "has code that is not valid",
            || with_inner(&modules(1, "(func i32.add)")?),
            INVALID,
        ),
        component(
            "locals-without-number",
            "has a function of four billion local variables",
            || {
                // One function, whose body is one run of locals.
                let body = [&[1][..], &leb(0xffff_ffff), &[0x7f, 0x0b]].concat();
                let code = [&[1][..], &leb(body.len()), &body].concat();
                let module = [
                    &b"\0asm\x01\0\0\0"[..],
                    &section(1, &[1, 0x60, 0, 0]),
                    &section(3, &[1, 0]),
                    &section(10, &code),
                ]
                .concat();
                Ok([NOTHING.component()?, section(1, &module)].concat())
            },
            INVALID,
        ),
    ]
}
