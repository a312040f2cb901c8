//! Tables without lines, as wide as the terminal at most; uncut where the output is no terminal.

use comfy_table::{Attribute, Cell, CellAlignment, Color, ColumnConstraint, ContentArrangement};

/// Spaces between columns.
const GAP: u16 = 2;

/// Characters that the last column needs to be worth cutting.
const LEAST: usize = 12;

/// A cell's meaning, from which its colour follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    Good,
    Bad,
    Busy,
    Faint,
}

/// Rows under a header.
pub(crate) struct Table {
    table: comfy_table::Table,
    colours: bool,
}

impl Table {
    /// `header`: the columns' names; one that ends in `#` holds numbers and stands to the right.
    pub(crate) fn new(colours: bool, header: &[&str]) -> Self {
        let mut table = comfy_table::Table::new();
        table.load_style(comfy_table::presets::NOTHING);
        table.set_content_arrangement(ContentArrangement::Dynamic);
        if colours {
            table.enforce_styling();
        }
        let title = |name: &&str| {
            let cell = Cell::new(name.trim_end_matches('#').to_uppercase());
            if colours { cell.add_attribute(Attribute::Bold) } else { cell }
        };
        table.set_header(header.iter().map(title).collect::<Vec<_>>());
        for (index, column) in table.column_iter_mut().enumerate() {
            column.set_padding((0, GAP));
            if header.get(index).is_some_and(|name| name.ends_with('#')) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        Self { table, colours }
    }

    /// One row; the texts are escaped already.
    pub(crate) fn row(&mut self, cells: Vec<(String, Tone)>) {
        let cells: Vec<Cell> = cells
            .into_iter()
            .map(|(text, tone)| {
                let cell = Cell::new(text);
                if self.colours { toned(cell, tone) } else { cell }
            })
            .collect();
        self.table.add_row(cells);
    }

    /// Columns are as wide as what is in them; only the last is cut, where it has room at all.
    pub(crate) fn render(mut self) -> String {
        let widths = self.table.column_max_content_widths();
        let Some((_, others)) = widths.split_last() else { return String::new() };
        let taken: usize = others.iter().map(|width| usize::from(*width + GAP)).sum();
        let room = self.table.width().map(usize::from);
        let cuts_last = room.is_some_and(|room| room >= taken + LEAST);
        let kept = if cuts_last { others.len() } else { widths.len() };
        for column in self.table.column_iter_mut().take(kept) {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
        if cuts_last {
            for row in self.table.row_iter_mut() {
                row.max_height(1);
            }
        } else {
            // The terminal breaks the lines; that reads better than columns of single letters.
            self.table.set_content_arrangement(ContentArrangement::Disabled);
        }
        self.table.trim_fmt()
    }
}

fn toned(cell: Cell, tone: Tone) -> Cell {
    match tone {
        Tone::Plain => cell,
        Tone::Good => cell.fg(Color::Green),
        Tone::Bad => cell.fg(Color::Red),
        Tone::Busy => cell.fg(Color::Yellow),
        Tone::Faint => cell.add_attribute(Attribute::Dim),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_lines_have_no_tail() {
        let mut table = Table::new(false, &["queue", "ready#"]);
        table.row(vec![("emails".to_owned(), Tone::Plain), ("12".to_owned(), Tone::Good)]);
        assert_eq!(table.render(), "QUEUE   READY\nemails     12");
    }

    #[test]
    fn colours_only_where_asked() {
        let mut table = Table::new(true, &["a"]);
        table.row(vec![("x".to_owned(), Tone::Bad)]);
        assert!(table.render().contains('\u{1b}'));
    }
}
