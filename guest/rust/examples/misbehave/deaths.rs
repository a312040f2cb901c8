//! Ways to die, and to run out of memory.

use std::hint::black_box;

use mongoqueue_guest::{Error, Payload, Result};
use serde_json::json;

use crate::payloads;

/// A page of wasm memory.
const PAGE: usize = 64 << 10;

pub(crate) fn out_of_bounds(attempt: u32) -> Result<Payload> {
    let past_the_end = black_box(attempt as usize + 10);
    payloads::json(&json!([1, 2, 3].as_slice()[past_the_end]))
}

pub(crate) fn div_zero(attempt: u32) -> Result<Payload> {
    payloads::json(&json!(attempt / black_box(0)))
}

pub(crate) fn unreachable() -> ! {
    #[cfg(target_arch = "wasm32")]
    core::arch::wasm32::unreachable();
    #[cfg(not(target_arch = "wasm32"))]
    std::process::abort()
}

pub(crate) fn stack() -> Result<Payload> {
    // No compiler makes a loop of it: what is done after the call cannot be done before it.
    fn dive(depth: u64) -> u64 {
        if depth == 0 { 0 } else { dive(depth - 1).rotate_left(1) ^ depth }
    }
    payloads::json(&json!(dive(black_box(u64::MAX))))
}

pub(crate) fn stack_in_memory() -> Result<Payload> {
    fn dive(depth: u64) -> u64 {
        let ballast = black_box([depth; 64]);
        if depth == 0 { 0 } else { dive(depth - 1) + ballast[(depth % 64) as usize] }
    }
    payloads::json(&json!(dive(black_box(u64::MAX))))
}

pub(crate) fn memory() -> ! {
    loop {
        std::mem::forget(black_box(vec![1_u8; PAGE]));
    }
}

pub(crate) fn memory_big(bytes: usize) -> Result<Payload> {
    payloads::json(&json!({ "bytes": black_box(vec![1_u8; bytes]).len() }))
}

pub(crate) fn memory_ask(bytes: usize) -> Result<Payload> {
    let granted = black_box(Vec::<u8>::new()).try_reserve_exact(bytes).is_ok();
    payloads::json(&json!({ "bytes": bytes, "granted": granted }))
}

#[allow(unsafe_code, reason = "what must not happen cannot be written without it")]
mod wild {
    /// Past the four gigabytes that 32 bits reach, less one page.
    pub(super) fn read() -> u8 {
        let nowhere = std::ptr::without_provenance::<u8>(0xffff_0000);
        // SAFETY: none; a sandbox traps.
        unsafe { nowhere.read_volatile() }
    }

    pub(super) fn call() -> u64 {
        let print: fn(&str) -> String = str::to_owned;
        // SAFETY: none; a sandbox traps.
        let add: fn(u64, u64, u64) -> u64 = unsafe { std::mem::transmute(print) };
        std::hint::black_box(add)(1, 2, 3)
    }

    pub(super) fn text() -> String {
        // SAFETY: none; whoever reads it has to check.
        unsafe { String::from_utf8_unchecked(vec![b'a', 0xff, 0xfe, b'z']) }
    }
}

pub(crate) fn wild_read() -> Result<Payload> {
    payloads::json(&json!(wild::read()))
}

pub(crate) fn wild_call() -> Result<Payload> {
    payloads::json(&json!(wild::call()))
}

pub(crate) fn bad_utf8() -> Error {
    Error::new(wild::text()).code(wild::text())
}
