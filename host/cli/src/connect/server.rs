//! The private server in the background: started by the first command that needs it, shared by
//! all, ended when nobody has used it for a while.

use std::process::Command;
use std::time::Duration;

use indicatif::ProgressBar;
use mongoqueue_mongod::{Places, Server, Step};

use crate::show::{Show, bar, escape};
use crate::trouble::{Exit, Result, Trouble};

/// How long nobody must have been connected before it ends. Long enough for a person who reads
/// between two commands; its start takes a second or two.
pub(crate) const IDLE: Duration = Duration::from_secs(10 * 60);

/// The URI of the server, started where it doesn't run.
pub(crate) async fn uri(show: Show) -> Result<String> {
    let places = Places::from_env()?;
    let mut teller = Teller::new(show);
    let server = Server::obtain(&places, keeper()?, &mut |step| teller.tell(&step)).await;
    teller.end();
    Ok(server?.uri())
}

/// This program again, as the process that keeps the server.
fn keeper() -> Result<Command> {
    let program = std::env::current_exe().map_err(|error| {
        let message = format!("can't find this program to run it in the background: {error}");
        Trouble::new(Exit::Database, "no-server", message)
    })?;
    let mut command = Command::new(program);
    command.args(["server", "run"]);
    Ok(command)
}

/// Tells a person what takes long while a server is found, fetched and started.
pub(crate) struct Teller {
    show: Show,
    bar: Option<(Kind, ProgressBar)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Spinner,
    Download,
}

impl Teller {
    pub(crate) fn new(show: Show) -> Self {
        Self { show, bar: None }
    }

    pub(crate) fn tell(&mut self, step: &Step) {
        match step {
            // Takes no time worth a word.
            Step::Looking => {}
            Step::Skipped { .. } => {
                self.end();
                self.show.note(&escape::line(&step.to_string()));
            }
            Step::Downloading { bytes, total } => {
                let download = self.bar(Kind::Download, Some(*total));
                download.set_length(*total);
                download.set_position(*bytes);
            }
            _ => self
                .bar(Kind::Spinner, None)
                .set_message(escape::line(&step.to_string()).into_owned()),
        }
    }

    /// The bar of this kind, a new one where the last was of another.
    fn bar(&mut self, kind: Kind, total: Option<u64>) -> ProgressBar {
        if let Some((current, bar)) = &self.bar
            && *current == kind
        {
            return bar.clone();
        }
        self.end();
        let bar = match kind {
            Kind::Spinner => bar::bar(None, "", !self.show.json),
            Kind::Download => bar::bar(total, "{bytes} of {total_bytes}", !self.show.json),
        };
        if kind == Kind::Download {
            bar.set_message("downloading mongod");
            // Once is enough where no bar can be seen.
            if bar.is_hidden() {
                self.show.note("downloading mongod (42 MB, once)");
            }
        }
        self.bar = Some((kind, bar.clone()));
        bar
    }

    pub(crate) fn end(&mut self) {
        if let Some((_, bar)) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}
