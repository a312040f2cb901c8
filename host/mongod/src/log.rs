//! mongod's log: what it says about a start that failed, in a form that a person can read.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use serde_json::Value;

/// As much of the end of a log as is looked at: the last words of a server that dies are far less.
const TAIL_BYTES: u64 = 256 * 1024;
/// Lines that go into an error.
const TAIL_LINES: usize = 8;
/// Characters of a line that go into an error: some lines carry a whole configuration.
const LINE_CHARS: usize = 400;

/// Whether the log has a line with this text. A log that isn't there has none.
pub(crate) fn says(log: &Path, text: &str) -> bool {
    std::fs::read(log).is_ok_and(|log| String::from_utf8_lossy(&log).contains(text))
}

/// The last lines that matter: warnings and errors if there are any, else whatever came last.
pub(crate) fn tail(log: &Path) -> String {
    let Ok(text) = end_of(log) else {
        return "(there is no log)".to_owned();
    };
    let lines: Vec<Line> = text.lines().filter_map(Line::parse).collect();
    let any = lines.iter().any(|line| line.matters);
    let chosen: Vec<String> =
        lines.into_iter().filter(|line| line.matters || !any).map(|line| line.text).collect();
    let from = chosen.len().saturating_sub(TAIL_LINES);
    match chosen.get(from..) {
        Some([]) | None => "(the log is empty)".to_owned(),
        Some(last) => last.join("\n"),
    }
}

fn end_of(log: &Path) -> std::io::Result<String> {
    let mut file = File::open(log)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

struct Line {
    text: String,
    matters: bool,
}

impl Line {
    /// `None` for an empty line. What is no JSON comes from the shell, the loader or the parser of
    /// the command line, and always matters.
    fn parse(line: &str) -> Option<Line> {
        let line = line.trim();
        if line.is_empty() {
            return None;
        }
        let Ok(entry) = serde_json::from_str::<Value>(line) else {
            return Some(Line { text: shorten(line), matters: true });
        };
        let field = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
        let severity = match field("s") {
            "F" => "fatal: ",
            "E" => "error: ",
            "W" => "warning: ",
            _ => "",
        };
        let attributes = match entry.get("attr") {
            Some(attributes) => format!(" {attributes}"),
            None => String::new(),
        };
        // The same on every start: no access control, settings of the kernel.
        let habitual = entry.get("tags").is_some_and(|tags| tags.to_string().contains("startup"));
        Some(Line {
            text: shorten(&format!("{severity}{}{attributes}", field("msg"))),
            matters: !severity.is_empty() && !habitual,
        })
    }
}

/// One line of bounded length: messages have line breaks in them.
fn shorten(line: &str) -> String {
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LINE_CHARS) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tail_of(log: &str) -> String {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), log).expect("written");
        tail(file.path())
    }

    #[test]
    fn errors_come_without_the_chatter() {
        let log = r#"
{"s":"W","id":22120,"msg":"Access control is not enabled","tags":["startupWarnings"]}
{"s":"E","id":20568,"msg":"Error setting up listener","attr":{"error":"Address taken"}}
{"s":"I","id":20565,"msg":"Now exiting"}
"#;
        assert_eq!(tail_of(log), r#"error: Error setting up listener {"error":"Address taken"}"#);
    }

    #[test]
    fn without_errors_the_last_lines_come() {
        let line = r#"{"s":"I","msg":"Build Info"}"#;
        assert_eq!(tail_of(line), "Build Info");
        assert_eq!(tail_of(""), "(the log is empty)");
        assert_eq!(tail_of("unrecognised option '--x'"), "unrecognised option '--x'");
        assert!(tail_of(&"x".repeat(10_000)).chars().count() == LINE_CHARS + 1);
    }
}
