//! The command line of mongoqueue. See `mongoqueue --help`.

use std::process::ExitCode;

use clap::FromArgMatches;

mod args;
mod commands;
mod component;
mod connect;
mod demo;
mod input;
mod policy;
mod show;
mod signals;
mod trouble;

use args::Cli;
use show::{Show, complain};
use trouble::{Exit, Trouble};

fn main() -> ExitCode {
    if std::env::args_os().len() < 2 {
        let _ = args::command().print_help();
        return ExitCode::from(Exit::Misuse as u8);
    }
    let parsed = args::command().try_get_matches().and_then(|m| Cli::from_arg_matches(&m));
    let (cli, show) = match parsed {
        Ok(mut cli) => {
            cli.global.forget_empty_variable();
            let show = Show::new(cli.global.json);
            (cli, show)
        }
        Err(error) => return misuse(&error),
    };
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            let message = format!("can't start threads: {error}");
            return end(Err(Trouble::new(Exit::Misuse, "system", message)), show.json);
        }
    };
    let ended = runtime.block_on(commands::run(cli, show));
    // It ends with the process. Shut down, it would drop tasks of the driver beside others that
    // still talk to them and panic; and a thread may wait for standard input.
    std::mem::forget(runtime);
    end(ended, show.json)
}

fn end(ended: trouble::Result<()>, json: bool) -> ExitCode {
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) if trouble.is_unheard() => ExitCode::SUCCESS,
        Err(trouble) => {
            complain(&trouble.render(json));
            ExitCode::from(trouble.exit as u8)
        }
    }
}

/// What clap says, help and version included.
fn misuse(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    // The arguments could not be read, so whether JSON is wanted is looked up in them.
    if std::env::args_os().any(|argument| argument == "--json") {
        let message = error.render().to_string();
        let message = message.trim().trim_start_matches("error: ");
        return end(Err(Trouble::misuse(message)), true);
    }
    let _ = error.print();
    ExitCode::from(Exit::Misuse as u8)
}
