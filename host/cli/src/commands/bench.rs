//! `mongoqueue bench`: how fast the queue is on somebody's server.

use std::fs::{self, OpenOptions};
use std::path::Path;
use std::process::Command;

use indicatif::ProgressBar;
use mongoqueue_bench::{Error, Ground, Options, Report, Step, worker_process};

use crate::args::{BenchArgs, Global};
use crate::connect::{self, server};
use crate::show::{Show, bar, escape};
use crate::signals::Signals;
use crate::trouble::{Exit, Result, Trouble, driver};

pub(super) async fn run(global: &Global, show: Show, args: BenchArgs) -> Result<()> {
    let uri = match &global.uri {
        Some(uri) => connect::with_timeout(uri),
        None => server::uri(show).await?,
    };
    if let Some(role) = &args.worker_process {
        return Ok(worker_process(&uri, role).await?);
    }
    let options = args.options();
    options.check()?;
    for file in args.html.iter().chain(&args.markdown) {
        writable(file)?;
    }
    let mut signals = Signals::listen()?;
    let database = global.database.as_deref();
    let ground = Ground::open(&uri, database, args.force, Box::new(again)).await?;
    let measured = tokio::select! {
        measured = measure(&ground, &options, show) => measured,
        _ = signals.next() => Err(interrupted()),
    };
    let name = ground.name().to_owned();
    let closed = ground.close().await.map_err(|error| {
        let message = format!("the database {name} could not be dropped: {error}");
        Trouble::new(Exit::Database, "not-dropped", message)
    });
    let report = measured?;
    closed?;
    answer(show, &args, &report)
}

/// Measures, and shows a person each part when it is done.
async fn measure(ground: &Ground, options: &Options, show: Show) -> Result<Report> {
    let (mut waiting, mut said) = (ProgressBar::hidden(), Ok(()));
    let mut tell = |step: Step<'_>| {
        waiting.finish_and_clear();
        match step {
            Step::Begin { name } => {
                waiting = bar::bar(None, "", !show.json);
                waiting.set_message(format!("measuring {name}"));
            }
            Step::Done(done) if !show.json && said.is_ok() => {
                said = show.line(&format!("{}\n", done.table(show.colours)));
            }
            _ => {}
        }
    };
    let report = mongoqueue_bench::run(ground, options, &command(), &mut tell).await;
    waiting.finish_and_clear();
    let report = report?;
    said?;
    Ok(report)
}

fn answer(show: Show, args: &BenchArgs, report: &Report) -> Result<()> {
    if let Some(file) = &args.html {
        fs::write(file, report.page()).map_err(|error| unwritable(file, &error))?;
    }
    if let Some(file) = &args.markdown {
        let written = fs::read_to_string(file)
            .and_then(|before| fs::write(file, report.markdown_in(&before)));
        written.map_err(|error| unwritable(file, &error))?;
    }
    if show.json {
        let value = serde_json::to_value(report).map_err(|error| {
            Trouble::new(Exit::Misuse, "output", format!("the report is no JSON: {error}"))
        })?;
        show.line(&escape::json(&value))?;
    } else {
        if args.check {
            show.line(&format!("{}\n", report.verdicts(show.colours)))?;
        }
        show.line(&report.machine.words())?;
        if !report.machine.optimised {
            show.note("built without optimisation: these figures say nothing");
        }
    }
    match report.shortfall() {
        Some(message) if args.check => Err(Trouble::new(Exit::No, "targets-missed", message)),
        _ => Ok(()),
    }
}

/// This program again, as a worker process of the bench.
fn again() -> std::io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["bench", "--worker-process"]);
    Ok(command)
}

/// What the person typed, as far as others may know it: a URI can have a password.
fn command() -> String {
    let mut words = Vec::new();
    let mut hidden = false;
    for word in std::env::args().skip(1) {
        let of_uri = word == "--uri";
        if hidden {
            words.push("…".to_owned());
        } else if word.starts_with("--uri=") {
            words.push("--uri=…".to_owned());
        } else {
            words.push(word);
        }
        hidden = of_uri;
    }
    format!("mongoqueue {}", words.join(" "))
}

/// Found out before minutes of measuring rather than after; what is there stays until then.
fn writable(file: &Path) -> Result<()> {
    let opened = OpenOptions::new().append(true).create(true).open(file);
    opened.map(drop).map_err(|error| unwritable(file, &error))
}

fn unwritable(file: &Path, error: &std::io::Error) -> Trouble {
    Trouble::misuse(format!("can't write {}: {error}", file.display()))
}

fn interrupted() -> Trouble {
    Trouble::new(Exit::No, "interrupted", "the bench was interrupted; nothing of it is left")
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        match error {
            Error::Queue(error) => error.into(),
            Error::Driver(error) if driver::is_bad_name(&error) => {
                Self::new(Exit::Misuse, "invalid", message)
            }
            Error::Driver(_) => Self::new(Exit::Database, "database", message),
            Error::InUse { database, collection } => {
                let further = "--force measures all the same: in a database of its own, on the \
                               same server.";
                Self::new(Exit::No, "in-use", format!("{message}\n{further}"))
                    .with("database", database)
                    .with("collection", collection)
            }
            Error::NoPart { .. } => Self::misuse(message),
            Error::Guest(_) => Self::new(Exit::Misuse, "sandbox", message),
            Error::Process(_) => Self::new(Exit::Misuse, "system", message),
            _ => Self::new(Exit::No, "not-measured", message),
        }
    }
}
