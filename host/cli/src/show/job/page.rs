//! Everything about one job, for people.

use bson::DateTime;
use mongoqueue::{ErrorRecord, Evidence, Job, Payload};

use super::super::time::{relative, rfc3339};
use super::super::{Show, Tone, escape};
use crate::args::format_duration;

/// Bytes of JSON that are shown in one line.
const SHORT: usize = 80;
/// Lines of a payload or an output that a page shows.
const BODY_LINES: usize = 40;
/// Characters of one line of it: a body without line breaks must not flood the terminal.
const BODY_WIDTH: usize = 400;

/// The page, without a newline at its end.
pub(crate) fn page(show: Show, job: &Job, now: DateTime) -> String {
    let mut lines = Lines { show, text: Vec::new() };
    head(&mut lines, job, now);
    times(&mut lines, job, now);
    policy(&mut lines, job);
    for (name, value) in &job.headers {
        let value = escape::line(value);
        lines.field("header", &format!("{} = {value}", escape::line(name)));
    }
    lines.body("payload", Some(&job.payload));
    lines.body("saved", job.saved.as_ref());
    lines.body("output", job.output.as_ref());
    for error in &job.errors {
        lines.text.extend(error_lines(show, error, now));
    }
    lines.text.join("\n")
}

fn head(lines: &mut Lines, job: &Job, now: DateTime) {
    let show = lines.show;
    lines.field("id", &show.bold(&escape::line(&job.id.to_string())));
    lines.field("queue", &escape::line(&job.queue));
    let (state, tone) = super::state(job, now);
    let mut state = show.paint(tone, state);
    if let Some(at) = job.cancel_at {
        state += &format!(", asked to stop {}", relative(at, now));
    }
    lines.field("state", &state);
    if let Some(claim) = &job.claim {
        let consumer = escape::line(&claim.consumer);
        lines.field("claimed", &format!("by {consumer}, {}", relative(claim.at, now)));
        lines.field("token", &claim.token.to_string());
    }
    if let Some(progress) = &job.progress {
        lines.field("progress", &super::progress_line(progress));
    }
}

fn times(lines: &mut Lines, job: &Job, now: DateTime) {
    let mut time = |name, at: DateTime| {
        let exact = lines.show.paint(Tone::Faint, &rfc3339(at));
        lines.field(name, &format!("{} {exact}", relative(at, now)));
    };
    time("created", job.created_at);
    if job.state == mongoqueue::State::Ready {
        time("due", job.due);
    }
    if let Some(at) = job.finished_at {
        time("finished", at);
    }
}

fn policy(lines: &mut Lines, job: &Job) {
    lines.field("attempts", &format!("{} failed of {}", job.attempts, job.max_attempts));
    lines.field("timeout", &format_duration(job.timeout));
    if job.priority != 0 {
        lines.field("priority", &job.priority.to_string());
    }
    if job.backoff != mongoqueue::Backoff::NONE {
        let (first, max) = (format_duration(job.backoff.first), format_duration(job.backoff.max));
        lines.field("backoff", &format!("{first}..{max}"));
    }
    if let Some(retain) = job.retain {
        lines.field("retain", &format_duration(retain));
    }
    if let Some(key) = &job.unique_key {
        lines.field("unique", &escape::line(key));
    }
}

/// One failed attempt: the name of its death, its words, and where it happened.
pub(crate) fn error_lines(show: Show, error: &ErrorRecord, now: DateTime) -> Vec<String> {
    let code = error.code.as_ref().map_or_else(String::new, |code| format!(" [{code}]"));
    let kind = show.paint(Tone::Bad, &escape::line(&format!("{}{code}", error.kind)));
    let consumer = escape::line(&error.consumer);
    let when = format!("attempt {}, {} on {consumer}", error.attempt, relative(error.at, now));
    let mut all = vec![format!("{kind} {}", show.paint(Tone::Faint, &when))];
    all.extend(error.message.lines().map(|line| format!("  {}", escape::cut(line, BODY_WIDTH))));
    let mut part = |title: &str, text: &Option<String>| {
        let text = text.as_deref().unwrap_or_default().trim_end().trim_start_matches('\n');
        if text.is_empty() {
            return;
        }
        all.push(format!("  {}", show.paint(Tone::Faint, title)));
        all.extend(text.lines().map(|line| format!("    {}", escape::cut(line, BODY_WIDTH))));
    };
    part("stderr", &error.stderr);
    part("backtrace", &error.backtrace);
    part("log", &error.evidence.log);
    for line in evidence(&error.evidence) {
        all.push(format!("  {}", show.paint(Tone::Faint, &line)));
    }
    all
}

/// What ran, and what it used up; nothing where nothing is known.
fn evidence(evidence: &Evidence) -> Vec<String> {
    let Evidence { digest, version, log: _, cpu, memory, wall, worker } = evidence;
    let text = |text: &Option<String>| text.as_deref().map(|text| escape::cut(text, BODY_WIDTH));
    let ran = [
        text(digest),
        text(version).map(|version| format!("version {version}")),
        text(worker).map(|worker| format!("worker {worker}")),
    ];
    let used = [
        wall.map(|wall| format!("took {}", format_duration(wall))),
        cpu.map(|cpu| format!("computed {}", format_duration(cpu))),
        memory.map(|memory| format!("memory {} KiB", memory.div_ceil(1 << 10))),
    ];
    let lines = [ran, used].map(|parts| parts.into_iter().flatten().collect::<Vec<_>>().join(", "));
    lines.into_iter().filter(|line| !line.is_empty()).collect()
}

struct Lines {
    show: Show,
    text: Vec<String>,
}

impl Lines {
    fn field(&mut self, name: &str, value: &str) {
        // Padded before it is painted: the codes would count as characters.
        let name = self.show.paint(Tone::Faint, &format!("{name:<9}"));
        self.text.push(format!("{name} {value}"));
    }

    fn body(&mut self, name: &str, payload: Option<&Payload>) {
        let Some(payload) = payload else { return };
        let text = match payload {
            Payload::Bson(_) => {
                let value = payload.to_json();
                let short = value.to_string();
                match short.len() <= SHORT {
                    true => short,
                    false => serde_json::to_string_pretty(&value).unwrap_or(short),
                }
            }
            Payload::Bytes { content_type, data } => {
                self.field(name, &format!("{} bytes, {}", data.len(), escape::line(content_type)));
                match std::str::from_utf8(data) {
                    Ok(text) => text.to_owned(),
                    Err(_) => return,
                }
            }
        };
        let mut lines = text.lines();
        let shown: Vec<String> =
            lines.by_ref().take(BODY_LINES).map(|line| escape::cut(line, BODY_WIDTH)).collect();
        let rest = lines.count();
        match (payload, shown.as_slice()) {
            (Payload::Bson(_), [only]) => self.field(name, only),
            (Payload::Bson(_), _) => self.field(name, ""),
            _ => {}
        }
        if shown.len() > 1 || !matches!(payload, Payload::Bson(_)) {
            self.text.extend(shown.iter().map(|line| format!("  {line}")));
        }
        if rest > 0 {
            let words = format!("  … {rest} more lines; --json has them all");
            self.text.push(self.show.paint(Tone::Faint, &words));
        }
    }
}
