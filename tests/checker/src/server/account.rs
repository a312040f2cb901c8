//! Reading the server's account back.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use super::{Deed, FILE, Of, Write};

/// The server's account of a run.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// What was written, in order, with the checker's marks between.
    pub writes: Vec<Write>,
    /// The documents that were there after the run.
    pub left: Vec<Write>,
    /// The server's time when they were read, in milliseconds since 1970; `None` where nobody did.
    pub read_at: Option<i64>,
    /// What is known to be missing, and why.
    pub gaps: Vec<String>,
    /// Lines that could not be read.
    pub unreadable: u64,
}

impl Account {
    /// Reads the account in the folder.
    ///
    /// # Errors
    /// Those of the file system, one when there is no account among them.
    pub fn load(folder: &Path) -> io::Result<Self> {
        let mut account = Self::default();
        for line in BufReader::new(File::open(folder.join(FILE))?).split(b'\n') {
            let line = line?;
            if !line.is_empty() {
                account.add(&line);
            }
        }
        Ok(account)
    }

    /// Adds a line.
    pub fn add(&mut self, line: &[u8]) {
        match serde_json::from_slice::<Write>(line) {
            Ok(write) => self.push(write),
            Err(_) => self.unreadable += 1,
        }
    }

    /// Adds a write.
    pub fn push(&mut self, write: Write) {
        match write.deed {
            Deed::Left { .. } => self.left.push(write),
            Deed::Read => self.read_at = Some(write.wall),
            Deed::Gap { why } => self.gaps.push(why),
            Deed::Unknown => self.unreadable += 1,
            Deed::Put { .. } | Deed::Change { .. } | Deed::Delete => self.writes.push(write),
        }
    }

    /// The position of the last mark of this name among the writes.
    pub fn mark(&self, name: &str) -> Option<usize> {
        self.writes.iter().rposition(|write| write.of == Of::Mark && write.id == name)
    }
}
