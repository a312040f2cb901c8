//! The report as Markdown: for a document that says where its figures come from.

use super::people::{number, wanted};
use super::{Figure, Part, Report};
use crate::targets::Judged;

/// What stands around the report in a document.
pub(super) const MARK: &str = "bench";

/// A document with other figures between `<!-- mark -->` and `<!-- /mark -->`; without those the
/// figures alone.
pub fn fill(document: &str, mark: &str, figures: &str) -> String {
    let (begin, end) = (format!("<!-- {mark} -->"), format!("<!-- /{mark} -->"));
    let around = document.split_once(&begin).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(&end)?;
        Some((before, after))
    });
    match around {
        Some((before, after)) => format!("{before}{begin}\n\n{figures}\n{end}{after}"),
        None => figures.to_owned(),
    }
}

/// All of it, under headlines of the third level.
pub(super) fn report(report: &Report) -> String {
    let mut text = format!("`{}`\n\n| | |\n| --- | --- |\n", report.command.trim());
    for (name, value) in report.facts() {
        text.push_str(&format!("| {name} | {} |\n", cell(&value)));
    }
    if !report.machine.optimised {
        text.push_str("\nBuilt without optimisation: these figures say nothing.\n");
    }
    if !report.targets.is_empty() {
        text.push_str("\n### Targets\n\n| part | target | wanted | is | | |\n");
        text.push_str("| --- | --- | ---: | ---: | --- | --- |\n");
        report.targets.iter().for_each(|judged| text.push_str(&target(judged)));
    }
    report.parts.iter().for_each(|part| text.push_str(&section(part)));
    text
}

fn target(judged: &Judged) -> String {
    let word = match judged.met {
        Some(true) => "met",
        Some(false) => "**missed**",
        None => "not measured",
    };
    let Judged { part, what, unit, .. } = judged;
    let (wanted, is) = (wanted(judged.bound), number(judged.value));
    format!("| {part} | {} | {wanted} | {is} | {unit} | {word} |\n", cell(what))
}

fn section(part: &Part) -> String {
    let Part { name, what, .. } = part;
    let mut text = format!(
        "\n### {name}: {what}\n\n| | least | median | most | |\n| --- | ---: | ---: | ---: | --- |\n"
    );
    for Figure { what, unit, spread, runs, .. } in &part.figures {
        let several = |value| if *runs > 1 { number(value) } else { String::new() };
        let (least, most) = (several(spread.least), several(spread.most));
        let median = number(spread.median);
        text.push_str(&format!("| {} | {least} | {median} | {most} | {unit} |\n", cell(what)));
    }
    part.notes.iter().for_each(|note| text.push_str(&format!("\n{note}\n")));
    text
}

/// Text that stays in its cell.
fn cell(raw: &str) -> String {
    raw.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_take_the_place_of_those_before() {
        let document = "# a\n\n<!-- bench -->\n\nold\n\n<!-- /bench -->\n\nb\n";
        let filled = fill(document, MARK, "new\n");
        assert_eq!(filled, "# a\n\n<!-- bench -->\n\nnew\n\n<!-- /bench -->\n\nb\n");
        assert_eq!(fill(&filled, MARK, "new\n"), filled);
        for without in ["", "# a\n", "<!-- /bench --> <!-- bench -->"] {
            assert_eq!(fill(without, MARK, "new\n"), "new\n", "{without}");
        }
    }

    #[test]
    fn a_part_as_a_table() {
        let mut part = Part::new("drain");
        part.figure(("native", "one | worker"), &[20_000.0, 18_000.0, 21_000.0], "jobs/s");
        part.figure(("keys", "keys"), &[101.0], "keys");
        part.note("on one machine");
        let expected = "
### drain: one native worker drains a full queue

| | least | median | most | |
| --- | ---: | ---: | ---: | --- |
| one \\| worker | 18,000 | 20,000 | 21,000 | jobs/s |
| keys |  | 101 |  | keys |

on one machine
";
        assert_eq!(section(&part), expected);
    }
}
