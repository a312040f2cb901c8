//! A replay for people.

use mongoqueue::{Failure, Job, Outcome};
use mongoqueue_wasmtime::{HostCall, Replayed};

use super::Told;
use super::files::Asked;
use super::record::digest;
use crate::args::format_duration;
use crate::show::job::{preview, progress_line};
use crate::show::{Show, Tone, complain, escape, plural};

/// Characters of a line of a guest's.
const WIDTH: usize = 400;

/// Puts that are listed; --json has them all.
const PUTS: usize = 20;

/// Lines of log that are shown, the last ones.
const LOG: usize = 40;

/// The calls, a line each, beside the answer.
pub(super) fn trace(replayed: &Replayed) {
    for (index, call) in replayed.calls.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|before| replayed.calls.get(before));
        if before.is_some_and(|before| call.number != before.number + 1) {
            complain(&format!("… {} not kept", plural(replayed.calls_dropped, "call")));
        }
        complain(&call_line(call));
    }
}

fn call_line(call: &HostCall) -> String {
    let at = format!("+{}", format_duration(call.at));
    let (name, arguments) = (call.name, escape::line(&call.arguments));
    let asked = format!("{name} {arguments}");
    match (&call.answer, call.took) {
        (Some(answer), Some(took)) => {
            let took = format_duration(took);
            format!("{at:>9} {} -> {} ({took})", asked.trim_end(), escape::line(answer))
        }
        _ => format!("{at:>9} {} -> cut off", asked.trim_end()),
    }
}

pub(super) fn page(show: Show, told: &Told, job: &Job) -> String {
    let mut lines = Vec::new();
    let mut field = |name: &str, value: &str| {
        lines.push(format!("{} {value}", show.paint(Tone::Faint, &format!("{name:<9}"))));
    };
    let replayed = &told.replayed;
    field("id", &show.bold(&escape::line(&job.id.to_string())));
    field("queue", &escape::line(&job.queue));
    field("attempt", &format!("{} of {}", told.record.attempt, job.max_attempts));
    let handler = escape::line(told.handler.name());
    field("handler", &format!("{handler} {}", show.paint(Tone::Faint, &digest(&told.handler))));
    match &replayed.outcome {
        Outcome::Completed(output) => {
            let output = output.as_ref().map(|output| format!(" with {}", preview(output)));
            let output = output.unwrap_or_default();
            field("outcome", &format!("{}{output}", show.paint(Tone::Good, "completed")));
        }
        Outcome::Failed(failure) => field("outcome", &kind(show, failure)),
        Outcome::Released { delay } => {
            field("outcome", &format!("released for {}", format_duration(*delay)));
        }
        Outcome::HandedBack => field("outcome", "handed back: no room in the sandbox"),
    }
    field("record", &on_record(told));
    let wall = format_duration(replayed.wall);
    let cpu = format_duration(replayed.cpu);
    let memory = replayed.memory.div_ceil(1 << 10);
    field("took", &format!("{wall}, computing {cpu}, {memory} KiB of memory"));
    if let Some(saved) = &replayed.saved {
        field("saved", &format!("{} (not written)", preview(saved)));
    }
    if let Some(progress) = &replayed.progress {
        field("progress", &format!("{} (not written)", progress_line(progress)));
    }
    if let Outcome::Failed(failure) = &replayed.outcome {
        lines.extend(death(show, failure));
    }
    lines.extend(acts(show, replayed));
    lines.extend(log(show, told));
    lines.extend(files(told));
    lines.join("\n")
}

fn kind(show: Show, failure: &Failure) -> String {
    let code = failure.code.as_ref().map_or_else(String::new, |code| format!(" [{code}]"));
    show.paint(Tone::Bad, &escape::line(&format!("{}{code}", failure.kind)))
}

/// Whether it is what is on record.
fn on_record(told: &Told) -> String {
    let Some(error) = &told.record.error else {
        return "nothing is on record of an end of this attempt".to_owned();
    };
    let Outcome::Failed(failure) = &told.replayed.outcome else {
        return format!("it ended otherwise then: {}", escape::cut(&error.kind, WIDTH));
    };
    match told.record.compare(failure) {
        Some(it) if it.same && it.differs.is_empty() => "the same death".to_owned(),
        Some(it) if it.same => "the same death, in other words".to_owned(),
        compared => {
            let differs = compared.map(|it| it.differs.join(", ")).unwrap_or_default();
            let then = escape::cut(&format!("{}: {}", error.kind, error.message), WIDTH);
            format!("another death ({differs}); then it was {then}")
        }
    }
}

fn death(show: Show, failure: &Failure) -> Vec<String> {
    let mut all: Vec<String> =
        failure.message.lines().map(|line| format!("  {}", escape::cut(line, WIDTH))).collect();
    for (title, text) in [("stderr", &failure.stderr), ("backtrace", &failure.backtrace)] {
        let text = text.as_deref().unwrap_or_default().trim_end().trim_start_matches('\n');
        if !text.is_empty() {
            all.push(format!("  {}", show.paint(Tone::Faint, title)));
            all.extend(text.lines().map(|line| format!("    {}", escape::cut(line, WIDTH))));
        }
    }
    all
}

/// What it would have done to queues.
fn acts(show: Show, replayed: &Replayed) -> Vec<String> {
    let mut all = Vec::new();
    let (puts, cancels) = (replayed.puts.len(), replayed.cancels.len());
    if puts > 0 {
        let title = format!("would have put {}", plural(puts as u64, "job"));
        all.push(show.paint(Tone::Faint, &title));
        let shown = replayed.puts.iter().take(PUTS);
        all.extend(
            shown.map(|put| format!("  {} {}", escape::line(&put.queue), preview(&put.payload))),
        );
        if puts > PUTS {
            all.push(format!("  … {} more; --json has them all", puts - PUTS));
        }
    }
    if cancels > 0 {
        let title = format!("would have cancelled {}", plural(cancels as u64, "job"));
        all.push(show.paint(Tone::Faint, &title));
        let shown = replayed.cancels.iter().take(PUTS);
        all.extend(shown.map(|id| format!("  {}", escape::line(&id.to_string()))));
    }
    all
}

fn log(show: Show, told: &Told) -> Vec<String> {
    let left_out = told.log.len().saturating_sub(LOG);
    if told.log.is_empty() {
        return Vec::new();
    }
    let mut all = vec![show.paint(Tone::Faint, "log")];
    if left_out > 0 {
        all.push(format!("  … {left_out} lines before; --json has them all"));
    }
    let lines = told.log.iter().skip(left_out);
    all.extend(lines.map(|said| format!("  {}: {}", said.level, escape::cut(&said.text, WIDTH))));
    all
}

/// Which files there are.
fn files(told: &Told) -> Vec<String> {
    let line = |what: &str, asked: &Asked| match &asked.written {
        Ok(bytes) => format!("{what} in {} ({bytes} bytes)", asked.path.display()),
        Err(why) => format!("no {what}: {why}"),
    };
    let mut all: Vec<String> =
        told.files.coredump.iter().map(|asked| line("core dump", asked)).collect();
    all.extend(told.files.profile.iter().map(|asked| line("profile", asked)));
    match told.files.samples {
        Some((0, _)) => all.push("  no samples: it computed for less than 10 ms".to_owned()),
        Some((samples, cut)) => {
            let end = if cut { ", not to the end: its stack is too deep" } else { "" };
            all.push(format!("  {}{end}", plural(samples, "sample")));
        }
        None => {}
    }
    all
}
