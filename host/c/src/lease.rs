//! Claimed jobs and how they end.

use std::ffi::c_char;
use std::sync::Arc;
use std::time::Duration;

use queue::{Failure, JSON, Lease, NextOptions, Outcome, Payload};
use tokio::sync::Mutex;

use crate::call::{call, wait};
use crate::code::{Code, Result, Trouble};
use crate::input::{Out, bytes, text, text_or_none};
use crate::table::{self, Held, Object};
use crate::{results, shown};

/// `MQ_RETRY` and `MQ_REJECT` of the header.
const RETRY: i64 = -1;
const REJECT: i64 = -2;

/// # Safety
/// As the header says of the pointers.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn mq_next(
    queue: u64,
    wait_ms: u64,
    lease_ms: u64,
    lease: *mut u64,
) -> i32 {
    call(|| {
        // SAFETY: the caller's promise.
        let out = unsafe { Out::new("lease", lease) }?;
        let queue = table::queue(queue)?.queue;
        let lease = (lease_ms > 0).then(|| Duration::from_millis(lease_ms));
        let options =
            NextOptions { wait: Duration::from_millis(wait_ms), lease, ..NextOptions::default() };
        match wait(queue.next(&options))? {
            Some(lease) => {
                out.set(table::add(Object::Lease(Arc::new(Mutex::new(Some(lease))))));
                Ok(Code::Ok)
            }
            None => Ok(Code::None),
        }
    })
}

/// Looks at a lease, or waits until another thread has settled it.
fn look<T>(handle: u64, look: impl AsyncFnOnce(&Lease) -> queue::Result<T>) -> Result<T> {
    let held = table::lease(handle)?;
    wait(async {
        let held = held.lock().await;
        let lease = held.as_ref().ok_or_else(|| table::stale(handle, handle))?;
        look(lease).await.map_err(Trouble::from)
    })
}

/// # Safety
/// As the header says of the pointers.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn mq_job(lease: u64, job: *mut u64) -> i32 {
    call(|| {
        // SAFETY: the caller's promise.
        let out = unsafe { Out::new("job", job) }?;
        let job = look(lease, async |lease| Ok(shown::job(lease.job())))?;
        out.set(results::of_json(&job));
        Ok(Code::Ok)
    })
}

/// # Safety
/// As the header says of the pointers.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn mq_payload(lease: u64, payload: *mut u64) -> i32 {
    call(|| {
        // SAFETY: the caller's promise.
        let out = unsafe { Out::new("payload", payload) }?;
        let (_, data) = look(lease, async |lease| Ok(lease.payload().to_wire()))?;
        out.set(results::of_bytes(data));
        Ok(Code::Ok)
    })
}

#[unsafe(no_mangle)]
pub(crate) extern "C" fn mq_heartbeat(lease: u64) -> i32 {
    call(|| look(lease, async |lease| lease.heartbeat().await).map(|()| Code::Ok))
}

/// Takes the lease away, whatever the database answers: who asked twice is told so.
fn settle(handle: u64, outcome: Outcome) -> Result<Code> {
    let held: Held = table::lease(handle)?;
    wait(async {
        let lease = held.lock().await.take();
        let lease = lease.ok_or_else(|| table::stale(handle, handle))?;
        // Another thread may have closed it in between.
        let _ = table::close(handle);
        lease.settle(outcome).await.map_err(Trouble::from)
    })?;
    Ok(Code::Ok)
}

/// # Safety
/// As the header says of the pointers.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn mq_complete(
    lease: u64,
    output: *const u8,
    length: usize,
    content_type: *const c_char,
) -> i32 {
    call(|| {
        // SAFETY: the caller's promise.
        let (data, content_type) = unsafe {
            (bytes("output", output, length)?, text_or_none("content_type", content_type)?)
        };
        let payload = match (data, content_type) {
            ([], None) => None,
            (data, of) => Some(Payload::from_wire(of.unwrap_or(JSON), data.to_vec())?),
        };
        settle(lease, Outcome::Completed(payload))
    })
}

/// # Safety
/// As the header says of the pointers.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn mq_fail(
    lease: u64,
    message: *const c_char,
    code: *const c_char,
    retry_ms: i64,
) -> i32 {
    call(|| {
        // SAFETY: the caller's promise.
        let (message, code) = unsafe { (text("message", message)?, text_or_none("code", code)?) };
        let mut failure = Failure::new(message);
        failure.code = code.map(str::to_owned);
        let failure = match (retry_ms, u64::try_from(retry_ms)) {
            (_, Ok(delay)) => failure.retry_after(Duration::from_millis(delay)),
            (RETRY, _) => failure,
            (REJECT, _) => failure.reject(),
            _ => {
                let message = format!("retry_ms is {retry_ms}: no time, MQ_RETRY or MQ_REJECT");
                return Err(Trouble::new(Code::Invalid, message));
            }
        };
        settle(lease, Outcome::Failed(failure))
    })
}

#[unsafe(no_mangle)]
pub(crate) extern "C" fn mq_release(lease: u64, delay_ms: u64) -> i32 {
    call(|| settle(lease, Outcome::Released { delay: Duration::from_millis(delay_ms) }))
}
