//! The last lines of a log, in bounded memory, for the record of an attempt that failed.

use std::collections::VecDeque;

use super::{Level, printable};

/// One line doesn't push out all the others.
const LINE_BYTES: usize = 1 << 10;

/// Whole lines, each with its level, so that no line of a guest's looks like two.
pub(super) struct LastLines {
    kept: VecDeque<String>,
    bytes: usize,
    limit: usize,
    dropped: u64,
}

impl LastLines {
    pub(super) fn new(limit: usize) -> Self {
        Self { kept: VecDeque::new(), bytes: 0, limit, dropped: 0 }
    }

    pub(super) fn push(&mut self, level: Level, text: &str) {
        let (most, more) = (text.floor_char_boundary(LINE_BYTES), text.len() > LINE_BYTES);
        let text = printable(text.get(..most).unwrap_or_default());
        let line = format!("{level}: {text}{}\n", if more { "…" } else { "" });
        self.bytes += line.len();
        self.kept.push_back(line);
        while self.bytes > self.limit {
            let Some(first) = self.kept.pop_front() else { break };
            self.bytes -= first.len();
            self.dropped += 1;
        }
    }

    pub(super) fn text(&self) -> Option<String> {
        let mut text = match self.dropped {
            0 => String::new(),
            dropped => format!("[{dropped} lines before this]\n"),
        };
        text.extend(self.kept.iter().map(String::as_str));
        (!text.is_empty()).then_some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last(limit: usize, lines: &[&str]) -> Option<String> {
        let mut last = LastLines::new(limit);
        lines.iter().for_each(|line| last.push(Level::Info, line));
        last.text()
    }

    #[test]
    fn keeps_whole_lines_and_counts_the_rest() {
        assert_eq!(last(100, &[]), None);
        assert_eq!(last(100, &["a", ""]).as_deref(), Some("info: a\ninfo: \n"));
        let kept = last(16, &["one", "two", "six"]);
        assert_eq!(kept.as_deref(), Some("[2 lines before this]\ninfo: six\n"));
        assert_eq!(last(0, &["a"]).as_deref(), Some("[1 lines before this]\n"));
    }

    #[test]
    fn a_line_is_one_line_and_not_too_long() {
        let kept = last(100, &["a\nerror: b\u{1b}[2J\r"]);
        assert_eq!(kept.as_deref(), Some("info: a\u{fffd}error: b\u{fffd}[2J\u{fffd}\n"));
        let kept = last(4 << 10, &[&"é".repeat(1 << 20)]).unwrap_or_default();
        assert_eq!(kept.len(), LINE_BYTES + "info: …\n".len());
    }
}
