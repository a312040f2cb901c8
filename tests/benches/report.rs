//! What the bench prints: a line a figure, and the ratios with their targets.

/// Collects the ratios that were judged.
#[derive(Default)]
pub(crate) struct Report {
    missed: Vec<String>,
}

#[expect(clippy::print_stdout, reason = "the bench is a program for people")]
impl Report {
    /// A line of its own.
    pub(crate) fn say(&mut self, line: &str) {
        println!("{line}");
    }

    /// A figure with its unit.
    pub(crate) fn figure(&mut self, name: &str, value: f64, unit: &str) {
        println!("  {name:<52} {value:>12.1} {unit}");
    }

    /// A ratio that should be at least `target`.
    pub(crate) fn ratio(&mut self, name: &str, ratio: f64, target: f64) {
        let met = ratio >= target;
        let verdict = if met { "met" } else { "MISSED" };
        println!("  {name:<52} {ratio:>12.2} (target {target}: {verdict})");
        if !met {
            self.missed.push(format!("{name} {ratio:.2} of {target}"));
        }
    }

    /// The median of the ratios of rates that were measured in turns, where both were.
    pub(crate) fn pairs(&mut self, name: &str, (these, those): (&[f64], &[f64]), target: f64) {
        let pairs: Vec<f64> = these.iter().zip(those).map(|(this, that)| this / that).collect();
        if !pairs.is_empty() {
            let (_, ratio, _) = spread(pairs);
            self.ratio(&format!("{name}, the median of the pairs"), ratio, target);
        }
    }

    /// The same of two figures, where both were measured.
    pub(crate) fn ratio_of(&mut self, name: &str, of: (Option<f64>, Option<f64>), target: f64) {
        if let (Some(this), Some(that)) = of {
            self.ratio(name, this / that, target);
        }
    }

    /// The ratios that fell short.
    pub(crate) fn missed(&self) -> &[String] {
        &self.missed
    }
}

/// Minimum, median and maximum of several runs.
pub(crate) fn spread(mut values: Vec<f64>) -> (f64, f64, f64) {
    values.sort_by(f64::total_cmp);
    let at = |i: usize| values.get(i).copied().unwrap_or(f64::NAN);
    (at(0), at(values.len() / 2), at(values.len().saturating_sub(1)))
}

/// The value below which a share of the samples lies.
pub(crate) fn percentile(mut samples: Vec<f64>, share: f64) -> f64 {
    samples.sort_by(f64::total_cmp);
    let rank = (samples.len() as f64 * share).ceil() as usize;
    samples.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}
