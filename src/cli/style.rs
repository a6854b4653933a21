//! What commands print, and where: results to standard output, trouble to standard error.

use std::fmt::Display;
use std::io::{IsTerminal, Stdout, Write};

use rustix::termios::tcgetwinsize;

pub(super) use crate::admin::when::{relative, span};

/// Prints a line of the result. A reader that has gone away is no error of ours.
pub(super) fn say(line: impl Display) {
    writeln!(std::io::stdout(), "{line}").ok();
}

/// Prints what is wrong.
pub(super) fn complain(line: impl Display) {
    writeln!(std::io::stderr(), "{line}").ok();
}

/// A status line that is redrawn in place on a terminal. Elsewhere nothing is written.
#[derive(Debug)]
pub(super) struct Ticker {
    terminal: Option<Stdout>,
}

/// Columns assumed where the terminal reports no size, as a serial console does.
const USUAL_COLUMNS: usize = 80;

/// To the first column, then erase everything below and to the right: ECMA-48 ED.
const REDRAW: &str = "\r\x1b[J";

impl Ticker {
    /// A ticker on standard output.
    pub(super) fn new() -> Self {
        let out = std::io::stdout();
        Self { terminal: out.is_terminal().then_some(out) }
    }

    /// Shows the line, cut to the width that the terminal has now.
    ///
    /// The cursor returns to the first column. A terminal that becomes narrower wraps the line and keeps the
    /// cursor at its start, so the next draw erases every row of it and nothing above it.
    pub(super) fn tick(&mut self, line: &str) {
        let Some(out) = &mut self.terminal else { return };
        let line = cut(line, columns(out));
        // One write: a log line on standard error cannot come between.
        out.write_all(format!("{REDRAW}{line}\r").as_bytes()).and_then(|()| out.flush()).ok();
    }

    /// Leaves the line as it should stay, and goes on below it.
    pub(super) fn end(mut self, line: &str) {
        self.tick(line);
        if self.terminal.is_some() {
            say("");
        }
    }
}

/// Columns of the terminal.
fn columns(out: &Stdout) -> usize {
    let size = tcgetwinsize(out).map_or(0, |size| usize::from(size.ws_col));
    if size == 0 { USUAL_COLUMNS } else { size }
}

/// The beginning of a line of characters that are one column wide each. The last column stays free, because
/// some terminals wrap as soon as it is written.
fn cut(line: &str, columns: usize) -> &str {
    let end = line.char_indices().nth(columns.saturating_sub(1)).map_or(line.len(), |(end, _)| end);
    &line[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_by_columns_and_not_by_bytes() {
        let line = "requests 0 · token #1";
        assert_eq!(cut(line, 80), line);
        assert_eq!(cut(line, 22), line);
        assert_eq!(cut(line, 21), "requests 0 · token #");
        assert_eq!(cut(line, 13), "requests 0 ·");
        assert_eq!(cut(line, 12), "requests 0 ");
        assert_eq!([cut(line, 1), cut(line, 0)], ["", ""]);
    }
}
