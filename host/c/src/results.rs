//! Results, and what is the same for all handles.

use std::ffi::c_char;

use serde_json::Value;

use crate::call::{call, last};
use crate::code::{Code, Result, Trouble};
use crate::input::Out;
use crate::table::{self, Object};

/// A handle for bytes that the caller reads when it likes.
pub(crate) fn of_bytes(bytes: impl Into<Vec<u8>>) -> u64 {
    let bytes: Vec<u8> = bytes.into();
    table::add(Object::Result(bytes.into()))
}

pub(crate) fn of_json(value: &Value) -> u64 {
    of_bytes(value.to_string())
}

/// Copies as much as fits.
///
/// # Safety
/// The buffer is null, or has room for `capacity` bytes.
unsafe fn copy(bytes: &[u8], buffer: *mut c_char, capacity: usize) {
    let fits = bytes.len().min(capacity);
    if fits > 0 && !buffer.is_null() {
        // SAFETY: the caller's promise; a new borrow and the caller's room don't overlap.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), buffer.cast(), fits) }
    }
}

/// # Safety
/// As the header says of the pointers.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn mq_read(
    result: u64,
    buffer: *mut c_char,
    capacity: usize,
    length: *mut usize,
) -> i32 {
    call(|| {
        // SAFETY: the caller's promise.
        let length = unsafe { Out::new("length", length) }?;
        let bytes: std::sync::Arc<[u8]> = table::result(result)?;
        length.set(bytes.len());
        // The length alone is asked for.
        if buffer.is_null() && capacity == 0 {
            return Ok(Code::Ok);
        }
        if buffer.is_null() {
            return Err(Trouble::new(Code::Null, "buffer is a null pointer"));
        }
        if bytes.len() > capacity {
            let message =
                format!("the result has {} bytes, there is room for {capacity}", bytes.len());
            return Err(Trouble::new(Code::TooSmall, message));
        }
        // SAFETY: the caller's promise.
        unsafe { copy(&bytes, buffer, capacity) };
        Ok(Code::Ok)
    })
}

/// # Safety
/// As the header says of the pointers.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn mq_error(buffer: *mut c_char, capacity: usize) -> usize {
    let words = last();
    // No panic can come of this, and no lock is taken: it works in a child of fork, too.
    let mut text = words.as_bytes().to_vec();
    // What C takes for the end.
    text.retain(|byte| *byte != 0);
    let length = text.len();
    text.truncate(capacity.saturating_sub(1));
    text.push(0);
    // SAFETY: the caller's promise.
    unsafe { copy(&text, buffer, capacity) };
    length
}

#[unsafe(no_mangle)]
pub(crate) extern "C" fn mq_free(handle: u64) -> i32 {
    call(|| -> Result<Code> {
        table::close(handle)?;
        Ok(Code::Ok)
    })
}

#[unsafe(no_mangle)]
pub(crate) extern "C" fn mq_version() -> *const c_char {
    const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");
    VERSION.as_ptr().cast()
}
