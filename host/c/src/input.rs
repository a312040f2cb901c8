//! What callers point to. A null pointer is an error; a pointer to what is not there can't be told
//! from a good one, and is the caller's to avoid.

use std::ffi::{CStr, c_char};

use crate::code::{Code, Result, Trouble};

fn null(what: &str) -> Trouble {
    Trouble::new(Code::Null, format!("{what} is a null pointer"))
}

/// Text that ends with a NUL.
///
/// # Safety
/// The pointer is null, or to such text, which stays for `'a`.
pub(crate) unsafe fn text<'a>(what: &str, text: *const c_char) -> Result<&'a str> {
    if text.is_null() {
        return Err(null(what));
    }
    // SAFETY: the caller's promise.
    let bytes = unsafe { CStr::from_ptr(text) };
    bytes.to_str().map_err(|e| Trouble::new(Code::Invalid, format!("{what} is no UTF-8: {e}")))
}

/// The same where null stands for nothing.
///
/// # Safety
/// As [`text`].
pub(crate) unsafe fn text_or_none<'a>(what: &str, from: *const c_char) -> Result<Option<&'a str>> {
    if from.is_null() {
        return Ok(None);
    }
    // SAFETY: the caller's promise.
    unsafe { text(what, from) }.map(Some)
}

/// So many bytes; null where there are none.
///
/// # Safety
/// The pointer is null, or to `length` bytes, which stay for `'a`.
pub(crate) unsafe fn bytes<'a>(what: &str, data: *const u8, length: usize) -> Result<&'a [u8]> {
    if length == 0 {
        return Ok(&[]);
    }
    if data.is_null() {
        return Err(null(what));
    }
    if isize::try_from(length).is_err() {
        let message = format!("{what} can't have {length} bytes: is the length negative?");
        return Err(Trouble::new(Code::Invalid, message));
    }
    // SAFETY: the caller's promise; the length is one that a slice may have.
    Ok(unsafe { std::slice::from_raw_parts(data, length) })
}

/// Where an answer goes.
pub(crate) struct Out<T>(*mut T);

impl<T: Default> Out<T> {
    /// Sets it to nothing, so that a call that fails leaves no old handle.
    ///
    /// # Safety
    /// The pointer is null, or to room for a `T`, which stays for the call.
    pub(crate) unsafe fn new(what: &str, out: *mut T) -> Result<Self> {
        if out.is_null() {
            return Err(null(what));
        }
        let out = Self(out);
        out.set(T::default());
        Ok(out)
    }

    pub(crate) fn set(&self, value: T) {
        // SAFETY: who made it promised the room; it need not be aligned.
        unsafe { self.0.write_unaligned(value) }
    }
}
