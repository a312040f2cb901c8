//! How guests die, and what each death is called (docs/deaths.md).

use std::borrow::Cow;
use std::time::Duration;

use mongoqueue::{Failure, Outcome};
use wasmtime::component::ResourceTableError;
use wasmtime::{PoolConcurrencyLimitError, Trap, WasmBacktrace, WasmtimeBug};
use wasmtime_wasi::I32Exit;

use crate::sandbox::{Cut, Limits, Refusal};

mod backtrace;
mod words;

pub(crate) use backtrace::frames;

/// What a call into a guest came to when it did not return.
#[derive(Debug)]
pub(crate) enum Death {
    /// The guest's doing; counted.
    Guest(Failure),
    /// No room for it at the moment; it may have that somewhere else.
    NoRoom,
    /// The lease went to another worker: nobody waits for what became of this attempt.
    LeaseLost,
    /// Ours; the job is not to blame.
    Host(String),
}

/// The circumstances of a death.
pub(crate) struct Scene<'a> {
    pub(crate) limits: &'a Limits,
    /// What the guest had asked for and not got.
    pub(crate) refusal: Option<Refusal>,
    /// The end of what it wrote to stderr.
    pub(crate) stderr: Option<String>,
    /// The time that it had.
    pub(crate) time: Duration,
    /// It had not been called yet: it died, or could not be made, while it was instantiated.
    pub(crate) unborn: bool,
}

impl Death {
    /// Names a death. Each condition is asked about by its type, the most certain first; the few
    /// that wasmtime only has words for come last.
    pub(crate) fn of(error: &wasmtime::Error, scene: Scene<'_>) -> Self {
        if error.is::<PoolConcurrencyLimitError>() {
            return Self::NoRoom;
        }
        let (kind, message) = match error.downcast_ref::<Cut>() {
            Some(Cut::LeaseLost) => return Self::LeaseLost,
            Some(Cut::Deadline) => ("timeout".into(), timeout(scene.time)),
            Some(Cut::Cpu) => {
                let most = scene.limits.cpu;
                ("cpu".into(), format!("it computed for longer than the {most:?} that it may"))
            }
            Some(Cut::Random) => {
                let most = words::size(scene.limits.random_bytes);
                ("limit:random".into(), format!("it took more than {most} of random bytes"))
            }
            None => match named(error, &scene) {
                Some(named) => named,
                None => return Self::Host(format!("{error:#}")),
            },
        };
        let mut failure = Failure::of_kind(kind, message);
        failure.stderr = scene.stderr;
        failure.backtrace = error.downcast_ref::<WasmBacktrace>().and_then(frames);
        Self::Guest(failure)
    }

    /// A guest that was still waiting in a host call when its time was over.
    pub(crate) fn timed_out(scene: Scene<'_>) -> Self {
        let mut failure = Failure::of_kind("timeout", timeout(scene.time));
        failure.stderr = scene.stderr;
        Self::Guest(failure)
    }
}

type Named = (Cow<'static, str>, String);

fn timeout(time: Duration) -> String {
    format!("the attempt took longer than its time-out of {time:?}")
}

/// `None` for what is no guest's fault.
fn named(error: &wasmtime::Error, scene: &Scene<'_>) -> Option<Named> {
    if let Some(I32Exit(status)) = error.downcast_ref::<I32Exit>() {
        let words = match status {
            0 => "it left by exit(0), without an answer",
            // WASI 0.2 tells only whether it was zero.
            _ => "it left by exit with a failing status",
        };
        return Some(("exit".into(), words::with_last(words, scene.stderr.as_deref())));
    }
    if let Some(trap) = error.downcast_ref::<Trap>() {
        return Some(trapped(*trap, scene));
    }
    if error.is::<ResourceTableError>() {
        return Some(too_many_handles(scene.limits));
    }
    if error.is::<WasmtimeBug>() {
        return None;
    }
    let words = error.root_cause().to_string();
    if let Some(named) = limit(&words, scene) {
        return Some(named);
    }
    if scene.unborn {
        // The component can't be had in these limits, or the system has nothing left.
        return scene.refusal.map(|refusal| refused("load", refusal));
    }
    Some(("trap:abi".into(), format!("it broke the component model's rules: {words}")))
}

fn trapped(trap: Trap, scene: &Scene<'_>) -> Named {
    let stderr = scene.stderr.as_deref();
    if trap == Trap::UnreachableCodeReached {
        // A panic says so itself; what it was refused before is then not what it died of.
        if let Some(panic) = stderr.and_then(words::panic) {
            return ("trap:unreachable".into(), panic);
        }
        match scene.refusal {
            Some(refusal @ Refusal::Memory { .. }) => return refused("memory", refusal),
            Some(refusal @ Refusal::Tables { .. }) => return refused("limit:tables", refusal),
            None => {}
        }
    }
    let message = words::with_last(&words::of_trap(trap), stderr);
    (format!("trap:{}", words::trap_code(trap)).into(), message)
}

fn refused(kind: &'static str, refusal: Refusal) -> Named {
    let message = match refusal {
        Refusal::Memory { asked, used, limit } => {
            let (asked, used, limit) = (words::size(asked), words::size(used), words::size(limit));
            format!("out of memory: {used} in use, {asked} more wanted, the limit is {limit}")
        }
        Refusal::Tables { asked, used, limit } => format!(
            "out of table space: {used} elements in use, {asked} more wanted, the limit is {limit}"
        ),
    };
    (kind.into(), message)
}

fn too_many_handles(limits: &Limits) -> Named {
    let most = limits.handles;
    ("limit:handles".into(), format!("it held more than {most} resources at the same time"))
}

/// Limits that wasmtime keeps for us and has no public type for (48.0).
fn limit(words: &str, scene: &Scene<'_>) -> Option<Named> {
    let Limits { hostcall_bytes, instances, .. } = scene.limits;
    if words.contains("too much data is being copied between the host and the guest") {
        let most = words::size(*hostcall_bytes);
        let message = format!("more than {most} in one call between guest and host");
        return Some(("limit:hostcall".into(), message));
    }
    if words.contains("store handle limit exceeded") {
        return Some(too_many_handles(scene.limits));
    }
    if words.contains("resource limit exceeded: ") {
        let message = format!("it is made of more than {instances} instances ({words})");
        return Some(("limit:instances".into(), message));
    }
    None
}

impl Death {
    /// What the queue is told, and what the operator is where it is not the guest's fault.
    pub(crate) fn outcome(self, pause: Duration) -> (Outcome, Option<String>) {
        match self {
            Self::Guest(failure) => (Outcome::Failed(failure), None),
            Self::NoRoom | Self::LeaseLost => (Outcome::HandedBack, None),
            // Not at once: what fails for the host's sake would fail again just so.
            Self::Host(why) => (Outcome::Released { delay: pause }, Some(why)),
        }
    }
}

#[cfg(test)]
mod tests;
