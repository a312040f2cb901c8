//! Working a queue with a component, in the sandbox.

use std::ffi::c_char;

use mongoqueue_wasmtime::{
    ComponentHandler, ComponentSource, Grants, Limits, Sandbox, SandboxOptions,
};
use queue::Worker;

use crate::call::{call, runtime, wait};
use crate::code::{Code, Result, Trouble};
use crate::input::{Out, text, text_or_none};
use crate::options::{self, Run};
use crate::table::{self, Opened};
use crate::{results, shown};

/// # Safety
/// As the header says of the pointers.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn mq_run(
    queue: u64,
    component: *const c_char,
    options: *const c_char,
    summary: *mut u64,
) -> i32 {
    call(|| {
        // SAFETY: the caller's promise.
        let (out, component, options) = unsafe {
            let out = Out::new("summary", summary)?;
            (out, text("component", component)?, text_or_none("options", options)?)
        };
        let queue = table::queue(queue)?;
        let options: Run = options::read(options)?;
        let worker = worker(&queue, component, &options)?;
        let mut stop = queue.connection.stop.subscribe();
        let stopped = async move {
            // A connection that is gone can't be told to stop; closing it stops, too.
            let _ = stop.wait_for(|stop| *stop).await;
        };
        out.set(results::of_json(&shown::summary(&wait(worker.run(stopped))?)));
        Ok(Code::Ok)
    })
}

fn worker(opened: &Opened, component: &str, options: &Run) -> Result<Worker> {
    let _in_runtime = runtime()?.enter();
    let mq = &opened.connection.mq;
    let mut grants = Grants::default();
    for (name, queue) in &options.grants {
        grants = grants.queue(name, mq.queue(queue)?);
    }
    let mut limits = Limits::default();
    limits.memory = options.memory_bytes.unwrap_or(limits.memory);
    let sandbox = SandboxOptions { limits, cache: options.cache.clone(), ..Default::default() };
    let sandbox = Sandbox::new(sandbox).map_err(|e| refused(&e))?;
    let source = ComponentSource::file(component);
    let handler = ComponentHandler::load(&sandbox, source, grants).map_err(|e| refused(&e))?;
    Ok(Worker::new(mq, options.worker()).serve(opened.queue.clone(), handler))
}

fn refused(error: &dyn std::error::Error) -> Trouble {
    Trouble::new(Code::Refused, error.to_string())
}
