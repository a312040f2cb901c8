//! What equal deaths have in common: the kind, the code, and where on the stack it happened.

use crate::job::ErrorRecord;
use crate::outcome::Failure;

/// Deeper frames differ by the way that a guest was called, not by what went wrong.
pub(crate) const FRAMES: u8 = 5;

/// By what deaths are told apart: equal ones are one row of [`Deaths`](crate::Deaths).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    /// The kind of the failure.
    pub kind: String,
    /// Its code.
    pub code: Option<String>,
    /// The uppermost frames of its backtrace, five at the most; empty where there was none.
    pub frames: Vec<String>,
}

impl Fingerprint {
    fn new(kind: &str, code: Option<&String>, backtrace: Option<&String>) -> Self {
        let lines =
            backtrace.map(String::as_str).unwrap_or_default().split('\n').take(FRAMES.into());
        let frames = lines.map(frame).filter(|frame| !frame.is_empty()).collect();
        Self { kind: kind.to_owned(), code: code.cloned(), frames }
    }
}

impl From<&ErrorRecord> for Fingerprint {
    fn from(record: &ErrorRecord) -> Self {
        Self::new(&record.kind, record.code.as_ref(), record.backtrace.as_ref())
    }
}

impl From<&Failure> for Fingerprint {
    fn from(failure: &Failure) -> Self {
        Self::new(&failure.kind, failure.code.as_ref(), failure.backtrace.as_ref())
    }
}

/// A line of a backtrace without its number.
pub(crate) fn frame(line: &str) -> String {
    let numbered = line.trim_start();
    let frame = numbered.trim_start_matches(|c: char| c.is_ascii_digit());
    frame.strip_prefix(": ").unwrap_or(numbered).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_deaths_have_one_fingerprint() {
        let died = |message: &str, backtrace: &str| {
            let mut failure = Failure::of_kind("trap:unreachable", message);
            failure.backtrace = Some(backtrace.to_owned());
            Fingerprint::from(&failure)
        };
        let frames = "  0: a\n  1: b at c.rs:1\n  2: c\n  3: d\n  4: e\n";
        let first = died("one", &format!("{frames}  5: f"));
        assert_eq!(first, died("other words", &format!("{frames}  5: another caller")));
        assert_ne!(first, died("one", &frames.replace("b at", "g at")));
        assert_eq!(first.frames, ["a", "b at c.rs:1", "c", "d", "e"]);
        let plain = Fingerprint::from(&Failure::new("no").code("c"));
        assert_eq!((plain.code.as_deref(), plain.frames.len()), (Some("c"), 0));
    }
}
