//! Replays the server's account.

use std::collections::{HashMap, HashSet};

use super::documents::{Live, LiveJob};
use super::{Hold, How, Kind, LeaseDoc, LeaseStep, Step, Story, kind};
use crate::server::{Of, Write};

impl<'a> Story<'a> {
    pub(super) fn replay(&mut self) {
        let account = self.account;
        let mut jobs: HashMap<&'a str, LiveJob<'a>> = HashMap::new();
        let mut leases: HashMap<&'a str, LeaseDoc<'a>> = HashMap::new();
        for (at, write) in account.writes.iter().enumerate() {
            let group = self.group_of(at, write);
            self.groups.push(group);
            let id = write.id.as_str();
            match write.of {
                Of::Job => {
                    let live = jobs.remove(id);
                    let before = live.as_ref().map(LiveJob::doc);
                    let live = LiveJob::after(live, &write.deed);
                    let after = live.as_ref().map(LiveJob::doc);
                    jobs.extend(live.map(|live| (id, live)));
                    let kind = kind(before.as_ref(), after.as_ref());
                    self.step(id, Step { at, before, after, kind });
                }
                Of::Lease => {
                    let after = LeaseDoc::after(leases.remove(id), &write.deed);
                    leases.extend(after.clone().map(|lease| (id, lease)));
                    self.leases.entry(id).or_default().push(LeaseStep { at, after });
                }
                Of::Mark | Of::Run => {}
            }
        }
        self.find_taken_back();
    }

    fn group_of(&self, at: usize, write: &Write) -> usize {
        let last = at.checked_sub(1).and_then(|last| self.account.writes.get(last));
        match last {
            Some(last) if write.txn.is_some() && last.txn == write.txn => self.group(at - 1),
            _ => at,
        }
    }

    fn step(&mut self, id: &'a str, step: Step<'a>) {
        let job = self.job_mut(id);
        let index = job.steps.len();
        let token = |doc: Option<&super::JobDoc<'a>>| {
            doc.filter(|doc| doc.state == super::State::Running).and_then(|doc| doc.token)
        };
        let (before, after) = (token(step.before.as_ref()), token(step.after.as_ref()));
        if before != after {
            if let Some(hold) = job.holds.last_mut()
                && hold.to.is_none()
            {
                hold.to = Some(index);
            }
            job.holds.extend(after.map(|token| Hold { token, from: index, to: None }));
        }
        job.steps.push(step);
    }

    /// With an expired lease go those of its jobs that were never begun: uncounted, like a release.
    fn find_taken_back(&mut self) {
        let mut expired: HashSet<(usize, &'a str)> = HashSet::new();
        for job in &self.jobs {
            for step in &job.steps {
                if let Kind::End { how: How::Expired, .. } = step.kind
                    && let Some(token) = step.before.and_then(|before| before.token)
                {
                    expired.insert((self.group(step.at), token));
                }
            }
        }
        let groups = &self.groups;
        for step in self.jobs.iter_mut().flat_map(|job| &mut job.steps) {
            if let Kind::End { how, .. } = &mut step.kind
                && *how == How::Returned
                && let Some(token) = step.before.and_then(|before| before.token)
                && groups.get(step.at).is_some_and(|group| expired.contains(&(*group, token)))
            {
                *how = How::TakenBack;
            }
        }
    }
}
