//! `mongoqueue policy check`: is the file for `work` what it is meant to be?

use serde_json::json;

use crate::args::{Global, PolicyCommand};
use crate::policy::{Findings, Policy};
use crate::show::{Show, escape};
use crate::trouble::{Exit, Result, Trouble};

pub(super) fn run(global: &Global, show: Show, command: &PolicyCommand) -> Result<()> {
    let PolicyCommand::Check { file } = command;
    let findings = match Policy::read(file) {
        Ok((policy, findings)) => findings.and(policy.check(global.payload_limit)),
        Err(findings) => findings,
    };
    let errors = findings.errors();
    if errors == 0 {
        let answer = json!({ "ok": true, "findings": findings.json() });
        return show.answer(&answer, || people(&findings));
    }
    let message = findings.lines();
    Err(Trouble::new(Exit::Misuse, "policy", message).with("findings", findings.json()))
}

fn people(findings: &Findings) -> String {
    let path = findings.path.display().to_string();
    let sound = format!("{}: nothing is wrong with it", escape::line(&path));
    match findings.all().is_empty() {
        true => sound,
        false => format!("{}\n{sound}", escape::lines(&findings.lines())),
    }
}
