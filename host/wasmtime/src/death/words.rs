//! What people read about a death.

use std::borrow::Cow;

use wasmtime::Trap;

/// The trap's name in the kind: wasmtime's own in lower case, shorter where it is long.
pub(super) fn trap_code(trap: Trap) -> Cow<'static, str> {
    match trap {
        Trap::UnreachableCodeReached => "unreachable".into(),
        Trap::IntegerDivisionByZero => "integer-divide-by-zero".into(),
        Trap::IndirectCallToNull => "indirect-call-to-null".into(),
        other => kebab(&format!("{other:?}")).into(),
    }
}

fn kebab(name: &str) -> String {
    let mut words = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !words.is_empty() {
            words.push('-');
        }
        words.push(letter.to_ascii_lowercase());
    }
    words
}

pub(super) fn of_trap(trap: Trap) -> String {
    match trap {
        Trap::UnreachableCodeReached => "it aborted".to_owned(),
        Trap::StackOverflow => "stack overflow: it called itself too often".to_owned(),
        other => {
            let words = other.to_string();
            words.strip_prefix("wasm trap: ").unwrap_or(&words).to_owned()
        }
    }
}

/// The message of a Rust panic, with the place it came from: the last one on stderr.
pub(super) fn panic(stderr: &str) -> Option<String> {
    let start = stderr.rfind(" panicked at ")?;
    let mut lines = stderr.get(start..)?.trim_start().lines();
    let place = lines.next()?.strip_prefix("panicked at ")?.trim_end_matches(':');
    let ends =
        |line: &str| line.starts_with("note: run with") || line.starts_with("stack backtrace");
    let message: Vec<&str> = lines.take_while(|line| !ends(line)).collect();
    let message = message.join("\n");
    Some(match message.trim() {
        "" => format!("panicked at {place}"),
        message => format!("panicked at {place}: {message}"),
    })
}

/// `words`, and the last that the guest itself had to say, which may be all that explains them.
pub(super) fn with_last(words: &str, stderr: Option<&str>) -> String {
    let last = stderr.and_then(|text| text.lines().rev().find(|line| !line.trim().is_empty()));
    match last {
        Some(line) => format!("{words}; its last line on stderr: {}", line.trim()),
        None => words.to_owned(),
    }
}

/// Bytes as people write them.
pub(super) fn size(bytes: usize) -> String {
    const UNITS: [(usize, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let unit = UNITS.into_iter().find(|(unit, _)| bytes >= *unit);
    match unit {
        Some((unit, name)) if bytes.is_multiple_of(unit) => format!("{} {name}", bytes / unit),
        Some((unit, name)) => format!("{:.1} {name}", bytes as f64 / unit as f64),
        None => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traps_have_short_names() {
        assert_eq!(trap_code(Trap::UnreachableCodeReached), "unreachable");
        assert_eq!(trap_code(Trap::StackOverflow), "stack-overflow");
        assert_eq!(trap_code(Trap::MemoryOutOfBounds), "memory-out-of-bounds");
        assert_eq!(trap_code(Trap::IntegerDivisionByZero), "integer-divide-by-zero");
        assert_eq!(of_trap(Trap::MemoryOutOfBounds), "out of bounds memory access");
    }

    #[test]
    fn a_panic_is_found_in_what_it_prints() {
        let stderr = "log line\n\nthread '<unnamed>' (1) panicked at src/lib.rs:7:5:\nno such \
                      customer\nin the second line\nnote: run with `RUST_BACKTRACE=1` environment \
                      variable to display a backtrace\n";
        let message = "panicked at src/lib.rs:7:5: no such customer\nin the second line";
        assert_eq!(panic(stderr).as_deref(), Some(message));
        assert_eq!(
            panic("thread 'x' panicked at a.rs:1:1:").as_deref(),
            Some("panicked at a.rs:1:1")
        );
        assert_eq!(panic("nobody panicked"), None);
        assert_eq!(panic(""), None);
    }

    #[test]
    fn the_last_words_are_kept() {
        let python = "Traceback (most recent call last):\n  …\nValueError: seven\n\n";
        assert_eq!(
            with_last("it aborted", Some(python)),
            "it aborted; its last line on stderr: ValueError: seven"
        );
        assert_eq!(with_last("it aborted", Some("\n")), "it aborted");
        assert_eq!(with_last("it aborted", None), "it aborted");
    }

    #[test]
    fn sizes_are_readable() {
        let sizes = [0, 1023, 1 << 10, 1_536, 64 << 20, (64 << 20) + (1 << 19), 2 << 30];
        let read = ["0 bytes", "1023 bytes", "1 KiB", "1.5 KiB", "64 MiB", "64.5 MiB", "2 GiB"];
        assert_eq!(sizes.map(size), read);
    }
}
