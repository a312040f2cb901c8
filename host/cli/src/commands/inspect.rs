//! `mongoqueue inspect`: what a component is and what it would need, without running it.

use mongoqueue_wasmtime::{Import, Inspection, Kind, Limits, Need, inspect};
use serde_json::{Value, json};

use crate::args::InspectArgs;
use crate::show::{Show, Tone, escape};
use crate::trouble::{Exit, Result, Trouble};

pub(super) fn run(show: Show, args: &InspectArgs) -> Result<()> {
    let path = &args.component;
    let unreadable =
        |error: std::io::Error| Trouble::misuse(format!("can't read {}: {error}", path.display()));
    let about = std::fs::metadata(path).map_err(unreadable)?;
    if !about.is_file() {
        // A pipe may never be written to, and a device never end.
        return Err(unreadable(std::io::Error::other("it is no regular file")));
    }
    let size = about.len();
    let limit = Limits::default().component_bytes;
    if size > limit as u64 {
        let message = format!("{} has {size} bytes, the limit is {limit}", path.display());
        return Err(Trouble::new(Exit::Refused, "too-large", message));
    }
    let inspection = inspect(&std::fs::read(path).map_err(unreadable)?);
    show.answer(&json(&inspection), || people(show, &inspection))?;
    match &inspection.kind {
        Kind::Handler | Kind::Program => Ok(()),
        kind => {
            let message = format!("{} is {kind}: it can't be run here", path.display());
            Err(Trouble::new(Exit::Refused, "wrong-kind", message))
        }
    }
}

fn json(inspection: &Inspection) -> Value {
    let imports: Vec<Value> = inspection
        .imports
        .iter()
        .map(|import| {
            let (grant, why) = match &import.need {
                Need::Nothing => (None, None),
                Need::Queue => (Some("queues"), None),
                Need::Consume => (Some("consume"), None),
                Need::Unavailable(why) => (None, Some(*why)),
                other => (None, Some(kind_name_of(other))),
            };
            json!({ "name": import.name, "grant": grant, "unavailable": why })
        })
        .collect();
    json!({
        "kind": kind_name(&inspection.kind),
        "digest": inspection.digest,
        "size": inspection.size,
        "exports": inspection.exports,
        "imports": imports,
    })
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

fn people(show: Show, inspection: &Inspection) -> String {
    let kind = escape::line(&inspection.kind.to_string()).into_owned();
    let mut lines = vec![
        format!("{}, {} bytes", show.bold(&kind), inspection.size),
        format!("sha256 {}", inspection.digest),
    ];
    if !inspection.exports.is_empty() {
        lines.push("exports".to_owned());
        lines.extend(inspection.exports.iter().map(|name| format!("  {}", escape::line(name))));
    }
    if !inspection.imports.is_empty() {
        lines.push("imports".to_owned());
        lines.extend(inspection.imports.iter().map(|import| import_line(show, import)));
    }
    lines.extend(grants(&inspection.imports));
    lines.join("\n")
}

fn import_line(show: Show, import: &Import) -> String {
    let tone = match import.need {
        Need::Nothing => Tone::Faint,
        Need::Queue | Need::Consume => Tone::Busy,
        _ => Tone::Bad,
    };
    let need = show.paint(tone, &import.need.to_string());
    format!("  {:<42} {need}", escape::line(&import.name))
}

/// The lines that the operator's file needs.
fn grants(imports: &[Import]) -> Vec<String> {
    let needs = |wanted: Need| imports.iter().any(|import| import.need == wanted);
    let mut lines = Vec::new();
    if needs(Need::Queue) {
        lines.push("  queues = { next = \"emails\" }   # its name = the queue it may put on");
    }
    if needs(Need::Consume) {
        lines.push("  consume = { work = \"emails\" }  # its name = the queue it may claim from");
    }
    if !lines.is_empty() {
        lines.insert(0, "to grant it what it needs, in the file for `work --config`:");
        lines.insert(1, "  [queue.NAME]");
    }
    lines.into_iter().map(str::to_owned).collect()
}
