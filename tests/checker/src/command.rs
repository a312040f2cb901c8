//! From the command line to an exit code.

use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Parser;
use serde_json::json;

use crate::cluster::in_a_namespace;
use crate::crew::PLAY;
use crate::faults::{Fault, obstacle};
use crate::options::{Options, breaks, faults};
use crate::roles;
use crate::run::{Setting, new_folder, run};
use crate::verdict::{Result as Verdicts, Verdict};

/// Exit codes, beside 0.
const BROKEN: u8 = 1;
const MISUSE: u8 = 2;
const NO_RUN: u8 = 3;

/// The program: the checker, or a process of a run that plays its part.
pub fn main() -> ExitCode {
    let mut arguments = std::env::args();
    if arguments.nth(1).as_deref() == Some(PLAY) {
        return roles::play(&arguments.next().unwrap_or_default());
    }
    let options = Options::parse();
    match act(&options) {
        Ok(code) => code.into(),
        Err(error) => {
            tell(&format!("error: {error:#}"));
            NO_RUN.into()
        }
    }
}

fn act(options: &Options) -> Result<u8> {
    if options.list_breaks {
        return print(&breaks().join("\n"));
    }
    if options.list_faults {
        let line = |fault: Fault| format!("{:<16} {}", fault.name(), fault.what());
        return print(&Fault::all().map(line).collect::<Vec<_>>().join("\n"));
    }
    if let Some(folder) = &options.judge {
        return judge(folder, options, &[]);
    }
    let faults = match faults(&options.faults) {
        Ok(faults) => faults,
        Err(why) => {
            tell(&format!("error: --faults: {why}"));
            return Ok(MISUSE);
        }
    };
    if faults.contains(&Fault::DiskFull) && !options.with_mounts {
        with_mounts(options);
    }
    check(options, faults)
}

/// Becomes this same program with mounts of its own, where that is allowed: nothing that it mounts
/// is seen by others, or outlives it.
fn with_mounts(options: &Options) {
    let (Some(mut command), Ok(program)) = (in_a_namespace(), std::env::current_exe()) else {
        return;
    };
    command.arg(program).args(std::env::args_os().skip(1)).arg("--with-mounts");
    if options.seed.is_none() {
        command.args(["--seed", &seed().to_string()]);
    }
    // It answers only where it has failed: then there is no small disk.
    let _ = command.exec();
}

/// One that is easily typed.
fn seed() -> u64 {
    u64::from(rand::random::<u16>())
}

fn check(options: &Options, mut faults: Vec<Fault>) -> Result<u8> {
    let mut not_run = Vec::new();
    faults.retain(|&fault| match obstacle(fault, options.topology, options.with_mounts) {
        None => true,
        Some(why) => {
            not_run.push((fault, why));
            false
        }
    });
    let temporary = tempfile::Builder::new().prefix("checker-").tempdir()?;
    let folder = options.keep.clone().unwrap_or_else(|| temporary.path().to_owned());
    new_folder(&folder)?;
    let seed = options.seed.unwrap_or_else(seed);
    let setting = Setting {
        length: options.length(),
        jobs: options.job_count(),
        seed,
        disk: faults.contains(&Fault::DiskFull),
        faults,
        topology: options.topology,
        broken: options.broken.clone(),
        folder: std::path::absolute(&folder)?,
        command: options.again(seed),
    };
    tell(&setting.command);
    let ran = in_time(&setting);
    if let Err(error) = ran {
        return Err(said(&setting.folder).fold(error, |error, line| error.context(line)));
    }
    judge(&folder, options, &not_run)
}

/// Runs it until it is over, or interrupted: then everything that it started ends at once.
fn in_time(setting: &Setting) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ran = runtime.block_on(async {
        tokio::select! {
            ran = run(setting, tell) => ran,
            _ = tokio::signal::ctrl_c() => bail!("interrupted"),
        }
    });
    // Tasks that read what nobody writes any more needn't be waited for.
    runtime.shutdown_background();
    ran
}

/// What processes have said when they panicked.
fn said(folder: &Path) -> impl Iterator<Item = String> {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    files.filter_map(|file| {
        let path = file.path();
        let is_log = path.extension().is_some_and(|ending| ending == "log");
        let text = is_log.then(|| std::fs::read_to_string(&path).ok()).flatten()?;
        let name = path.file_stem()?.to_string_lossy().into_owned();
        (!text.trim().is_empty()).then(|| format!("{name} said: {}", text.trim()))
    })
}

fn judge(folder: &Path, options: &Options, not_run: &[(Fault, &str)]) -> Result<u8> {
    let verdict = Verdict::of(folder);
    let verdict =
        verdict.with_context(|| format!("reading the history in {}", folder.display()))?;
    if options.json {
        let mut told = serde_json::to_value(&verdict)?;
        let not_run: Vec<_> = not_run
            .iter()
            .map(|(fault, why)| json!({ "fault": fault.name(), "why": why }))
            .collect();
        if let Some(told) = told.as_object_mut() {
            told.insert("not_run".to_owned(), not_run.into());
        }
        print(&serde_json::to_string_pretty(&told)?)?;
    } else {
        let not_run =
            not_run.iter().map(|(fault, why)| format!("not run: {}: {why}\n", fault.name()));
        print(format!("{}{verdict}", not_run.collect::<String>()).trim_end())?;
    }
    Ok(match verdict.verdict {
        Verdicts::Kept => 0,
        Verdicts::Broken => BROKEN,
        Verdicts::Unjudged => NO_RUN,
    })
}

fn print(text: &str) -> Result<u8> {
    match writeln!(io::stdout(), "{text}") {
        // Who reads no further knows enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(0),
        written => {
            written.context("printing")?;
            Ok(0)
        }
    }
}

/// For who waits; nobody may.
fn tell(text: &str) {
    let _ = writeln!(io::stderr(), "checker: {text}");
}
