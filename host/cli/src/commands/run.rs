//! `mongoqueue run`: a component with a loop of its own, a producer or a worker in pull mode.

use std::collections::BTreeMap;

use mongoqueue::Failure;
use mongoqueue_wasmtime::{Sandbox, SandboxOptions};
use serde_json::json;

use crate::args::{Global, RunArgs, format_duration};
use crate::component::{self, log};
use crate::connect;
use crate::show::Show;
use crate::signals::Signals;
use crate::trouble::{Exit, Granting, Result, Trouble, refused};

pub(super) async fn run(global: &Global, show: Show, args: RunArgs) -> Result<()> {
    let mq = connect::open(global, show).await?;
    let pairs = |all: &'_ [(String, String)]| all.iter().cloned().collect::<BTreeMap<_, _>>();
    let (put, claim) = (pairs(&args.grants.queue), pairs(&args.grants.consume));
    let grants = component::grants(&mq, &put, &claim)?;
    let options = SandboxOptions {
        instances: 1,
        cache: component::cache(),
        compiler: component::compiler(),
        ..Default::default()
    };
    let sandbox = Sandbox::new(options)?;
    let waiting = component::compiling(show, &args.component);
    let program = component::program(&sandbox, &args.component, grants).await;
    waiting.finish_and_clear();
    let program = program.map_err(|error| refused(&error, Granting::Options { queue: None }))?;
    let (sink, mut lines) = log::channel();
    let name = args.component.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let program = program.with_log(log::sink(sink, &name));
    let mut signals = Signals::listen()?;
    let running = program.run(args.timeout);
    tokio::pin!(running);
    let ended = loop {
        tokio::select! {
            Some(line) = lines.recv() => log::print(show, &line)?,
            ended = &mut running => break ended,
            // Dropping it releases what it holds.
            _ = signals.next() => return Err(Trouble::new(Exit::No, "interrupted", "interrupted")),
        }
    };
    while let Ok(line) = lines.try_recv() {
        log::print(show, &line)?;
    }
    ended.map_err(|failure| failed(&failure, &args))
}

fn failed(failure: &Failure, args: &RunArgs) -> Trouble {
    let Failure { kind, message, stderr, backtrace, .. } = failure;
    let mut words = format!("the program died: {kind}: {message}");
    if kind == "timeout" {
        words +=
            &format!("\n--timeout lets it run for longer than {}", format_duration(args.timeout));
    }
    if let Some(backtrace) = backtrace {
        words += &format!("\n{backtrace}");
    }
    Trouble::new(Exit::No, "program-died", words)
        .with("death", json!({ "kind": kind, "message": message, "stderr": stderr }))
}
