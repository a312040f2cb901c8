//! The guest's stack at its death, a frame a line.

use std::fmt::Write as _;

use rustc_demangle::demangle;
use wasmtime::{FrameInfo, WasmBacktrace};

/// The library keeps 8 KiB of a backtrace; no name is worth all of it.
const NAME_BYTES: usize = 300;

/// Rust's own mark: what is called from here is the machinery of a panic, of no use to anyone.
const MACHINERY: &str = "__rust_end_short_backtrace";

/// `None` for a guest that had nothing on its stack.
pub(crate) fn frames(backtrace: &WasmBacktrace) -> Option<String> {
    let frames = backtrace.frames().iter().map(|frame| format!("{}{}", name(frame), place(frame)));
    numbered(frames.collect())
}

fn numbered(frames: Vec<String>) -> Option<String> {
    let machinery = frames.iter().rposition(|frame| frame.contains(MACHINERY));
    let mut text = String::new();
    for (n, frame) in frames.iter().skip(machinery.map_or(0, |last| last + 1)).enumerate() {
        let separator = if n == 0 { "" } else { "\n" };
        // Writing to a string can't fail.
        let _ = write!(text, "{separator}{n:>3}: {frame}");
    }
    (!text.is_empty()).then_some(text)
}

/// The innermost of the functions that were inlined here, or the one that is there.
fn name(frame: &FrameInfo) -> String {
    let symbol = frame.symbols().first().and_then(|symbol| symbol.name());
    match symbol.or_else(|| frame.func_name()) {
        Some(name) => plain(name),
        None => format!("function {}", frame.func_index()),
    }
}

/// Without the hash that a compiler adds, and not longer than anyone reads.
fn plain(name: &str) -> String {
    let mut name = format!("{:#}", demangle(name));
    if name.len() > NAME_BYTES {
        name.truncate(name.floor_char_boundary(NAME_BYTES));
        name.push('…');
    }
    name.replace(char::is_control, "\u{fffd}")
}

fn place(frame: &FrameInfo) -> String {
    let symbol = frame.symbols().first();
    match symbol.and_then(|symbol| Some((symbol.file()?, symbol.line()?))) {
        Some((file, line)) => format!(" at {file}:{line}"),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machinery_of_a_panic_is_left_out() {
        let frames = |names: &[&str]| numbered(names.iter().map(|&name| name.into()).collect());
        let end = "std::sys::backtrace::__rust_end_short_backtrace::<x, !>";
        assert_eq!(
            frames(&["abort", end, "core::panicking::panic_fmt", "guest::work"]).as_deref(),
            Some("  0: core::panicking::panic_fmt\n  1: guest::work")
        );
        assert_eq!(frames(&["abort", "main"]).as_deref(), Some("  0: abort\n  1: main"));
        assert_eq!(frames(&[]), None);
    }

    #[test]
    fn names_are_demangled_and_bounded() {
        assert_eq!(plain("_ZN5guest4work17h0123456789abcdefE"), "guest::work");
        assert_eq!(plain("memcpy"), "memcpy");
        assert_eq!(plain("a\nb"), "a\u{fffd}b");
        assert_eq!(plain(&"é".repeat(400)).chars().count(), 151);
    }
}
