//! The compiling process: it takes one order, bounds itself, and answers.

use std::io::{self, BufReader, Read, Write};

use wasmtime::Engine;

use super::order::{COMPILED, FAILED, INVALID, Order, Stopped};
use crate::sandbox::compiling_config;

/// Does what a parent's [`Compiler::Program`](super::Compiler::Program) asks: reads a component
/// and writes its code. It bounds this process by what the parent says, so call it first thing
/// in a process of its own, with its standard input and output, and end then.
///
/// # Errors
/// Where the input is not a parent's, or the output goes nowhere. That a component can't be
/// compiled is an answer.
pub fn compile_for_parent(input: impl Read, mut output: impl Write) -> io::Result<()> {
    let mut input = BufReader::new(input);
    let order = Order::read(&mut input)?;
    confine(&order)?;
    let mut wasm = Vec::new();
    input.take(order.size).read_to_end(&mut wasm)?;
    if wasm.len() as u64 != order.size {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the component is cut off"));
    }
    let (word, answer) = match compiled(&order, &wasm) {
        Ok(code) => (COMPILED, code),
        Err(Stopped::Invalid(why)) => (INVALID, why.into_bytes()),
        Err(Stopped::Failed(why)) => (FAILED, why.into_bytes()),
        Err(other) => (FAILED, format!("{other:?}").into_bytes()),
    };
    output.write_all(word.as_bytes())?;
    output.write_all(b"\n")?;
    output.write_all(&answer)?;
    output.flush()
}

fn compiled(order: &Order, wasm: &[u8]) -> Result<Vec<u8>, Stopped> {
    let engine = Engine::new(&compiling_config(order.memory));
    let engine = engine.map_err(|error| Stopped::Failed(format!("{error:#}")))?;
    super::code(&engine, wasm)
}

/// From here on this process ends with its parent, and takes no more than it may.
#[cfg(unix)]
fn confine(order: &Order) -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, setrlimit};

    #[cfg(target_os = "linux")]
    {
        use rustix::process::{Signal, getppid, set_parent_process_death_signal};
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // It may be gone already.
        let parent = getppid().map(|parent| parent.as_raw_nonzero().get().unsigned_abs());
        if parent != Some(order.parent) {
            return Err(io::Error::other("the parent is gone"));
        }
    }
    let bound = |resource, current: u64, maximum: u64| {
        // Never more than what somebody else allows.
        let most = rustix::process::getrlimit(resource).maximum.unwrap_or(u64::MAX);
        let [current, maximum] = [current, maximum].map(|limit| Some(limit.min(most)));
        setrlimit(resource, Rlimit { current, maximum })
    };
    bound(Resource::As, order.space, order.space)?;
    // At the first of them a process is told what it dies of, at the second it is just killed.
    bound(Resource::Cpu, order.seconds, order.seconds.saturating_add(5))?;
    // It is expected to die of that, and nobody reads what would be left.
    bound(Resource::Core, 0, 0)?;
    // Whatever runs already goes first. Where that is not allowed, it doesn't.
    let _ = rustix::process::nice(5);
    Ok(())
}

#[cfg(not(unix))]
fn confine(_: &Order) -> io::Result<()> {
    // There is the parent's clock alone.
    Ok(())
}
