//! What the command line may say. Every doc comment here is help that a person reads.

use std::ffi::OsString;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, CommandFactory, Parser, Subcommand};

mod bench;
mod dev;
mod duration;
mod new;
mod pull;
mod put;
mod queues;
mod replay;
mod values;
mod work;

pub(crate) use bench::BenchArgs;
pub(crate) use dev::DevArgs;
pub(crate) use duration::{format as format_duration, parse as parse_duration};
pub(crate) use new::{ComponentizeArgs, Language, NewArgs};
pub(crate) use pull::{
    CompleteArgs, FailArgs, LeaseArgs, NextArgs, ProgressArgs, ReleaseArgs, Wait,
};
pub(crate) use put::PutArgs;
pub(crate) use queues::{ClearArgs, IdsArgs, JobArgs, ListArgs, RetryArgs, StatsArgs};
pub(crate) use replay::ReplayArgs;
pub(crate) use values::{Serving, size as parse_size};
pub(crate) use work::{
    GrantArgs, InspectArgs, PolicyCommand, RunArgs, SignArgs, VerifyArgs, WorkArgs,
};

/// A durable job queue in MongoDB, whose handlers are sandboxed WebAssembly components.
///
/// Without --uri and MONGODB_URI every command uses a private MongoDB, which the first one starts
/// in the background and which ends by itself when it has been idle for some minutes.
#[derive(Debug, Parser)]
#[command(name = "mongoqueue", version, styles = STYLES)]
#[command(after_help = EXIT_CODES, subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,

    #[command(subcommand)]
    pub(crate) command: Command,
}

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default())
    .placeholder(AnsiColor::Cyan.on_default());

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  the answer is no: empty queue, lease lost, no such job, duplicate, not in that state
  2  misuse, or an input that can never be accepted
  3  the database can't be reached, or can't be used
  4  a component was refused

Durations have units: 500ms, 2s, 5m, 1h30m. Queues need no making: the first put makes one.";

/// What every command takes.
#[derive(Clone, Debug, Args)]
pub(crate) struct Global {
    /// Where the database is: mongodb://… or mongodb+srv://…
    ///
    /// A server that doesn't answer is given up after 5 s, unless the URI says
    /// serverSelectionTimeoutMS.
    #[arg(long, global = true, env = "MONGODB_URI", hide_env_values = true)]
    #[arg(value_name = "URI", help_heading = "Connection")]
    pub(crate) uri: Option<String>,

    /// The database that holds the queues. Default: the one in the URI, else "mongoqueue".
    #[arg(long, global = true, value_name = "NAME", help_heading = "Connection")]
    pub(crate) database: Option<String>,

    /// The collection that holds the jobs of all queues.
    #[arg(long, global = true, value_name = "NAME", help_heading = "Connection")]
    #[arg(default_value = "jobs")]
    pub(crate) collection: String,

    /// The name under which this process claims jobs. Default: made of process and chance.
    #[arg(long, global = true, value_name = "NAME", help_heading = "Connection")]
    pub(crate) consumer: Option<String>,

    /// The largest payload, output or saved state: 512KiB, 4MiB; at most 15MiB.
    #[arg(long, global = true, value_name = "SIZE", value_parser = values::size)]
    #[arg(default_value = "1MiB", help_heading = "Connection")]
    pub(crate) payload_limit: usize,

    /// Answer in JSON: one document, or one a line; errors too, on stderr.
    #[arg(long, global = true, help_heading = "Output")]
    pub(crate) json: bool,
}

impl Global {
    /// An empty `MONGODB_URI` is none. An empty `--uri` stays, and is refused: whoever wrote it meant
    /// a server, and not the private one.
    pub(crate) fn forget_empty_variable(&mut self) {
        let is_option = |word: &OsString| word.to_string_lossy().starts_with("--uri");
        if self.uri.as_deref() == Some("") && !std::env::args_os().any(|word| is_option(&word)) {
            self.uri = None;
        }
    }
}

/// The commands, in the order in which `--help` shows them.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a folder with a handler in it that builds and runs as it stands.
    New(NewArgs),
    /// Build a handler, do its jobs, and again whenever its folder changes.
    Dev(DevArgs),
    /// Make the collections, their validator and indexes in the database (again: does no harm).
    Init,
    /// Put a job, or one per line of a file; prints the job's id.
    Put(PutArgs),
    /// Do jobs: run each one in a fresh sandbox of the queue's component.
    Work(WorkArgs),
    /// Run a component that is a program: one that puts jobs, or claims them in a loop of its own.
    Run(RunArgs),
    /// Claim the next job and print it, for a program that does jobs itself.
    Next(NextArgs),
    /// Settle a claimed job: its work is done.
    Complete(CompleteArgs),
    /// Settle a claimed job: this attempt failed.
    Fail(FailArgs),
    /// Put a claimed job back without counting an attempt.
    Release(ReleaseArgs),
    /// Say how far a claimed job is, and extend its lease.
    Progress(ProgressArgs),
    /// Extend the lease of a claimed job.
    Heartbeat(LeaseArgs),
    /// Show a job with everything that happened to it.
    Get(JobArgs),
    /// List jobs.
    List(ListArgs),
    /// Count the jobs of a queue, or of every queue.
    Stats(StatsArgs),
    /// Make an attempt of a job again, here and now, without touching the queue.
    Replay(ReplayArgs),
    /// Make dead or cancelled jobs ready again, with all their attempts.
    Retry(RetryArgs),
    /// Cancel jobs that wait, or ask those that run to stop.
    Cancel(IdsArgs),
    /// Remove every job of a queue, whatever its state.
    Clear(ClearArgs),
    /// Show what a component exports and imports, and what it would need granted.
    Inspect(InspectArgs),
    /// Look after the file that says which component serves which queue, and what it is granted.
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Make a component of a core module, as clang makes them of C.
    Componentize(ComponentizeArgs),
    /// Sign a component with a private key.
    Sign(SignArgs),
    /// Say whether a component is signed by the owner of a public key.
    Verify(VerifyArgs),
    /// Show it all: real jobs and misbehaving ones, on a MongoDB of its own.
    Demo,
    /// Measure how fast the queue is on this server, beside what the bare driver does there.
    Bench(BenchArgs),
    /// Look after the private MongoDB that runs when no URI is given.
    #[command(subcommand)]
    Server(ServerCommand),
    /// Print a script that completes this program's commands in a shell.
    ///
    /// For bash, in ~/.bashrc: source <(mongoqueue completions bash)
    Completions {
        /// For which shell.
        shell: clap_complete::Shell,
    },
    /// Print the version.
    Version,
    /// The process that compiles a component for another of these.
    #[command(hide = true)]
    CompileComponent,
}

/// `mongoqueue server …`
#[derive(Debug, Subcommand)]
pub(crate) enum ServerCommand {
    /// Say whether it runs, where its data is and when it will end.
    Status,
    /// End it now; its data stays for the next start.
    Stop,
    /// The process that starts the server and ends it when it is idle.
    #[command(hide = true)]
    Run,
}

/// The whole command, its exit codes printed by the help of every part of it.
pub(crate) fn command() -> clap::Command {
    Cli::command().mut_subcommands(|command| command.after_help(EXIT_CODES))
}

#[cfg(test)]
mod tests;
