//! What the operator's file speaks of: is it there, and does it fit together?

use std::io::Read;
use std::path::Path;

use mongoqueue_wasmtime::{Grants, Inspection, Kind, Need, inspect};

use super::{Finding, Kept, Place, Policy, Secret, Served};
use crate::component;

/// A secret is a line; a file of more than this is something else.
const MOST_OF_A_SECRET: u64 = 64 << 10;

impl Policy {
    /// All that would stop the worker, or is granted for nothing. `payload_limit`: the most that the
    /// worker's connection is to let through.
    pub(crate) fn check(&self, payload_limit: usize) -> Vec<Finding> {
        let mut findings = Vec::new();
        if self.queues.is_empty() {
            let what = "there is no queue to serve";
            findings.push(Finding::error(Place::none(), what, "Add one as [queue.NAME]"));
        }
        for (name, served) in &self.queues {
            served.check(name, &mut findings);
            if let Some(what) = served.budget.over(payload_limit) {
                let help = "Here as for `work`; or let it have less.";
                findings.push(Finding::error(served.place, what, help));
            }
        }
        findings.extend(self.too_large());
        findings
    }
}

impl Served {
    fn check(&self, name: &str, findings: &mut Vec<Finding>) {
        for secret in self.powers.secrets.values() {
            findings.extend(secret.read().err());
        }
        for folder in self.powers.folders.values() {
            let (place, path) = (folder.place, folder.path.display());
            match std::fs::metadata(&folder.path) {
                Ok(found) if found.is_dir() => {}
                Ok(_) => findings.push(Finding::error(place, format!("{path} is no folder"), "")),
                Err(error) => findings.push(Finding::error(place, format!("{path}: {error}"), "")),
            }
        }
        findings.extend(self.source().err());
        match component::read(&self.component, self.budget.limits().component_bytes) {
            Ok(bytes) => self.compare(name, &inspect(&bytes), findings),
            Err(trouble) => {
                findings.push(Finding::error(self.component_place, trouble.message, ""));
            }
        }
    }

    fn compare(&self, name: &str, inspection: &Inspection, findings: &mut Vec<Finding>) {
        if inspection.kind != Kind::Handler {
            let what = format!("{} is {}", self.component.display(), inspection.kind);
            let help = "A queue is served by a component that exports mongoqueue:jobs/handler.";
            findings.push(Finding::error(self.component_place, what, help));
            return;
        }
        for import in inspection.imports.iter().filter(|import| !self.covers(&import.need)) {
            let what = format!("it imports {}, which {}", import.name, import.need);
            let help = match line_for(&import.need) {
                Some(line) => format!("Add under [queue.{name}]: {line}"),
                None => String::new(),
            };
            findings.push(Finding::error(self.component_place, what, help));
        }
        let wants = |need: Need| inspection.imports.iter().any(|import| import.need == need);
        let powers = &self.powers;
        for (granted, need, field) in [
            (!self.queues.is_empty(), Need::Queue, "queues"),
            (!self.consume.is_empty(), Need::Consume, "consume"),
            (!powers.http.is_empty(), Need::Http, "http"),
            (!powers.config.is_empty(), Need::Config, "config"),
        ] {
            if granted && !wants(need) {
                let what = format!("`{field}` is granted to a component that doesn't ask for it");
                findings.push(Finding::warning(self.place, what, "Take it away."));
            }
        }
    }

    /// True where what an import needs is granted.
    pub(crate) fn covers(&self, need: &Need) -> bool {
        match need {
            Need::Nothing => true,
            Need::Queue => !self.queues.is_empty() || !self.consume.is_empty(),
            Need::Consume => !self.consume.is_empty(),
            Need::Http => !self.powers.http.is_empty(),
            Need::Config => !self.powers.config.is_empty(),
            _ => false,
        }
    }

    /// The same grants, with the powers beside queues.
    ///
    /// # Errors
    /// Where a secret isn't there.
    pub(crate) fn add_powers(&self, mut grants: Grants) -> Result<Grants, Finding> {
        let powers = &self.powers;
        for (key, value) in &powers.config {
            grants = grants.config(key, value);
        }
        for grant in &powers.http {
            grants = grants.http(grant.clone());
        }
        for (name, secret) in &powers.secrets {
            grants = grants.secret(name, secret.read()?);
        }
        for (guest, folder) in &powers.folders {
            grants = grants.folder(guest, &folder.path);
        }
        Ok(match powers.clock {
            Some(precision) => grants.clock(precision),
            None => grants,
        })
    }
}

/// The line of the file that grants what an import needs; `None` where nobody can.
pub(crate) fn line_for(need: &Need) -> Option<&'static str> {
    match need {
        Need::Queue => {
            Some("queues = { next = \"emails\" }   # its name = the queue it may put on")
        }
        Need::Consume => {
            Some("consume = { work = \"emails\" }  # its name = the queue it may claim from")
        }
        Need::Http => Some("http = [{ host = \"api.example.com\" }]  # whom it may ask"),
        Need::Config => Some("config = { region = \"eu\" }     # what it may look up"),
        _ => None,
    }
}

impl Secret {
    /// Its value, without the newline that editors put at the end of a file.
    ///
    /// # Errors
    /// Where it isn't there, or is no line of text. The value is never in the error.
    fn read(&self) -> Result<String, Finding> {
        let bad = |what: String| Finding::error(self.place, what, "");
        let (named, value) = match &self.kept {
            Kept::Variable(name) => {
                let named = format!("the variable {name}");
                let value = std::env::var(name).map_err(|error| match error {
                    std::env::VarError::NotPresent => bad(format!("{named} is not set")),
                    std::env::VarError::NotUnicode(_) => bad(format!("{named} is no text")),
                })?;
                (named, value)
            }
            Kept::File(path) => {
                let named = path.display().to_string();
                let value = read_secret(path).map_err(|error| bad(format!("{named}: {error}")))?;
                (named, value)
            }
        };
        let value = value.strip_suffix('\n').unwrap_or(&value);
        let value = value.strip_suffix('\r').unwrap_or(value);
        if value.is_empty() {
            return Err(bad(format!("{named} is empty")));
        }
        if value.chars().any(char::is_control) {
            return Err(bad(format!("{named} is more than one line of text")));
        }
        Ok(value.to_owned())
    }
}

fn read_secret(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    let read = std::fs::File::open(path)?.take(MOST_OF_A_SECRET + 1).read_to_string(&mut text)?;
    if read as u64 > MOST_OF_A_SECRET {
        return Err(std::io::Error::other(format!("it has more than {MOST_OF_A_SECRET} bytes")));
    }
    Ok(text)
}
