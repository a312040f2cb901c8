//! Putting jobs and looking at them.

use std::ffi::c_char;

use queue::{JobId, NewJob, Payload};
use serde_json::Value;

use crate::call::{call, wait};
use crate::code::{Code, Trouble};
use crate::input::{Out, bytes, text, text_or_none};
use crate::options::{self, Put};
use crate::{results, shown, table};

/// # Safety
/// As the header says of the pointers.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn mq_put(
    queue: u64,
    data: *const u8,
    length: usize,
    options: *const c_char,
    receipt: *mut u64,
) -> i32 {
    call(|| {
        // SAFETY: the caller's promise.
        let (out, data, options) = unsafe {
            let out = Out::new("receipt", receipt)?;
            (out, bytes("data", data, length)?, text_or_none("options", options)?)
        };
        let queue = table::queue(queue)?.queue;
        let options: Put = options::read(options)?;
        let payload = Payload::from_wire(options.content_type(), data.to_vec())?;
        let job = NewJob { payload, options: options.options()? };
        let put = queue.put(job.payload).options(job.options);
        out.set(results::of_json(&shown::receipt(&wait(put.into_future())?)));
        Ok(Code::Ok)
    })
}

/// # Safety
/// As the header says of the pointers.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn mq_put_many(
    queue: u64,
    jobs: *const c_char,
    receipts: *mut u64,
) -> i32 {
    call(|| {
        // SAFETY: the caller's promise.
        let (out, jobs) = unsafe { (Out::new("receipts", receipts)?, text("jobs", jobs)?) };
        let queue = table::queue(queue)?.queue;
        let answers = wait(queue.put_many(options::jobs(jobs)?))?;
        let answers = answers.into_iter().map(|answer| match answer {
            Ok(receipt) => shown::receipt(&receipt),
            Err(error) => shown::trouble(&Trouble::from(error)),
        });
        out.set(results::of_json(&Value::Array(answers.collect())));
        Ok(Code::Ok)
    })
}

/// # Safety
/// As the header says of the pointers.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn mq_get(queue: u64, id: *const c_char, job: *mut u64) -> i32 {
    call(|| {
        // SAFETY: the caller's promise.
        let (out, id) = unsafe { (Out::new("job", job)?, text("id", id)?) };
        let queue = table::queue(queue)?.queue;
        let job = wait(queue.get(&id.parse::<JobId>()?))?;
        out.set(results::of_json(&shown::job(&job)));
        Ok(Code::Ok)
    })
}

/// # Safety
/// As the header says of the pointers.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn mq_stats(queue: u64, stats: *mut u64) -> i32 {
    call(|| {
        // SAFETY: the caller's promise.
        let out = unsafe { Out::new("stats", stats) }?;
        let queue = table::queue(queue)?.queue;
        out.set(results::of_json(&shown::stats(&wait(queue.stats())?)));
        Ok(Code::Ok)
    })
}
