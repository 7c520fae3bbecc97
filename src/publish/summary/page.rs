//! Lines of the summary: headings, paragraphs that wrap within the width, colours only where they are wanted.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use super::super::printable::escape;
use super::Look;
use super::table::Table;

/// Headings.
pub(super) const HEADING: Style = Style::new().bold();
/// What is good.
pub(super) const GOOD: Style = AnsiColor::Green.on_default();
/// What deserves a look.
pub(super) const WARNING: Style = AnsiColor::Yellow.on_default();
/// What is bad.
pub(super) const BAD: Style = AnsiColor::Red.on_default();
/// What is worst.
pub(super) const WORST: Style = AnsiColor::Red.on_default().bold();
/// What stands behind the rest.
pub(super) const FAINT: Style = Style::new().dimmed();
/// Everything else.
pub(super) const PLAIN: Style = Style::new();

/// Narrower than this nothing can be laid out: the lines are longer than the terminal then.
const WIDTH_MIN: usize = 40;
/// Wider than this the eye loses the line.
const WIDTH_MAX: usize = 140;

/// Where the summary is written to.
pub(super) struct Page<'a> {
    width: usize,
    colours: bool,
    out: &'a mut dyn Write,
    begun: bool,
}

impl<'a> Page<'a> {
    pub(super) fn new(look: Look, out: &'a mut dyn Write) -> Self {
        let width = look.width.clamp(WIDTH_MIN, WIDTH_MAX);
        Self { width, colours: look.colours, out, begun: false }
    }

    /// A new section: its name, and what there is to say in one line.
    pub(super) fn heading(&mut self, name: &str, style: Style, text: &str) -> io::Result<()> {
        if std::mem::replace(&mut self.begun, true) {
            writeln!(self.out)?;
        }
        match text {
            "" => self.paragraph(&[(name, HEADING)], 2),
            _ => self.paragraph(&[(name, HEADING), (text, style)], 2),
        }
    }

    /// Runs of text, each in its style, wrapped at spaces; lines after the first are indented. Two spaces part the
    /// runs.
    pub(super) fn paragraph(&mut self, runs: &[(&str, Style)], indent: usize) -> io::Result<()> {
        let (mut column, mut empty) = (0, true);
        for (number, (text, style)) in runs.iter().enumerate() {
            let style = if self.colours { *style } else { PLAIN };
            let text = escape(text);
            // The gap before a run is no part of it: its style begins with its first word.
            for (place, word) in text.split(' ').enumerate() {
                let space = if place > 0 || number == 0 { 1 } else { 2 };
                let wraps = !empty && column + space + width(word) > self.width;
                if wraps {
                    write!(self.out, "{}\n{:indent$}", off(style, place > 0), "")?;
                    column = indent;
                } else if !empty || place > 0 {
                    write!(self.out, "{:space$}", "")?;
                    column += space;
                }
                if wraps || place == 0 {
                    write!(self.out, "{style}")?;
                }
                write!(self.out, "{word}")?;
                (column, empty) = (column + width(word), false);
            }
            write!(self.out, "{}", off(style, true))?;
        }
        writeln!(self.out)
    }

    /// A table, indented by two; its flexible column takes the room that is left.
    pub(super) fn table(&mut self, table: &Table) -> io::Result<()> {
        let widths = table.widths(self.width - 2);
        for row in table.rows() {
            write!(self.out, " ")?;
            let mut gap = 1;
            for (cell, (width_of, align)) in row.iter().zip(&widths) {
                let text = shorten(&escape(&cell.text), *width_of);
                if text.is_empty() {
                    gap += width_of + 2;
                    continue;
                }
                let fill = width_of - width(&text);
                let (before, after) = if align.is_right() { (fill, 0) } else { (0, fill) };
                write!(self.out, "{:1$}", "", gap + before)?;
                self.styled(&text, cell.style)?;
                // Written before the next cell that has text, so that no line ends in spaces.
                gap = 2 + after;
            }
            writeln!(self.out)?;
        }
        Ok(())
    }

    fn styled(&mut self, text: &str, style: Style) -> io::Result<()> {
        if self.colours && style != PLAIN {
            write!(self.out, "{style}{text}{style:#}")
        } else {
            write!(self.out, "{text}")
        }
    }
}

/// What ends a style, if it was begun.
fn off(style: Style, begun: bool) -> impl std::fmt::Display {
    if begun { style.render_reset() } else { PLAIN.render_reset() }
}

/// Columns that a text takes, one for each character.
pub(super) fn width(text: &str) -> usize {
    text.chars().count()
}

/// The text, or its two ends around an ellipsis: more of the end, where paths differ.
fn shorten(text: &str, columns: usize) -> String {
    let length = width(text);
    if length <= columns {
        return text.to_owned();
    }
    let head = columns.saturating_sub(1) / 3;
    let tail = columns.saturating_sub(1) - head;
    let (head, tail) = (text.chars().take(head), text.chars().skip(length - tail));
    head.chain(['…']).chain(tail).collect()
}
