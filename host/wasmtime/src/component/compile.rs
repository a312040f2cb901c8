//! From WebAssembly to machine code: in this process, or in a child that has a budget for it.

use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use wasmtime::Engine;
use wasmtime::component::Component;

use super::LoadError;
use super::cache::revive;
use crate::sandbox::{Sandbox, compiling_config};

mod child;
mod order;

pub use child::compile_for_parent;
use order::{Order, Stopped};

/// Who compiles components. Where the cache has one compiled it is nobody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compiler {
    /// This process. Neither time nor memory for it are bounded: for components that you trust
    /// that far.
    #[default]
    Here,
    /// A process of its own for each component, which has
    /// [`HostLimits::compile_time`](crate::HostLimits::compile_time) and
    /// [`compile_memory`](crate::HostLimits::compile_memory), no environment, and ends with this
    /// process.
    Program {
        /// The program: one of the same build as this, as what it answers is run here.
        path: PathBuf,
        /// What makes it call [`compile_for_parent`] with its standard input and output.
        args: Vec<OsString>,
    },
}

impl Compiler {
    /// A program and its arguments: [`Compiler::Program`].
    pub fn program(
        path: impl Into<PathBuf>,
        args: impl IntoIterator<Item = impl Into<OsString>>,
    ) -> Self {
        Self::Program { path: path.into(), args: args.into_iter().map(Into::into).collect() }
    }
}

/// One at a time, so that the memory for it is that of one.
pub(super) fn compile(sandbox: &Sandbox, name: &str, bytes: &[u8]) -> Result<Component, LoadError> {
    let (compiler, host) = (sandbox.compiler(), sandbox.host());
    let compiled = match compiler {
        Compiler::Here => here(|| Component::from_binary(sandbox.engine(), bytes)),
        Compiler::Program { path, args } => {
            let order = Order::of(sandbox, bytes);
            order.give(path, args, bytes, host.compile_time).and_then(|code| {
                revive(sandbox.engine(), &code).map_err(|error| unfit(&order, &code, &error))
            })
        }
    };
    let name = name.to_owned();
    compiled.map_err(|stopped| match stopped {
        Stopped::Invalid(why) => LoadError::Invalid { name, why },
        Stopped::Failed(why) => LoadError::CompilerFailed { name, why },
        Stopped::Time => LoadError::CompileTime { name, limit: host.compile_time },
        Stopped::Memory => LoadError::CompileMemory { name, limit: host.compile_memory },
        Stopped::Size(limit) => LoadError::CompiledSize { name, limit },
    })
}

/// Why this sandbox doesn't take the code. What the child's own engine takes is only too much for
/// the memory that is kept ready here, of which the child knows nothing.
fn unfit(order: &Order, code: &[u8], error: &wasmtime::Error) -> Stopped {
    let compiling = Engine::new(&compiling_config(order.memory));
    match compiling.and_then(|engine| revive(&engine, code)) {
        Ok(_) => Stopped::Invalid(format!("{error:#}")),
        Err(_) => Stopped::Failed("what it made is not for this engine".to_owned()),
    }
}

/// The compiler has panicked on valid components before, so that is an answer too.
fn here<T>(compile: impl FnOnce() -> wasmtime::Result<T>) -> Result<T, Stopped> {
    match catch_unwind(AssertUnwindSafe(compile)) {
        Ok(Ok(compiled)) => Ok(compiled),
        Ok(Err(error)) => Err(Stopped::Invalid(format!("{error:#}"))),
        Err(panic) => {
            let words = panic.downcast_ref::<&str>().map(|words| (*words).to_owned());
            let words = words.or_else(|| panic.downcast_ref::<String>().cloned());
            Err(Stopped::Failed(words.unwrap_or_else(|| "no reason given".into())))
        }
    }
}

fn code(engine: &Engine, wasm: &[u8]) -> Result<Vec<u8>, Stopped> {
    here(|| engine.precompile_component(wasm))
}
