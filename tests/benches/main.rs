//! `cargo bench`: how fast the queue is, as ratios to what is measured beside it in the same run.
//! What is measured is in `host/bench`; `mongoqueue bench` measures the same on any server.
//!
//! Everything runs against `MONGODB_URI`, or a private `mongod`, in a database of its own that is
//! dropped at the end.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use mongoqueue_bench::{Ground, Options, Report, Step, fill, run, worker_process};
use mongoqueue_mongod::{Data, Mongod, Places};
use mongoqueue_tests::{built, server};

mod count;
mod languages;

/// What makes this program a worker process.
const WORKER: &str = "worker-process";

const USAGE: &str = "\
--check            judge the targets, and end with exit code 1 when one is missed
--quick            measure less of everything: to see that it works
--only NAME,…      some parts alone
--jobs N           jobs of a drain (40,000)
--runs N           how often each rate is measured (5)
--payload BYTES    of a job (200)
--waiting N        the most jobs of `backlog`, and those that stay waiting in `long` (100,000)
--long SECONDS     how long the part `long` drains (20)
--json             one JSON document
--html FILE        a page with tables and plots, beside the rest
--markdown FILE    tables, in a document that has <!-- bench --> and <!-- /bench --> between these
--languages FILE   in place of all this: what a handler costs in each language, as a table in a
                   document that has <!-- languages --> and <!-- /languages --> around it";

/// What was asked for on the command line.
struct Args {
    options: Options,
    check: bool,
    json: bool,
    html: Option<PathBuf>,
    markdown: Option<PathBuf>,
}

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Runtime::new()?;
    if let [word, role] = words.as_slice()
        && word == WORKER
    {
        let uri = std::env::var("MONGODB_URI").context("MONGODB_URI")?;
        return Ok(runtime.block_on(worker_process(&uri, role))?);
    }
    if let [flag, name] = words.iter().filter(|it| *it != "--bench").collect::<Vec<_>>()[..]
        && flag == "--languages"
    {
        return write_in(&file(name)?, |before| {
            Ok(fill(before, "languages", &runtime.block_on(languages::table())?))
        });
    }
    runtime.block_on(bench(parse(&words)?, &words))
}

/// A file to write: cargo runs this program in a folder of its own, people mean the checkout's. Known
/// to be possible before anything is measured.
fn file(name: &str) -> Result<PathBuf> {
    let path = built::checkout().join(name);
    let folder = path.parent().unwrap_or(&path);
    ensure!(folder.is_dir(), "{name}: there is no folder {}", folder.display());
    ensure!(!path.is_dir(), "{name} is a folder");
    Ok(path)
}

fn write_in(file: &Path, filled: impl FnOnce(&str) -> Result<String>) -> Result<()> {
    let before = std::fs::read_to_string(file).unwrap_or_default();
    std::fs::write(file, filled(&before)?).with_context(|| file.display().to_string())
}

fn parse(words: &[String]) -> Result<Args> {
    let quick = words.iter().any(|word| word == "--quick");
    let options = if quick { Options::quick() } else { Options::default() };
    let mut args = Args { options, check: false, json: false, html: None, markdown: None };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().with_context(|| format!("{word} wants a value"));
        let number = |text: &String| -> Result<usize> {
            text.parse().with_context(|| format!("{word} {text}: no number"))
        };
        match word.as_str() {
            // Cargo's own.
            "--bench" | "--quick" => {}
            "--check" => args.check = true,
            "--json" => args.json = true,
            "--only" => args.options.only = value()?.split(',').map(str::to_owned).collect(),
            "--jobs" => args.options.jobs = number(value()?)?,
            "--runs" => args.options.runs = number(value()?)?,
            "--payload" => args.options.payload = number(value()?)?,
            "--waiting" => args.options.waiting = number(value()?)?,
            "--long" => args.options.long = Duration::from_secs(number(value()?)? as u64),
            "--html" => args.html = Some(file(value()?)?),
            "--markdown" => args.markdown = Some(file(value()?)?),
            other => bail!("{other:?} is none of\n{USAGE}"),
        }
    }
    args.options.check()?;
    Ok(args)
}

#[expect(clippy::print_stdout, reason = "the bench is a program for people")]
async fn bench(mut args: Args, words: &[String]) -> Result<()> {
    // The smallest example guest, as the SDK and the compiler make it.
    args.options.guest = Some(std::fs::read(built::guest("pure")?)?);
    args.options.counter = Some(count::count);
    let (mongod, uri) = somewhere().await?;
    let again = || {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(WORKER);
        Ok(command)
    };
    let ground = Ground::open(&uri, None, false, Box::new(again)).await?;
    let mut tell = |step: Step<'_>| {
        if let Step::Done(done) = step
            && !args.json
        {
            println!("{}\n", done.table(false));
        }
    };
    let words: Vec<&str> = words.iter().map(String::as_str).filter(|it| *it != "--bench").collect();
    let command = format!("cargo bench -- {}", words.join(" "));
    let measured = tokio::select! {
        measured = run(&ground, &args.options, &command, &mut tell) => Some(measured),
        _ = tokio::signal::ctrl_c() => None,
    };
    ground.close().await?;
    if let Some(mongod) = mongod {
        mongod.stop().await?;
    }
    let report = measured.context("interrupted; nothing of the bench is left")??;
    if let Some(file) = &args.html {
        std::fs::write(file, report.page()).with_context(|| file.display().to_string())?;
    }
    if let Some(file) = &args.markdown {
        write_in(file, |before| Ok(report.markdown_in(before)))?;
    }
    if args.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        println!("{}\n\n{}", report.verdicts(false), report.machine.words());
    }
    verdict(&args, &report)
}

fn verdict(args: &Args, report: &Report) -> Result<()> {
    match report.shortfall() {
        Some(words) if args.check => bail!("{words}"),
        _ => Ok(()),
    }
}

/// `MONGODB_URI`, or a private replica set of one with the settings that docs/performance.md
/// recommends.
async fn somewhere() -> Result<(Option<Mongod>, String)> {
    if let Ok(uri) = std::env::var("MONGODB_URI")
        && !uri.is_empty()
    {
        return Ok((None, uri));
    }
    let mut options = mongoqueue_mongod::Options::default();
    // As much cache as the backlog needs to stay in memory.
    options.cache_gib = 2.0;
    options.forgets = true;
    let data = Data::Temporary(Places::from_env()?.temp);
    let mongod = Mongod::start(server::program().await?, data, options).await?;
    let uri = mongod.uri();
    Ok((Some(mongod), uri))
}
