//! What each process of a run writes down: every call before it is made, every answer when it is
//! there.
//!
//! A process appends JSON lines to a file of its own in the run's folder, each with one `write`: what
//! a process had said before it was killed is in the file. Reading tolerates a torn line, an event
//! that it doesn't know, and a file that ends anywhere.
//!
//! - [`Event`]: what can be said;
//! - [`Recorder`]: how it is written;
//! - [`History`]: all of a run's, read back.

mod event;
mod load;
mod record;

pub use event::{Answer, Event, Phase, PutAnswer, PutJob, Run, Verdict};
pub use load::History;
pub use record::{Line, Recorder, UPTIME_STEP_US, uptime_us};

/// The files of a run's folder that are histories of processes end in this.
pub const ENDING: &str = "history";
