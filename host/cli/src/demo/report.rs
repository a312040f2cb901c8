//! What the demo shows in the end.

use std::path::Path;
use std::time::Duration;

use mongoqueue::Job;
use serde_json::{Value, json};

use super::guests::Guests;
use super::{Played, expected};
use crate::args::{Global, format_duration};
use crate::show::{Show, Tone, escape, job};
use crate::trouble::Result;

/// Lines of a sample page, and of a backtrace.
const LINES: usize = 6;
/// Characters of a line.
const WIDTH: usize = 90;

/// The counts, a sample, and the deaths.
pub(super) fn answer(
    show: Show,
    played: &Played,
    differences: &[String],
    elapsed: Duration,
) -> Result<()> {
    let value = json!({
        "as_expected": differences.is_empty(),
        "completed": played.pages.len(),
        "dead": played.dead.len(),
        "jobs_per_second": played.rate,
        "work_ms": played.elapsed.as_secs_f64() * 1_000.0,
        "elapsed_ms": elapsed.as_secs_f64() * 1_000.0,
        "deaths": played.dead.iter().map(job::json).collect::<Vec<Value>>(),
        "differences": differences,
    });
    show.answer(&value, || {
        let mut lines = vec![String::new(), crate::commands::look::table(show, &played.counts)];
        lines.extend(sample(show, &played.pages));
        lines.push(String::new());
        let n = played.dead.len();
        lines.push(show.bold(&format!("{n} jobs died, each under its own name:")));
        for job in &played.dead {
            lines.extend(death(show, job));
        }
        lines.push(String::new());
        let (tick, elapsed) = (show.paint(Tone::Good, "✓"), format_duration(elapsed));
        if differences.is_empty() {
            lines.push(format!("  {tick} all as expected, in {elapsed}; nothing is left running"));
        }
        lines.join("\n")
    })
}

/// One page, so that it is seen that real work was done.
fn sample(show: Show, pages: &[Job]) -> Vec<String> {
    let fits = |(_, html): &(String, String)| (2..=LINES).contains(&html.lines().count());
    let Some((name, html)) = pages.iter().filter_map(rendered).find(fits) else {
        return Vec::new();
    };
    let title = show.bold(&format!("One of the pages, {}:", escape::cut(&name, WIDTH)));
    let mut lines = vec![String::new(), title];
    lines.extend(shortened(&html, "  ", show));
    lines
}

/// The name and the HTML of a page.
fn rendered(job: &Job) -> Option<(String, String)> {
    let page = job.output.as_ref()?.to_json();
    Some((page["name"].as_str()?.to_owned(), page["html"].as_str()?.to_owned()))
}

fn death(show: Show, job: &Job) -> Vec<String> {
    let misdeeds = expected::misdeeds();
    let what = misdeeds.iter().find(|misdeed| misdeed.is(job));
    let what =
        what.map_or_else(|| job::preview(&job.payload), |m| format!("a job that {}", m.what));
    let Some(error) = job.last_error() else { return vec![format!("  {what}: no record")] };
    let code = error.code.as_ref().map_or_else(String::new, |code| format!(" [{code}]"));
    let kind = escape::line(&format!("{}{code}", error.kind)).into_owned();
    let attempts = match job.attempts {
        1 => "1 attempt".to_owned(),
        n => format!("{n} attempts"),
    };
    let about = show.paint(Tone::Faint, &format!("{what}; dead after {attempts}"));
    let mut lines = vec![String::new()];
    // Padded before it is painted: the codes would count as characters.
    lines.push(format!("  {} {about}", show.paint(Tone::Bad, &format!("{kind:<20}"))));
    lines.extend(
        error.message.lines().take(LINES).map(|it| format!("    {}", escape::cut(it, WIDTH))),
    );
    if let Some(backtrace) = &error.backtrace {
        lines.extend(shortened(backtrace, "      ", show));
    }
    lines
}

fn shortened(text: &str, indent: &str, show: Show) -> Vec<String> {
    let mut rest = text.lines();
    let first = rest.by_ref().take(LINES).map(|line| escape::cut(line, WIDTH));
    let mut lines: Vec<String> =
        first.map(|line| format!("{indent}{}", show.paint(Tone::Faint, &line))).collect();
    let more = rest.count();
    if more > 0 {
        lines.push(format!("{indent}{}", show.paint(Tone::Faint, &format!("… {more} lines more"))));
    }
    lines
}

/// Three commands that work by themselves, on the private server or on the user's own.
pub(super) fn further(show: Show, global: &Global, guests: &Guests, root: &Path) -> Result<()> {
    if show.json {
        return Ok(());
    }
    let component = guests.markdown.strip_prefix(root).unwrap_or(&guests.markdown);
    let component = escape::line(&component.display().to_string()).into_owned();
    let run = "cargo run -qp mongoqueue-cli --";
    let put = r##"put notes '{"name": "hi.md", "markdown": "# Hi"}' --id hi --retain 1h"##;
    let mut lines = vec![String::new(), show.bold("To look further:")];
    if global.uri.is_some() {
        lines.push(format!("  {run} init"));
    }
    lines.push(format!("  {run} {put}"));
    lines.push(format!("  {run} work notes={component} --until-empty"));
    lines.push(format!("  {run} get hi"));
    show.line(&lines.join("\n"))
}
