//! The end of a stream, in bounded memory.

use std::collections::VecDeque;

pub(super) struct Tail {
    kept: VecDeque<u8>,
    limit: usize,
    dropped: u64,
}

impl Tail {
    pub(super) fn new(limit: usize) -> Self {
        Self { kept: VecDeque::new(), limit, dropped: 0 }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        // What wouldn't survive is never copied.
        let new = &bytes[bytes.len().saturating_sub(self.limit)..];
        let excess = (self.kept.len() + new.len()).saturating_sub(self.limit);
        self.kept.drain(..excess);
        self.kept.extend(new);
        self.dropped += (excess + bytes.len() - new.len()) as u64;
    }

    pub(super) fn text(&self) -> Option<String> {
        if self.kept.is_empty() {
            return None;
        }
        let mut bytes: Vec<u8> = self.kept.iter().copied().collect();
        if self.dropped == 0 {
            return Some(String::from_utf8_lossy(&bytes).into_owned());
        }
        // The cut may have gone through a character.
        let broken = bytes.iter().take(3).take_while(|byte| **byte & 0xc0 == 0x80).count();
        bytes.drain(..broken);
        let dropped = self.dropped + broken as u64;
        Some(format!("[{dropped} bytes before this]\n{}", String::from_utf8_lossy(&bytes)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tail(limit: usize, pieces: &[&[u8]]) -> Option<String> {
        let mut tail = Tail::new(limit);
        for piece in pieces {
            tail.push(piece);
        }
        tail.text()
    }

    #[test]
    fn keeps_all_that_fits() {
        assert_eq!(tail(8, &[]), None);
        assert_eq!(tail(8, &[b"ab", b"cdefgh"]).as_deref(), Some("abcdefgh"));
    }

    #[test]
    fn keeps_the_end_and_counts_the_rest() {
        assert_eq!(tail(4, &[b"abc", b"def"]).as_deref(), Some("[2 bytes before this]\ncdef"));
        assert_eq!(
            tail(4, &[b"xyz", b"0123456789"]).as_deref(),
            Some("[9 bytes before this]\n6789")
        );
        assert_eq!(tail(0, &[b"abc"]), None);
    }

    #[test]
    fn starts_with_a_whole_character() {
        assert_eq!(tail(4, &["aé€".as_bytes()]).as_deref(), Some("[3 bytes before this]\n€"));
    }
}
