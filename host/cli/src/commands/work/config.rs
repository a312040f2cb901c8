//! All that `work` was told: by its file, and on the command line, which comes first.

use std::path::Path;

use mongoqueue::WorkerOptions;
use mongoqueue_wasmtime::Limits;

use crate::args::{GrantArgs, WorkArgs};
use crate::policy::{Budget, Finding, Findings, Policy, Served};
use crate::trouble::{Exit, Result, Trouble};

/// The file, if there is one, and what the command line says in its place.
pub(super) fn of(args: &WorkArgs) -> Result<Policy> {
    let mut policy = file(args.config.as_deref())?;
    for serving in &args.queues {
        let served = Served { component: serving.component.clone(), ..by_options(&args.grants) };
        if policy.queues.insert(serving.queue.clone(), served).is_some() {
            return Err(twice(&serving.queue));
        }
    }
    if policy.queues.is_empty() {
        return Err(Trouble::misuse("no queue to serve: add one as [queue.NAME]"));
    }
    policy.concurrency = args.concurrency.or(policy.concurrency);
    policy.lease = args.lease.or(policy.lease);
    policy.grace = args.grace.or(policy.grace);
    policy.until_empty |= args.until_empty;
    Ok(policy)
}

/// What the file says, if there is one.
pub(crate) fn file(path: Option<&Path>) -> Result<Policy> {
    let Some(path) = path else { return Ok(Policy::default()) };
    Ok(Policy::read(path).map_err(|findings| wrong(&findings))?.0)
}

/// A queue that the command line alone speaks of.
pub(crate) fn by_options(grants: &GrantArgs) -> Served {
    Served {
        queues: grants.queue.iter().cloned().collect(),
        consume: grants.consume.iter().cloned().collect(),
        by_options: true,
        ..Served::default()
    }
}

pub(crate) fn twice(queue: &str) -> Trouble {
    Trouble::misuse(format!("queue {queue:?} is to be served twice"))
}

/// What is wrong with the file stops the worker.
pub(crate) fn wrong(findings: &Findings) -> Trouble {
    Trouble::misuse(findings.lines()).with("findings", findings.json())
}

/// One thing that is wrong with it.
pub(crate) fn wrong_there(config: Option<&Path>, finding: Finding) -> Trouble {
    wrong(&Findings::new(config.unwrap_or(Path::new("")), vec![finding]))
}

pub(crate) fn worker_options(policy: &Policy) -> WorkerOptions {
    let default = WorkerOptions::default();
    WorkerOptions {
        slots: policy.concurrency.unwrap_or(default.slots),
        lease: policy.lease.unwrap_or(default.lease),
        grace: policy.grace.unwrap_or(default.grace),
        until_empty: policy.until_empty,
        ..default
    }
}

/// What any of the components may use: the sandbox is made for that.
pub(crate) fn most(policy: &Policy) -> Limits {
    let default = Limits::default();
    let most = |default: usize, said: fn(&Budget) -> Option<usize>| {
        let all = policy.queues.values().filter_map(|served| said(&served.budget));
        all.max().unwrap_or(0).max(default)
    };
    Limits {
        memory: most(default.memory, |budget| budget.memory),
        table_elements: most(default.table_elements, |budget| budget.tables),
        instances: most(default.instances, |budget| budget.instances),
        ..default
    }
}

/// What this component may use. `payload_limit`: the most that the connection lets through.
pub(crate) fn limits(served: &Served, payload_limit: usize) -> Result<Limits> {
    match served.budget.over(payload_limit) {
        Some(what) => Err(Trouble::new(Exit::Misuse, "misuse", what)),
        None => Ok(served.budget.limits()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn served(budget: Budget) -> Served {
        Served { budget, ..Served::default() }
    }

    #[test]
    fn an_output_is_not_larger_than_what_can_be_stored() {
        let large = served(Budget { output: Some(2 << 20), ..Budget::default() });
        assert!(limits(&large, 1 << 20).is_err());
        let fits = limits(&large, 4 << 20).map(|l| (l.output_bytes, l.hostcall_bytes));
        assert_eq!(fits.ok(), Some((2 << 20, 8 << 20)));
        let large = served(Budget { payload: Some(5 << 20), ..Budget::default() });
        assert!(limits(&large, 1 << 20).is_err());
        assert_eq!(limits(&large, 5 << 20).ok().map(|l| l.hostcall_bytes), Some(10 << 20));
    }

    #[test]
    fn what_is_not_said_is_as_ever() {
        assert_eq!(limits(&Served::default(), 1 << 20).ok(), Some(Limits::default()));
    }

    #[test]
    fn the_sandbox_is_made_for_the_largest() {
        let budget = |memory, tables| served(Budget { memory, tables, ..Budget::default() });
        let all = [budget(Some(128 << 20), Some(7)), budget(None, Some(300_000))];
        let names = ["a", "b"].map(str::to_owned);
        let policy = Policy { queues: names.into_iter().zip(all).collect(), ..Policy::default() };
        let most = most(&policy);
        assert_eq!((most.memory, most.table_elements), (128 << 20, 300_000));
        assert_eq!(most.instances, Limits::default().instances);
    }

    #[test]
    fn what_the_file_says_is_what_the_worker_does() {
        let policy = Policy {
            concurrency: Some(3),
            lease: Some(Duration::from_secs(60)),
            until_empty: true,
            ..Policy::default()
        };
        let options = worker_options(&policy);
        assert_eq!((options.slots, options.until_empty), (3, true));
        assert_eq!(options.lease, Duration::from_secs(60));
        assert_eq!(options.grace, WorkerOptions::default().grace);
    }
}
