//! One page with everything, which needs nothing else: to send, to keep, to compare.

use super::people::{number, wanted};
use super::{Figure, Part, Report, plot};
use crate::targets::Judged;

const STYLE: &str = "\
body{font:16px/1.5 system-ui,sans-serif;color:#222;max-width:60rem;margin:2rem auto;padding:0 1rem}\
h1{font-size:1.6rem;margin-bottom:.2rem}h2{font-size:1.2rem;margin:2.2rem 0 .4rem;\
border-bottom:1px solid #ddd}h2 small{font-weight:normal;color:#666;margin-left:.6rem}\
h3{font-size:1rem;margin:1.2rem 0 0}table{border-collapse:collapse;margin:.5rem 0}\
th,td{padding:.15rem .9rem .15rem 0;text-align:left;vertical-align:top}\
th{font-weight:600;color:#666;font-size:.85rem}td.n,th.n{text-align:right;\
font-variant-numeric:tabular-nums}.met{color:#00734f}.missed{color:#b00020;font-weight:600}\
.none,.note{color:#666}.note{font-size:.9rem}.warn{background:#fff3cd;padding:.5rem .8rem}\
svg.plot{width:100%;height:auto}code{background:#f3f3f3;padding:.1rem .3rem}\
dl{display:grid;grid-template-columns:max-content 1fr;gap:.1rem 1rem}dt{color:#666}dd{margin:0}";

/// The page.
pub(super) fn page(report: &Report) -> String {
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>mongoqueue bench</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <h1>mongoqueue bench</h1>\n"
    );
    html.push_str(&machine(report));
    if !report.targets.is_empty() {
        html.push_str(&targets(&report.targets));
    }
    report.parts.iter().for_each(|part| html.push_str(&section(part)));
    html.push_str("</body>\n</html>\n");
    html
}

fn machine(report: &Report) -> String {
    let rows: String = report
        .facts()
        .iter()
        .map(|(name, value)| format!("<dt>{name}</dt><dd>{}</dd>", text(value)))
        .collect();
    let command = text(&report.command);
    let warning = match report.machine.optimised {
        true => "",
        false => "<p class=\"warn\">Built without optimisation: these figures say nothing.</p>\n",
    };
    format!("{warning}<dl>{rows}<dt>command</dt><dd><code>{command}</code></dd></dl>\n")
}

fn targets(all: &[Judged]) -> String {
    let row = |judged: &Judged| {
        let (class, word) = match judged.met {
            Some(true) => ("met", "met"),
            Some(false) => ("missed", "missed"),
            None => ("none", "not measured"),
        };
        format!(
            "<tr><td>{}</td><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td>{}</td>\
             <td class=\"{class}\">{word}</td></tr>\n",
            judged.part,
            text(&judged.what),
            wanted(judged.bound),
            number(judged.value),
            judged.unit
        )
    };
    let rows: String = all.iter().map(row).collect();
    format!(
        "<h2>Targets</h2>\n<table>\n<tr><th>part</th><th>target</th><th class=\"n\">wanted</th>\
         <th class=\"n\">is</th><th></th><th></th></tr>\n{rows}</table>\n"
    )
}

fn section(part: &Part) -> String {
    let row = |figure: &Figure| {
        let Figure { what, unit, spread, runs, .. } = figure;
        let several = |value| if *runs > 1 { number(value) } else { String::new() };
        format!(
            "<tr><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>\
             <td>{unit}</td></tr>\n",
            text(what),
            several(spread.least),
            number(spread.median),
            several(spread.most)
        )
    };
    let rows: String = part.figures.iter().map(row).collect();
    let (name, what) = (part.name, text(part.what));
    let mut html = format!(
        "<h2>{name}<small>{what}</small></h2>\n<table>\n<tr><th></th><th class=\"n\">least</th>\
         <th class=\"n\">median</th><th class=\"n\">most</th><th></th></tr>\n{rows}</table>\n"
    );
    for note in &part.notes {
        html.push_str(&format!("<p class=\"note\">{}</p>\n", text(note)));
    }
    for shown in &part.plots {
        let svg = plot::svg(shown);
        if !svg.is_empty() {
            html.push_str(&format!("<h3>{}</h3>\n{svg}\n", text(&shown.title)));
        }
    }
    html
}

/// Text that stays text.
fn text(raw: &str) -> String {
    raw.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::super::{Line, Machine, Plot};
    use super::*;
    use crate::targets::judge;

    fn report() -> Report {
        let mut part = Part::new("drain");
        part.figure(("native", "a <worker>"), &[10.0, 20.0], "jobs/s");
        part.figure(("native/raw", "ratio"), &[0.5], "×");
        let lines = vec![Line { name: "rate".to_owned(), points: vec![(0.0, 1.0), (1.0, 2.0)] }];
        let title = "Throughput".to_owned();
        part.plots.push(Plot { title, x: "seconds", y: "jobs/s", log: false, lines });
        let machine = Machine {
            date: "2027-01-31T09:30:00Z".to_owned(),
            version: "0.1.0",
            wasmtime: "48.0.1".to_owned(),
            optimised: false,
            processor: "a processor".to_owned(),
            cores: 2,
            memory_gib: 4.0,
            kernel: "linux 6.7".to_owned(),
            server: "6.0.5".to_owned(),
            topology: "replica set of one".to_owned(),
            history: Some(0),
        };
        let targets = judge(std::slice::from_ref(&part));
        let command = "bench --uri \"<x>\"".to_owned();
        Report { machine, command, seconds: 3.2, parts: vec![part], targets }
    }

    #[test]
    fn the_page_has_it_all_and_escapes_it() {
        let page = page(&report());
        for words in [
            "2027-01-31T09:30:00Z",
            "MongoDB 6.0.5 (replica set of one, history of 0 s)",
            "<dt>wasmtime</dt><dd>48.0.1</dd>",
            "a &lt;worker&gt;",
            "<code>bench --uri &quot;&lt;x&gt;&quot;</code>",
            "class=\"missed\">missed",
            "<h3>Throughput</h3>\n<svg class=\"plot\"",
            "Built without optimisation",
        ] {
            assert!(page.contains(words), "{words} in {page}");
        }
        // Nothing is loaded from anywhere; the one address is SVG's name.
        let addresses = page.matches("http").count();
        assert_eq!(addresses, page.matches("http://www.w3.org/2000/svg").count());
    }
}
