//! One payload a line, read beside the putting: a bounded number of lines is ahead of it.

use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::Source;
use crate::trouble::{Result, Trouble};

/// Lines read ahead of the putting: two of its batches.
const AHEAD: usize = 2_000;

/// Bytes of lines read ahead, or one line that has more.
const BYTES_AHEAD: usize = 16 << 20;

/// The longest line that is kept; a longer one is a bad line, and the next one is read.
const LINE_LIMIT: u64 = 64 << 20;

/// How long a line waits for others to be put with: a person at the keyboard sees no delay.
const GATHER: Duration = Duration::from_millis(50);

/// A line of the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// From 1.
    pub(crate) number: u64,
    /// Without its newline; `Err` when it is too long to be kept.
    pub(crate) text: Result<Vec<u8>, String>,
    /// Bytes of the input up to its end.
    pub(crate) end: u64,
}

impl Line {
    fn size(&self) -> usize {
        self.text.as_ref().map_or(0, Vec::len)
    }
}

/// The lines of a source that aren't blank.
pub(crate) struct Lines {
    receiver: mpsc::Receiver<Result<(Line, Option<OwnedSemaphorePermit>)>>,
    /// The length of the input in bytes, where it is known.
    pub(crate) total: Option<u64>,
}

impl Lines {
    /// Begins to read.
    pub(crate) fn open(argument: &str) -> Result<Self> {
        let source = Source::of(argument);
        let (reader, total) = source.open()?;
        let (sender, receiver) = mpsc::channel(AHEAD);
        let room = Arc::new(Semaphore::new(BYTES_AHEAD));
        let runtime = Handle::current();
        let name = source.name();
        // A thread of its own, as a read of a terminal or a pipe can't be interrupted.
        std::thread::spawn(move || {
            let mut reader = Reader { inner: BufReader::new(reader), number: 0, end: 0 };
            loop {
                let line = match reader.next_line() {
                    Ok(Some(line)) => Ok(line),
                    Ok(None) => break,
                    Err(error) => Err(Trouble::misuse(format!("can't read {name}: {error}"))),
                };
                let size = line.as_ref().map_or(0, Line::size).min(BYTES_AHEAD);
                let room = Arc::clone(&room).acquire_many_owned(size as u32);
                // It is never closed, so there is always an answer.
                let room = runtime.block_on(room).ok();
                let last = line.is_err();
                if sender.blocking_send(line.map(|line| (line, room))).is_err() || last {
                    break;
                }
            }
        });
        Ok(Self { receiver, total })
    }

    /// The next lines, at most `count` and about `bytes`; fewer when no more come for a moment.
    /// Empty at the end.
    pub(crate) async fn batch(&mut self, count: usize, bytes: usize) -> Result<Vec<Line>> {
        let mut batch = Vec::new();
        let mut size = 0;
        let mut next = self.receiver.recv().await;
        while let Some(line) = next {
            let (line, _room) = line?;
            size += line.size();
            batch.push(line);
            if batch.len() >= count || size >= bytes {
                break;
            }
            next = match tokio::time::timeout(GATHER, self.receiver.recv()).await {
                Ok(next) => next,
                Err(_) => break,
            };
        }
        Ok(batch)
    }
}

struct Reader<R> {
    inner: BufReader<R>,
    number: u64,
    end: u64,
}

impl<R: Read> Reader<R> {
    fn next_line(&mut self) -> io::Result<Option<Line>> {
        loop {
            let mut text = Vec::new();
            let read = self.inner.by_ref().take(LINE_LIMIT).read_until(b'\n', &mut text)?;
            if read == 0 {
                return Ok(None);
            }
            self.number += 1;
            self.end += read as u64;
            let whole = text.ends_with(b"\n") || (read as u64) < LINE_LIMIT;
            let text = if whole {
                Ok(text.trim_ascii().to_vec())
            } else {
                self.end += self.skip_line()?;
                Err(format!("it has more than {} MiB", LINE_LIMIT >> 20))
            };
            if text.as_ref().is_ok_and(Vec::is_empty) {
                continue;
            }
            return Ok(Some(Line { number: self.number, text, end: self.end }));
        }
    }

    /// Reads over the rest of a line; how many bytes that were.
    fn skip_line(&mut self) -> io::Result<u64> {
        let mut skipped = 0;
        loop {
            let buffer = self.inner.fill_buf()?;
            let (used, done) = match buffer.iter().position(|byte| *byte == b'\n') {
                Some(at) => (at + 1, true),
                None => (buffer.len(), buffer.is_empty()),
            };
            self.inner.consume(used);
            skipped += used as u64;
            if done {
                return Ok(skipped);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(reader: impl Read) -> Vec<Line> {
        let mut reader = Reader { inner: BufReader::new(reader), number: 0, end: 0 };
        std::iter::from_fn(|| reader.next_line().ok().flatten()).collect()
    }

    #[test]
    fn blank_lines_count_but_are_no_jobs() {
        let lines = all("1\n\n  \r\n{\"a\": 2}\r\n3".as_bytes());
        let read: Vec<_> = lines.iter().map(|l| (l.number, l.text.clone(), l.end)).collect();
        assert_eq!(
            read,
            [
                (1, Ok(b"1".to_vec()), 2),
                (4, Ok(b"{\"a\": 2}".to_vec()), 17),
                (5, Ok(b"3".to_vec()), 18),
            ]
        );
    }

    #[test]
    fn a_line_without_end_is_a_bad_line_and_the_next_is_read() {
        let long = io::repeat(b'x').take(LINE_LIMIT + 10).chain("\n7\n".as_bytes());
        let lines = all(long);
        assert_eq!(lines.len(), 2);
        assert!(lines[0].text.as_ref().is_err_and(|why| why.contains("64 MiB")));
        assert_eq!((lines[1].number, lines[1].text.clone()), (2, Ok(b"7".to_vec())));
        assert_eq!(lines[1].end, LINE_LIMIT + 10 + 3);
    }

    #[tokio::test]
    async fn batches_are_bounded_by_count_and_by_size() {
        let mut lines = Lines::open("1\n2\n3\n4444\n5").unwrap_or_else(|e| panic!("{e:?}"));
        let mut numbers = Vec::new();
        loop {
            let batch = lines.batch(2, 4).await.unwrap_or_else(|e| panic!("{e:?}"));
            if batch.is_empty() {
                break;
            }
            numbers.push(batch.iter().map(|line| line.number).collect::<Vec<_>>());
        }
        assert_eq!(numbers, [vec![1, 2], vec![3, 4], vec![5]]);
        assert!(Lines::open("@no/such/file").is_err());
    }
}
