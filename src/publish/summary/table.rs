//! Columns of the summary: as wide as their content, except one that gives way when the terminal is narrow.

use anstyle::Style;

use super::super::printable::escape;
use super::page::{FAINT, PLAIN, width};

/// The narrowest that the flexible column gets.
const FLEXIBLE_MIN: usize = 12;

/// Where a cell's text stands in its column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Right,
    /// Left, and shortened where there is no room; one column of a table.
    Flexible,
}

impl Align {
    pub(super) const fn is_right(self) -> bool {
        matches!(self, Self::Right)
    }
}

/// One cell.
pub(super) struct Cell {
    pub(super) text: String,
    pub(super) style: Style,
}

/// A cell in plain style.
pub(super) fn cell(text: impl Into<String>) -> Cell {
    styled(text, PLAIN)
}

/// A cell with a style.
pub(super) fn styled(text: impl Into<String>, style: Style) -> Cell {
    Cell { text: text.into(), style }
}

/// Rows of equal length.
pub(super) struct Table {
    columns: Vec<Align>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    pub(super) fn new(columns: &[Align]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// With a first row of names.
    pub(super) fn titled(columns: &[(&str, Align)]) -> Self {
        let titles = columns.iter().map(|(title, _)| styled(*title, FAINT)).collect();
        Self { columns: columns.iter().map(|(_, align)| *align).collect(), rows: vec![titles] }
    }

    pub(super) fn push(&mut self, row: Vec<Cell>) {
        self.rows.push(row);
    }

    pub(super) fn rows(&self) -> &[Vec<Cell>] {
        &self.rows
    }

    /// How wide each column is, so that the table fits into `room` if it can.
    pub(super) fn widths(&self, room: usize) -> Vec<(usize, Align)> {
        let natural = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| width(&escape(&cell.text))).max().unwrap_or(0)
        };
        let mut widths: Vec<_> =
            self.columns.iter().enumerate().map(|(column, align)| (natural(column), *align)).collect();
        let gaps = 2 * widths.len().saturating_sub(1);
        let total = gaps + widths.iter().map(|(width, _)| width).sum::<usize>();
        let excess = total.saturating_sub(room);
        for (width, align) in &mut widths {
            if *align == Align::Flexible {
                *width = width.saturating_sub(excess).max(FLEXIBLE_MIN.min(*width));
            }
        }
        widths
    }
}
