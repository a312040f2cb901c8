//! Text from jobs, guests and servers, made safe for a terminal: nothing in it moves the cursor,
//! changes colours, or makes text run backwards.

use std::borrow::Cow;
use std::fmt::Write;

use serde_json::Value;

/// Control characters, and the invisible ones that reorder or hide what stands around them.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// One line: a line break is written out as `\n`, a tab as `\t`, the rest as `\u{1b}`.
pub(crate) fn line(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\n' => safe.push_str("\\n"),
            '\r' => safe.push_str("\\r"),
            '\t' => safe.push_str("\\t"),
            c if is_unsafe(c) => {
                // Writing to a string can't fail.
                let _ = write!(safe, "\\u{{{:x}}}", u32::from(c));
            }
            c => safe.push(c),
        }
    }
    Cow::Owned(safe)
}

/// The same, but line breaks stay.
pub(crate) fn lines(text: &str) -> String {
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// One line, cut to `width` characters.
pub(crate) fn cut(text: &str, width: usize) -> String {
    // Escapes only lengthen, so no more than this is needed of a text of any length.
    let head: String = text.chars().take(width.saturating_add(1)).collect();
    let safe = line(&head);
    if safe.chars().count() <= width {
        return safe.into_owned();
    }
    let mut short: String = safe.chars().take(width.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// JSON on one line. What serde leaves as it is though a terminal might act on it (DEL, C1,
/// reordering marks) stands in strings only, so its escape is the same JSON.
pub(crate) fn json(value: &Value) -> String {
    let text = value.to_string();
    if !text.chars().any(is_unsafe) {
        return text;
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_unsafe(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(safe, "\\u{unit:04x}");
            }
        } else {
            safe.push(c);
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_text_is_untouched() {
        for text in ["", "plain", "Grüße, 世界 🎉", "a\\b \"c\""] {
            assert!(matches!(line(text), Cow::Borrowed(same) if same == text));
        }
    }

    #[test]
    fn what_a_terminal_acts_on_is_written_out() {
        assert_eq!(line("\x1b[2J\x07"), "\\u{1b}[2J\\u{7}");
        assert_eq!(line("\u{9b}31m"), "\\u{9b}31m");
        assert_eq!(line("a\nb\tc\rd"), "a\\nb\\tc\\rd");
        assert_eq!(line("abc\u{202e}gnp"), "abc\\u{202e}gnp");
        assert_eq!(lines("a\n\x1bb\r\nc"), "a\n\\u{1b}b\nc");
    }

    #[test]
    fn cut_counts_characters_of_what_is_shown() {
        assert_eq!(cut("äöü", 3), "äöü");
        assert_eq!(cut("äöüß", 3), "äö…");
        assert_eq!(cut("\x1b\x1b", 6), "\\u{1b…");
        assert_eq!(cut("abc", 0), "…");
    }

    #[test]
    fn json_stays_the_same_value() {
        let value = serde_json::json!({ "a": "\u{9b}\u{7f}\u{202e}\u{feff}\x1b ü" });
        let text = json(&value);
        assert!(!text.chars().any(is_unsafe));
        assert_eq!(serde_json::from_str::<Value>(&text).ok(), Some(value));
    }
}
