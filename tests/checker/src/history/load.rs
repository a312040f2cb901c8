//! Reading histories back.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::{ENDING, Event, Line, Phase, Run};

/// What all processes of a run said, file by file, each in its own order.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// The lines.
    pub lines: Vec<Line>,
    /// Lines that could not be read: torn by a kill, or of a form that this version doesn't know.
    pub unreadable: u64,
}

impl History {
    /// Reads every history in the folder.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn load(folder: &Path) -> io::Result<Self> {
        let mut files = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|ending| ending == ENDING) {
                files.push(path);
            }
        }
        files.sort();
        let mut history = Self::default();
        for file in files {
            let name = file.file_stem().map(|name| name.to_string_lossy().into_owned());
            // Bytes: a torn line may end within a character.
            history.add(&name.unwrap_or_default(), &fs::read(&file)?);
        }
        Ok(history)
    }

    /// Adds the history of a process.
    pub fn add(&mut self, process: &str, text: &[u8]) {
        let process: Arc<str> = process.into();
        for text in text.split(|byte| *byte == b'\n').filter(|text| !text.is_empty()) {
            match serde_json::from_slice::<Line>(text) {
                Ok(line) => self.lines.push(Line { process: process.clone(), ..line }),
                Err(_) => self.unreadable += 1,
            }
        }
    }

    /// What the checker said about the run.
    pub fn run(&self) -> Option<&Run> {
        self.lines.iter().find_map(|line| match &line.event {
            Event::Run(run) => Some(run),
            _ => None,
        })
    }

    /// The wall clock of the checker, microseconds since 1970, when the drain began; `None` where
    /// none was begun.
    pub fn drain_began_us(&self) -> Option<i64> {
        let begins = self
            .lines
            .iter()
            .filter(|line| matches!(line.event, Event::Drain { phase: Phase::Begin }));
        begins.map(|line| line.at_us).max()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Answer, PutAnswer, Recorder};
    use super::*;

    #[test]
    fn what_is_recorded_is_read_back_and_what_is_torn_is_skipped() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let events = [
            Event::Began { role: "puller".into(), queues: vec!["q".into()], consumer: "c".into() },
            Event::Claimed {
                job: "a".into(),
                token: "t".into(),
                attempt: 1,
                saved: Some(3),
                lease_ms: 1_000,
            },
            Event::SaveAnswer {
                job: "a".into(),
                token: "t".into(),
                value: 4,
                answer: Answer::Failed { why: "no\nhost".into() },
            },
            Event::PutAnswer { call: 1, answers: vec![PutAnswer::Created, PutAnswer::Existed] },
        ];
        let recorder = Recorder::open(folder.path(), "puller-1")?;
        for event in &events {
            recorder.record(event.clone())?;
        }
        let file = folder.path().join("puller-1.history");
        let mut text = fs::read(&file)?;
        text.extend_from_slice(
            b"{\"n\":5,\"at_us\":1,\"mono_us\":1,\"event\":\"a-new-one\",\"x\":[1]}\n",
        );
        text.extend_from_slice("{\"n\":6,\"at_us\":1,\"mo\u{e9}".as_bytes());
        text.pop();
        fs::write(&file, &text)?;
        // Another of the same name goes on behind the torn line.
        Recorder::open(folder.path(), "puller-1")?.record(Event::Ended { clean: true })?;

        let history = History::load(folder.path())?;
        let said: Vec<Event> = history.lines.iter().map(|line| line.event.clone()).collect();
        assert_eq!(said[..4], events);
        assert_eq!(said[4..], [Event::Unknown, Event::Ended { clean: true }]);
        assert_eq!(history.unreadable, 1);
        assert!(history.lines.iter().all(|line| &*line.process == "puller-1"));
        assert_eq!(history.lines[5].n, 1);
        Ok(())
    }
}
