//! `mongoqueue inspect`: what a component is and what it would need, without running it.

use std::path::Path;

use mongoqueue_wasmtime::{Import, Inspection, Kind, Need, inspect};
use serde_json::{Value, json};

use super::work::config::wrong;
use crate::args::InspectArgs;
use crate::component;
use crate::policy::check::line_for;
use crate::policy::{Policy, Served};
use crate::show::{Show, Tone, escape};
use crate::trouble::{Exit, Result, Trouble};

pub(super) fn run(show: Show, args: &InspectArgs) -> Result<()> {
    let path = &args.component;
    let served = args.policy.as_deref().map(|policy| served(policy, args)).transpose()?;
    let limits = served.as_ref().map(|(_, served)| served.budget.limits()).unwrap_or_default();
    let inspection = inspect(&component::read(path, limits.component_bytes)?);
    let answer = json(&inspection, served.as_ref());
    show.answer(&answer, || people(show, &inspection, served.as_ref()))?;
    match &inspection.kind {
        Kind::Handler | Kind::Program => {}
        kind => {
            let message = format!("{} is {kind}: it can't be run here", path.display());
            return Err(Trouble::new(Exit::Refused, "wrong-kind", message));
        }
    }
    let Some((queue, served)) = served else { return Ok(()) };
    let missing = |import: &&Import| !served.covers(&import.need);
    match inspection.imports.iter().filter(missing).count() {
        0 => Ok(()),
        _ => {
            let message = format!("queue {queue}: {} lacks grants", path.display());
            Err(Trouble::new(Exit::Refused, "missing-grants", message))
        }
    }
}

/// The queue that the component serves by this file, and what it is granted there.
fn served(policy: &Path, args: &InspectArgs) -> Result<(String, Served)> {
    let (policy, findings) = Policy::read(policy).map_err(|findings| wrong(&findings))?;
    let file = findings.path.display();
    if let Some(queue) = &args.queue {
        let found = policy.queues.into_iter().find(|(name, _)| name == queue);
        return found.ok_or_else(|| Trouble::misuse(format!("{file} has no queue {queue:?}")));
    }
    let same = |path: &Path| path.canonicalize().ok();
    let wanted = same(&args.component);
    let mut named: Vec<(String, Served)> = policy
        .queues
        .into_iter()
        .filter(|(_, served)| wanted.is_some() && same(&served.component) == wanted)
        .collect();
    match (named.pop(), named.len()) {
        (Some(one), 0) => Ok(one),
        (Some(_), _) => Err(Trouble::misuse(format!(
            "several queues of {file} have this component: say which by --queue"
        ))),
        (None, _) => Err(Trouble::misuse(format!(
            "no queue of {file} has this component: say by --queue as whose handler it is meant"
        ))),
    }
}

fn json(inspection: &Inspection, served: Option<&(String, Served)>) -> Value {
    let imports: Vec<Value> = inspection
        .imports
        .iter()
        .map(|import| {
            let (grant, why) = match &import.need {
                Need::Nothing => (None, None),
                Need::Queue => (Some("queues"), None),
                Need::Consume => (Some("consume"), None),
                Need::Http => (Some("http"), None),
                Need::Config => (Some("config"), None),
                Need::Unavailable(why) => (None, Some(*why)),
                other => (None, Some(kind_name_of(other))),
            };
            let mut import_json =
                json!({ "name": import.name, "grant": grant, "unavailable": why });
            if let Some((_, served)) = served {
                import_json["granted"] = served.covers(&import.need).into();
            }
            import_json
        })
        .collect();
    let mut answer = json!({
        "kind": kind_name(&inspection.kind),
        "digest": inspection.digest,
        "version": inspection.version,
        "size": inspection.size,
        "exports": inspection.exports,
        "imports": imports,
    });
    if let Some((queue, _)) = served {
        answer["queue"] = queue.as_str().into();
    }
    answer
}

/// A need that this version has no word for.
fn kind_name_of(_: &Need) -> &'static str {
    "unknown to this version"
}

fn kind_name(kind: &Kind) -> &'static str {
    match kind {
        Kind::Handler => "handler",
        Kind::Program => "program",
        Kind::Component => "component",
        Kind::CoreModule => "core-module",
        Kind::Text => "text",
        Kind::MachineCode => "machine-code",
        _ => "broken",
    }
}

fn people(show: Show, inspection: &Inspection, served: Option<&(String, Served)>) -> String {
    let kind = escape::line(&inspection.kind.to_string()).into_owned();
    let mut lines = vec![
        format!("{}, {} bytes", show.bold(&kind), inspection.size),
        format!("sha256 {}", inspection.digest),
    ];
    if let Some(version) = &inspection.version {
        lines.push(format!("version {}", escape::line(version)));
    }
    if !inspection.exports.is_empty() {
        lines.push("exports".to_owned());
        lines.extend(inspection.exports.iter().map(|name| format!("  {}", escape::line(name))));
    }
    if !inspection.imports.is_empty() {
        lines.push("imports".to_owned());
        let line = |import: &Import| import_line(show, import, served.map(|(_, served)| served));
        lines.extend(inspection.imports.iter().map(line));
    }
    lines.extend(match served {
        Some((queue, served)) => granted(show, queue, served),
        None => grants(&inspection.imports),
    });
    lines.join("\n")
}

fn import_line(show: Show, import: &Import, served: Option<&Served>) -> String {
    let granted = served.map(|served| served.covers(&import.need));
    let tone = match (&import.need, granted) {
        (Need::Nothing, _) => Tone::Faint,
        (Need::Unavailable(_), _) | (_, Some(false)) => Tone::Bad,
        (_, Some(true)) => Tone::Good,
        (_, None) => Tone::Busy,
    };
    let mut need = import.need.to_string();
    match (&import.need, granted) {
        (Need::Nothing | Need::Unavailable(_), _) | (_, None) => {}
        (_, Some(true)) => need += ": granted",
        (_, Some(false)) => need += ": not granted",
    }
    format!("  {:<42} {}", escape::line(&import.name), show.paint(tone, &need))
}

/// The lines that the operator's file needs.
fn grants(imports: &[Import]) -> Vec<String> {
    let needs = |wanted: &Need| imports.iter().any(|import| import.need == *wanted);
    let all = [Need::Queue, Need::Consume, Need::Http, Need::Config];
    let lines = all.iter().filter(|need| needs(need)).filter_map(line_for);
    let mut lines: Vec<String> = lines.map(|line| format!("  {line}")).collect();
    if !lines.is_empty() {
        lines.insert(0, "to grant it what it needs, in the file for `work --config`:".to_owned());
        lines.insert(1, "  [queue.NAME]".to_owned());
    }
    lines
}

/// What the file grants it, whatever it asks for.
fn granted(show: Show, queue: &str, served: &Served) -> Vec<String> {
    let mut lines = vec![show.bold(&format!("granted as the handler of {}", escape::line(queue)))];
    let mut line = |power: &str, what: String| {
        lines.push(format!("  {power:<8} {}", escape::line(&what)));
    };
    for (name, queue) in &served.queues {
        line("put", format!("{name} = {queue}"));
    }
    for (name, queue) in &served.consume {
        line("claim", format!("{name} = {queue}"));
    }
    let powers = &served.powers;
    for grant in &powers.http {
        line("http", grant.to_string());
    }
    for name in powers.secrets.keys() {
        line("secret", name.clone());
    }
    for key in powers.config.keys() {
        line("config", key.clone());
    }
    for (guest, folder) in &powers.folders {
        line("folder", format!("{guest} = {}", folder.path.display()));
    }
    if lines.len() == 1 {
        lines.push("  nothing".to_owned());
    }
    lines
}
