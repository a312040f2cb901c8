//! What shows a violation: the lines of server and processes about one job and its claims.

use std::collections::BTreeMap;

use super::Violation;
use super::story::{JobStory, Kind, Step, Story};
use crate::history::{Answer, Event, Line, PutAnswer};
use crate::server::Of;

/// Collects the violations of one invariant.
pub(super) struct Found<'s, 'a> {
    story: &'s Story<'a>,
    violations: u64,
    examples: Vec<Violation>,
}

/// Beyond it violations are only counted: one broken safeguard breaks many jobs.
const EXAMPLES: usize = 200;
/// The best of them that are kept.
const KEPT: usize = 5;
/// A history of more lines is cut in the middle.
const LINES: usize = 24;

impl<'s, 'a> Found<'s, 'a> {
    pub(super) fn new(story: &'s Story<'a>) -> Self {
        Self { story, violations: 0, examples: Vec::new() }
    }

    /// A violation on a job, shown by what happened under these claims; under no claim where none
    /// is named.
    pub(super) fn add(&mut self, job: &JobStory<'_>, tokens: &[&str], what: String) {
        self.violations += 1;
        if self.examples.len() < EXAMPLES {
            let lines = lines(self.story, job, tokens);
            let token = tokens.first().map(|token| (*token).to_owned());
            self.examples.push(Violation { what, job: job.id.to_owned(), token, lines });
        }
    }

    /// A violation that these lines show.
    pub(super) fn add_lines(&mut self, job: &str, what: String, lines: Vec<String>) {
        self.violations += 1;
        if self.examples.len() < EXAMPLES {
            self.examples.push(Violation { what, job: job.to_owned(), token: None, lines });
        }
    }

    pub(super) fn end(mut self) -> (u64, Vec<Violation>) {
        self.examples.sort_by_key(|violation| violation.lines.len());
        self.examples.truncate(KEPT);
        (self.violations, self.examples)
    }
}

/// Lines with their times, each source in its own order.
#[derive(Default)]
struct Lines {
    lines: Vec<(i64, String)>,
    latest: BTreeMap<String, i64>,
}

impl Lines {
    /// `at`: microseconds since 1970.
    fn add(&mut self, who: &str, at: i64, what: &str) {
        // A source never goes back in time, whatever its clock says.
        let latest = self.latest.entry(who.to_owned()).or_insert(at);
        *latest = (*latest).max(at);
        self.lines.push((*latest, format!("{}  {who:<14}  {what}", clock(*latest))));
    }

    fn sorted(mut self) -> Vec<String> {
        self.lines.sort_by_key(|(at, _)| *at);
        let mut lines: Vec<String> = self.lines.into_iter().map(|(_, line)| line).collect();
        if lines.len() > LINES {
            let more = lines.len() - LINES;
            lines.splice(LINES / 2..LINES / 2 + more, [format!("… {more} more lines …")]);
        }
        lines
    }
}

/// `12:34:56.789`, the time of day.
fn clock(us: i64) -> String {
    let ms = us.div_euclid(1_000).rem_euclid(86_400_000);
    let (seconds, ms) = (ms / 1_000, ms % 1_000);
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("{hours:02}:{minutes:02}:{seconds:02}.{ms:03}")
}

fn lines(story: &Story<'_>, job: &JobStory<'_>, tokens: &[&str]) -> Vec<String> {
    let mut lines = Lines::default();
    for step in &job.steps {
        if concerns(step, tokens) {
            lines.add("server", story.wall(step.at) * 1_000, &of_step(job.id, step));
        }
    }
    // Those of leases come between, by the server's own time.
    let mut leases = Lines::default();
    for token in tokens {
        of_lease(story, token, &mut leases);
    }
    lines.lines.extend(leases.lines);
    let offset = offset(story);
    let mut say = |line: &Line, what: &str| lines.add(&line.process, at(line, offset), what);
    let puts = job.puts.iter().filter(|_| tokens.is_empty());
    for put in puts {
        let (called, answered) = put.lines;
        if let Some(line) = story.history.lines.get(called) {
            say(line, &format!("put {} …", job.id));
        }
        if let Some((line, answer)) =
            answered.and_then(|it| story.history.lines.get(it)).zip(put.answer)
        {
            say(line, &format!("put {}: {}", job.id, of_put_answer(answer)));
        }
    }
    for (_, line) in story.lines(job) {
        if line.event.token().is_none_or(|token| tokens.contains(&token)) {
            say(line, &of_line(line));
        }
    }
    lines.sorted()
}

/// A write under one of the claims, or one that put the job there or took it away.
fn concerns(step: &Step<'_>, tokens: &[&str]) -> bool {
    let before = step.before.and_then(|doc| doc.token);
    let after = step.after.and_then(|doc| doc.token);
    match (before, after) {
        (None, None) => tokens.is_empty() || step.kind != Kind::Put,
        (before, after) => {
            let known = |token: Option<&str>| token.is_some_and(|token| tokens.contains(&token));
            tokens.is_empty() || known(before) || known(after)
        }
    }
}

fn of_step(id: &str, step: &Step<'_>) -> String {
    let Some(after) = step.after else {
        let state = step.before.map_or("", |before| before.state.name());
        return format!("job {id} removed, it was {state}{}", held(step.before));
    };
    let verb = match step.kind {
        Kind::Put => "put",
        Kind::Note => "changed",
        _ => "now",
    };
    let mut text = format!("job {id} {verb} {}", after.state.name());
    text += &held(Some(after).filter(|after| after.token.is_some()).or(step.before));
    text += &format!(", attempts {} of {}", after.attempts, after.max_attempts);
    if let Some(saved) = after.saved {
        text += &format!(", saved {saved}");
    }
    if let Kind::End { record: Some(record), .. } = step.kind {
        text += &format!(", record {:?} of attempt {}", record.kind, record.attempt);
    }
    if after.cancel_at.is_some() {
        text += ", to be cancelled";
    }
    text
}

fn held(doc: Option<super::story::JobDoc<'_>>) -> String {
    match doc.and_then(|doc| Some((doc.token?, doc.consumer))) {
        Some((token, consumer)) => format!(", claim {} of {consumer}", short(token)),
        None => String::new(),
    }
}

/// Its begin, its last renewal and its end.
fn of_lease(story: &Story<'_>, token: &str, lines: &mut Lines) {
    let Some(steps) = story.leases.get(token) else { return };
    let renewals = steps
        .iter()
        .rposition(|step| step.after.as_ref().is_some_and(|lease| lease.until.is_some()));
    for (index, step) in steps.iter().enumerate() {
        let wall = story.wall(step.at) * 1_000;
        let token = short(token);
        match &step.after {
            None => lines.add("server", wall, &format!("lease {token} removed")),
            Some(lease) if index == 0 || Some(index) == renewals => {
                let until = lease.until.map_or_else(|| "?".to_owned(), |ms| clock(ms * 1_000));
                let jobs = lease.jobs.len();
                lines.add("server", wall, &format!("lease {token} until {until}, {jobs} jobs"));
            }
            Some(_) => {}
        }
    }
}

fn of_put_answer(answer: &PutAnswer) -> String {
    match answer {
        PutAnswer::Created => "created".to_owned(),
        PutAnswer::Existed => "existed".to_owned(),
        PutAnswer::Refused { why } => format!("refused ({why})"),
        PutAnswer::Failed { why } => format!("failed ({why})"),
        PutAnswer::MayHaveHappened { why } => format!("may have happened ({why})"),
        PutAnswer::Unknown => "an unknown answer".to_owned(),
    }
}

/// What a line says, for people.
pub(super) fn of_line(line: &Line) -> String {
    let claim = |token: &String| format!("claim {}", short(token));
    match &line.event {
        Event::CancelCall { job } => format!("cancel {job} …"),
        Event::CancelAnswer { job, answer } => format!("cancel {job}: {}", of_answer(answer)),
        Event::Claimed { job, token, attempt, saved, .. } => {
            let saved = saved.map_or_else(|| "nothing".to_owned(), |saved| saved.to_string());
            format!("has {job}, {}, attempt {attempt}, saved {saved}", claim(token))
        }
        Event::SaveCall { token, value, .. } => format!("save {value}, {} …", claim(token)),
        Event::SaveAnswer { token, value, answer, .. } => {
            format!("save {value}, {}: {}", claim(token), of_answer(answer))
        }
        Event::HeartbeatCall { token, .. } => format!("heartbeat, {} …", claim(token)),
        Event::HeartbeatAnswer { token, answer, .. } => {
            format!("heartbeat, {}: {}", claim(token), of_answer(answer))
        }
        Event::SettleCall { token, verdict, .. } => format!("{verdict:?}, {} …", claim(token)),
        Event::SettleAnswer { token, verdict, answer, .. } => {
            format!("{verdict:?}, {}: {}", claim(token), of_answer(answer))
        }
        Event::ByHand { of, id, deed } => format!("by hand: {deed} {of} {id}"),
        Event::Note { text, .. } => text.clone(),
        other => format!("{other:?}"),
    }
}

fn of_answer(answer: &Answer) -> String {
    match answer {
        Answer::Done { state: None } => "done".to_owned(),
        Answer::Done { state: Some(state) } => format!("done, {state}"),
        Answer::LeaseLost => "lease lost".to_owned(),
        Answer::Failed { why } => format!("failed ({why})"),
        Answer::MayHaveHappened { why } => format!("may have happened ({why})"),
        Answer::Unknown => "an unknown answer".to_owned(),
    }
}

/// Tokens are told apart by their first digits.
fn short(token: &str) -> &str {
    token.get(..8).unwrap_or(token)
}

/// A line's time on the wall clock of the checker, in microseconds since 1970.
fn at(line: &Line, offset: Option<i64>) -> i64 {
    let shared = i64::try_from(line.mono_us).unwrap_or(i64::MAX);
    offset.map_or(line.at_us, |offset| shared.saturating_add(offset))
}

/// From the clock that all processes share to the checker's wall clock. The checker is who tells
/// about the run.
fn offset(story: &Story<'_>) -> Option<i64> {
    let mut lines = story.history.lines.iter();
    let line = lines.find(|line| matches!(line.event, Event::Run(_)))?;
    line.at_us.checked_sub(i64::try_from(line.mono_us).ok()?)
}

impl Story<'_> {
    /// The lines of the server about these claims of a job, and those of the histories by index:
    /// for violations that are about several jobs.
    pub(super) fn tell_lines(&self, writes: &[(usize, String)], lines: &[usize]) -> Vec<String> {
        let offset = offset(self);
        let mut told = Lines::default();
        for (at, what) in writes {
            told.add("server", self.wall(*at) * 1_000, what);
        }
        for line in lines.iter().filter_map(|index| self.history.lines.get(*index)) {
            told.add(&line.process, at(line, offset), &of_line(line));
        }
        told.sorted()
    }

    /// A document that was found after the run, for people.
    pub(super) fn tell_left(&self, of: Of, id: &str) -> Vec<String> {
        let mut left = self.account.left.iter().filter(|left| left.of == of && left.id == id);
        let doc = left.next().map(|left| serde_json::to_string(&left.deed).unwrap_or_default());
        doc.map(|doc| format!("left at the end: {doc}")).into_iter().collect()
    }
}
