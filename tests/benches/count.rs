//! The system's allocator, which counts what a thread asks for while that thread wants it to. It
//! does all else as the system does, so that nothing is slower here than in other programs: what
//! grows may grow in its place.
#![expect(unsafe_code, reason = "an allocator can't be written without; each call is handed on")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use mongoqueue_bench::Allocated;

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    /// `None` while nobody counts. Neither made nor dropped by a call, which could allocate.
    static SO_FAR: Cell<Option<Allocated>> = const { Cell::new(None) };
}

/// What this thread allocates meanwhile. What grows counts again, and only the bytes that it grows
/// by.
pub(crate) fn count(work: &mut dyn FnMut()) -> Allocated {
    SO_FAR.set(Some(Allocated::default()));
    work();
    SO_FAR.take().unwrap_or_default()
}

fn note(bytes: usize) {
    // A thread that ends may allocate after its own memory is gone.
    let _ = SO_FAR.try_with(|so_far| {
        if let Some(Allocated { count, bytes: before }) = so_far.get() {
            so_far.set(Some(Allocated { count: count + 1, bytes: before + bytes as u64 }));
        }
    });
}

// SAFETY: each call is the system's, with the same arguments.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(size.saturating_sub(layout.size()));
        unsafe { System.realloc(at, layout, size) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        unsafe { System.dealloc(at, layout) }
    }
}
