//! In a calm phase, in which one consumer works alone through what was there at its begin, it is
//! given the highest priority first, and within one what is due longest.

use super::evidence::Found;
use super::story::{JobDoc, JobStory, State, Story};
use crate::history::{Event, Phase};
use crate::server::{Account, Of};

/// A calm phase, between two positions of the account.
pub(super) struct Calm<'a> {
    queue: &'a str,
    begin: usize,
    end: usize,
}

/// The calm phases, by the marks.
pub(super) fn calm_phases(account: &Account) -> Vec<Calm<'_>> {
    let (begin, end) = (Event::calm_mark(Phase::Begin, ""), Event::calm_mark(Phase::End, ""));
    let mut phases: Vec<Calm<'_>> = Vec::new();
    for (at, mark) in account.writes.iter().enumerate().filter(|(_, it)| it.of == Of::Mark) {
        if let Some(queue) = mark.id.strip_prefix(&begin) {
            phases.push(Calm { queue, begin: at, end: usize::MAX });
        } else if let Some(queue) = mark.id.strip_prefix(&end)
            && let Some(calm) = phases.iter_mut().rev().find(|calm| calm.queue == queue)
        {
            calm.end = at;
        }
    }
    phases
}

/// A job that was given out.
struct Given<'s, 'a> {
    job: &'s JobStory<'a>,
    token: &'a str,
    doc: JobDoc<'a>,
    /// Where its consumer says so.
    line: usize,
    claimed: usize,
}

impl<'a> Given<'_, 'a> {
    fn place(&self) -> (i64, i64, &'a str) {
        (-self.doc.priority, self.doc.due, self.job.id)
    }

    fn tell(&self) -> String {
        let JobDoc { priority, due, .. } = self.doc;
        format!("job {} claimed, priority {priority}, due at {due}", self.job.id)
    }
}

pub(super) fn check(story: &Story<'_>, found: &mut Found<'_, '_>) {
    for calm in calm_phases(story.account) {
        let mut given: Vec<Given<'_, '_>> =
            story.jobs.iter().filter_map(|job| given(story, &calm, job)).collect();
        given.sort_by_key(|given| given.line);
        for pair in given.windows(2) {
            let [first, second] = pair else { continue };
            let process = |given: &Given<'_, '_>| {
                story.history.lines.get(given.line).map(|line| line.process.clone())
            };
            // Two consumers are no calm.
            if first.place() > second.place() && process(first) == process(second) {
                let (one, two) = (first.job.id, second.job.id);
                let what = format!("{one} was given out before {two} (claim {})", first.token);
                let writes = [(first.claimed, first.tell()), (second.claimed, second.tell())];
                let lines = story.tell_lines(&writes, &[first.line, second.line]);
                found.add_lines(one, what, lines);
            }
        }
    }
}

/// The job, if it was there and due when the phase began, and was given out in it.
fn given<'s, 'a>(
    story: &'s Story<'a>,
    calm: &Calm<'_>,
    job: &'s JobStory<'a>,
) -> Option<Given<'s, 'a>> {
    let before = job.steps.iter().take_while(|step| step.at < calm.begin).last()?;
    let doc = before.after.filter(|doc| doc.state == State::Ready && doc.queue == calm.queue)?;
    if doc.due > story.wall(calm.begin) {
        return None;
    }
    let (hold, claimed) = job.holds.iter().find_map(|hold| {
        let step = job.steps.get(hold.from)?;
        (calm.begin < step.at && step.at < calm.end).then_some((hold, step.at))
    })?;
    let (line, _) = story.lines(job).find(
        |(_, line)| matches!(&line.event, Event::Claimed { token, .. } if token == hold.token),
    )?;
    Some(Given { job, token: hold.token, doc, line, claimed })
}
