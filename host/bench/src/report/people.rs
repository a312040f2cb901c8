//! For people at a terminal: a table for each part, and the targets.

use comfy_table::{Attribute, Cell, CellAlignment, Color, Table, presets};

use super::{Figure, Part};
use crate::targets::{Bound, Judged};

/// Spaces between columns.
const GAP: u16 = 2;

/// A part as a table under its headline.
pub(super) fn part(part: &Part, colours: bool) -> String {
    let mut table = empty(&["", "least", "median", "most", ""], colours);
    for figure in &part.figures {
        let Figure { what, unit, spread, runs, .. } = figure;
        let several = |value| if *runs > 1 { number(value) } else { String::new() };
        table.add_row([
            what.clone(),
            several(spread.least),
            number(spread.median),
            several(spread.most),
            (*unit).to_owned(),
        ]);
    }
    align(&mut table, 1..4);
    let mut text = format!("{}: {}\n{}", part.name, part.what, table.trim_fmt());
    part.notes.iter().for_each(|note| text.push_str(&format!("\n  ({note})")));
    text
}

/// The targets, each with what came of it.
pub(super) fn judged(all: &[Judged], colours: bool) -> String {
    let mut table = empty(&["part", "target", "wanted", "is", "", ""], colours);
    for judged in all {
        let (word, colour) = match judged.met {
            Some(true) => ("met", Color::Green),
            Some(false) => ("MISSED", Color::Red),
            None => ("not measured", Color::Yellow),
        };
        let verdict = Cell::new(word);
        let verdict = if colours { verdict.fg(colour) } else { verdict };
        table.add_row([
            Cell::new(judged.part),
            Cell::new(&judged.what),
            Cell::new(wanted(judged.bound)),
            Cell::new(number(judged.value)),
            Cell::new(judged.unit),
            verdict,
        ]);
    }
    align(&mut table, 2..4);
    table.trim_fmt()
}

fn empty(header: &[&str], colours: bool) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    if colours {
        table.enforce_styling();
    }
    let title = |name: &&str| {
        let cell = Cell::new(name.to_uppercase());
        if colours { cell.add_attribute(Attribute::Bold) } else { cell }
    };
    table.set_header(header.iter().map(title).collect::<Vec<_>>());
    for column in table.column_iter_mut() {
        column.set_padding((0, GAP));
    }
    table
}

/// Columns of numbers stand to the right.
fn align(table: &mut Table, columns: std::ops::Range<usize>) {
    for index in columns {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

pub(super) fn wanted(bound: Bound) -> String {
    match bound {
        Bound::AtLeast(least) => format!("≥ {}", number(least)),
        Bound::AtMost(most) => format!("≤ {}", number(most)),
    }
}

/// As many digits as mean something: `12,345`, `123`, `12.3`, `1.23`, `-` for what there is not.
pub(super) fn number(value: f64) -> String {
    if value.is_nan() {
        return "-".to_owned();
    }
    if value.is_infinite() {
        return "∞".to_owned();
    }
    match value.abs() {
        size if size < 9.995 => format!("{value:.2}"),
        size if size < 99.95 => format!("{value:.1}"),
        size if size < 999.5 => format!("{value:.0}"),
        _ => thousands(value),
    }
}

fn thousands(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if value < 0.0 { format!("-{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_that_mean_something() {
        let all = [0.0, 0.853, 9.996, 12.34, 999.4, 999.6, 20_129.4, 5e6, -1234.0];
        let texts =
            ["0.00", "0.85", "10.0", "12.3", "999", "1,000", "20,129", "5,000,000", "-1,234"];
        assert_eq!(all.map(number), texts);
        assert_eq!([f64::NAN, f64::INFINITY].map(number), ["-", "∞"]);
    }

    #[test]
    fn a_part_as_a_table() {
        let mut shown = Part::new("drain");
        shown.figure(("native", "one native worker"), &[20_000.0, 18_000.0, 21_000.0], "jobs/s");
        shown.figure(("keys", "keys"), &[101.0], "keys");
        shown.note("on one machine");
        let expected = "\
drain: one native worker drains a full queue
                    LEAST  MEDIAN    MOST
one native worker  18,000  20,000  21,000  jobs/s
keys                          101          keys
  (on one machine)";
        assert_eq!(part(&shown, false), expected);
        assert!(part(&shown, true).contains('\u{1b}'));
    }

    #[test]
    fn targets_with_what_came_of_them() {
        let judged_one = Judged {
            part: "drain",
            figure: "native/raw",
            what: "native / raw".to_owned(),
            unit: "×",
            bound: Bound::AtLeast(0.85),
            value: 0.8,
            met: Some(false),
        };
        let expected = "\
PART   TARGET        WANTED    IS
drain  native / raw  ≥ 0.85  0.80  ×  MISSED";
        assert_eq!(judged(&[judged_one], false), expected);
    }
}
