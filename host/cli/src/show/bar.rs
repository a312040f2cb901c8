//! Progress on stderr: a bar where the end is known, else a counter; nothing where stderr is no
//! terminal or the answer is for programs.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Four times a second: lively, and no cost.
const TICK: Duration = Duration::from_millis(250);

/// A bar of `total` units; without `total` a spinner. `visible`: false for programs.
///
/// `units` is a template of indicatif's: `{pos} jobs`, `{bytes} of {total_bytes}`.
pub(crate) fn bar(total: Option<u64>, units: &str, visible: bool) -> ProgressBar {
    let template = match total {
        Some(_) => format!("{{msg}} [{{bar:30}}] {units} {{elapsed}}"),
        None => format!("{{spinner}} {{msg}} {units} {{elapsed}}"),
    };
    let style = ProgressStyle::with_template(&template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ");
    let target = match visible {
        true => ProgressDrawTarget::stderr(),
        false => ProgressDrawTarget::hidden(),
    };
    let bar = ProgressBar::with_draw_target(total, target).with_style(style);
    if total.is_none() {
        bar.enable_steady_tick(TICK);
    }
    bar
}
