//! After every transaction, each job that runs has a lease that names it; and a claim makes its
//! lease in the same transaction.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::evidence::Found;
use super::story::{Kind, State, Story};
use crate::server::Of;

pub(super) fn check(story: &Story<'_>, found: &mut Found<'_, '_>) {
    let mut moments = Moments::default();
    let mut told: HashSet<(usize, &str)> = HashSet::new();
    let mut writes = writes(story).into_iter().peekable();
    while let Some((at, write)) = writes.next() {
        moments.apply(story, write);
        let group = story.group(at);
        if writes.peek().is_some_and(|(next, _)| story.group(*next) == group) {
            continue;
        }
        for (job, token, what) in moments.wrong(story) {
            let meddled = story.was_meddled_with(Of::Lease, token)
                || story.jobs.get(job).is_some_and(|job| story.was_meddled_with(Of::Job, job.id));
            if let Some(its) = story.jobs.get(job)
                && !meddled
                && told.insert((job, token))
            {
                found.add(its, &[token], format!("{} {what}", its.id));
            }
        }
    }
}

/// A write, by job and step or by token and step.
#[derive(Clone, Copy)]
enum Write<'a> {
    Job(usize, usize),
    Lease(&'a str, usize),
}

/// All writes in order.
fn writes<'a>(story: &Story<'a>) -> Vec<(usize, Write<'a>)> {
    let mut writes = Vec::with_capacity(story.account.writes.len());
    for (job, its) in story.jobs.iter().enumerate() {
        let steps = its.steps.iter().enumerate();
        writes.extend(steps.map(|(index, step)| (step.at, Write::Job(job, index))));
    }
    for (token, steps) in &story.leases {
        let steps = steps.iter().enumerate();
        writes.extend(steps.map(|(index, step)| (step.at, Write::Lease(token, index))));
    }
    writes.sort_unstable_by_key(|(at, _)| *at);
    writes
}

/// What runs under which lease, as the account goes on.
#[derive(Default)]
struct Moments<'a> {
    /// The jobs that each token holds.
    held: HashMap<&'a str, BTreeSet<usize>>,
    /// What changed since the last look.
    touched: BTreeSet<&'a str>,
    claimed: Vec<(usize, &'a str)>,
    leases: HashMap<&'a str, HashSet<&'a str>>,
    made: HashSet<&'a str>,
}

impl<'a> Moments<'a> {
    fn apply(&mut self, story: &Story<'a>, write: Write<'a>) {
        match write {
            Write::Job(job, index) => {
                let Some(step) = story.jobs.get(job).and_then(|job| job.steps.get(index)) else {
                    return;
                };
                if let Some(token) = step.before.and_then(|before| before.token)
                    && let Some(held) = self.held.get_mut(token)
                {
                    held.remove(&job);
                }
                let running = step.after.filter(|after| after.state == State::Running);
                // One that runs under no token at all is held by nobody.
                if let Some(after) = running {
                    let token = after.token.unwrap_or("");
                    self.held.entry(token).or_default().insert(job);
                    self.touched.insert(token);
                    if step.kind == Kind::Claim {
                        self.claimed.push((job, token));
                    }
                }
            }
            Write::Lease(token, index) => {
                let step = story.leases.get(token).and_then(|steps| steps.get(index));
                self.touched.insert(token);
                match step.and_then(|step| step.after.as_ref()) {
                    Some(lease) => {
                        self.leases.insert(token, lease.jobs.iter().copied().collect());
                        if index == 0 {
                            self.made.insert(token);
                        }
                    }
                    None => {
                        self.leases.remove(token);
                    }
                }
            }
        }
    }

    /// What is wrong now, of what has changed.
    fn wrong(&mut self, story: &Story<'a>) -> Vec<(usize, &'a str, &'static str)> {
        let mut wrong = Vec::new();
        for (job, token) in self.claimed.drain(..) {
            if !self.made.contains(token) {
                wrong.push((job, token, "was claimed in another transaction than its lease"));
            }
        }
        self.made.clear();
        for token in std::mem::take(&mut self.touched) {
            let held = self.held.get(token).into_iter().flatten();
            let lease = self.leases.get(token);
            for job in held {
                let id = story.jobs.get(*job).map_or("", |job| job.id);
                match lease {
                    None => wrong.push((*job, token, "runs under no lease")),
                    Some(jobs) if !jobs.contains(id) => {
                        wrong.push((*job, token, "runs under a lease that doesn't name it"));
                    }
                    Some(_) => {}
                }
            }
            if self.held.get(token).is_some_and(BTreeSet::is_empty) {
                self.held.remove(token);
            }
        }
        wrong
    }
}
