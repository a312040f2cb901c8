//! One stage of the demo: what is being done while it is done, and what was done after it.

use std::time::Instant;

use indicatif::ProgressBar;

use crate::args::format_duration;
use crate::show::{Show, Tone, bar, escape};
use crate::trouble::Result;

/// Width of the text before a stage's time.
const WIDTH: usize = 76;

/// A stage that is under way.
pub(super) struct Stage {
    show: Show,
    begun: Instant,
    waiting: ProgressBar,
}

impl Stage {
    pub(super) fn begin(show: Show, doing: &str) -> Self {
        Self::with(show, doing, bar::bar(None, "", !show.json))
    }

    /// One whose jobs are counted.
    pub(super) fn counting(show: Show, doing: &str, jobs: u64) -> Self {
        Self::with(show, doing, bar::bar(Some(jobs), "{pos} of {len} jobs", !show.json))
    }

    fn with(show: Show, doing: &str, waiting: ProgressBar) -> Self {
        waiting.set_message(doing.to_owned());
        // Where nothing can be drawn a line says what is being waited for.
        if waiting.is_hidden() {
            show.note(&format!("  … {doing}"));
        }
        Self { show, begun: Instant::now(), waiting }
    }

    /// Says more on what is being done.
    pub(super) fn detail(&self, doing: &str) {
        self.waiting.set_message(escape::cut(doing, WIDTH));
    }

    /// One more.
    pub(super) fn count(&self) {
        self.waiting.inc(1);
    }

    /// The end, and what is there now.
    pub(super) fn end(self, done: &str) -> Result<()> {
        self.waiting.finish_and_clear();
        if self.show.json {
            return Ok(());
        }
        let took = self.show.paint(Tone::Faint, &format_duration(self.begun.elapsed()));
        let tick = self.show.paint(Tone::Good, "✓");
        self.show.line(&format!("  {tick} {:<WIDTH$} {took}", escape::line(done)))
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.waiting.finish_and_clear();
    }
}
