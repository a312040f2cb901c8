//! The commands, one room each.

use crate::args::{Cli, Command};
use crate::show::Show;
use crate::trouble::Result;

mod bench;
mod componentize;
mod dev;
mod init;
mod inspect;
pub(crate) mod look;
mod mend;
mod new;
mod next;
mod policy;
mod put;
mod replay;
mod run;
mod server;
mod settle;
mod shell;
mod sign;
mod work;

/// Does what the command line says.
pub(crate) async fn run(cli: Cli, show: Show) -> Result<()> {
    let global = &cli.global;
    match cli.command {
        Command::New(args) => new::run(show, &args),
        Command::Dev(args) => dev::run(global, show, args).await,
        Command::Init => init::run(global, show).await,
        Command::Put(args) => put::run(global, show, args).await,
        Command::Work(args) => work::run(global, show, args).await,
        Command::Run(args) => run::run(global, show, args).await,
        Command::Next(args) => next::run(global, show, args).await,
        Command::Complete(args) => settle::complete(global, show, args).await,
        Command::Fail(args) => settle::fail(global, show, args).await,
        Command::Release(args) => settle::release(global, show, args).await,
        Command::Progress(args) => settle::progress(global, show, args).await,
        Command::Heartbeat(args) => settle::heartbeat(global, show, args).await,
        Command::Get(args) => look::get(global, show, args).await,
        Command::List(args) => look::list(global, show, args).await,
        Command::Stats(args) => look::stats(global, show, args).await,
        Command::Replay(args) => replay::run(global, show, args).await,
        Command::Retry(args) => mend::retry(global, show, args).await,
        Command::Cancel(args) => mend::cancel(global, show, args).await,
        Command::Clear(args) => mend::clear(global, show, args).await,
        Command::Inspect(args) => inspect::run(show, &args),
        Command::Policy(command) => policy::run(global, show, &command),
        Command::Componentize(args) => componentize::run(show, &args),
        Command::Sign(args) => sign::sign(show, &args),
        Command::Verify(args) => sign::verify(show, &args),
        Command::Demo => crate::demo::run(global, show).await,
        Command::Bench(args) => bench::run(global, show, args).await,
        Command::Server(command) => server::run(show, command).await,
        Command::Completions { shell } => shell::completions(show, shell),
        Command::Version => shell::version(show),
        Command::CompileComponent => crate::component::compile(),
    }
}
