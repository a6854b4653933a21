//! What commands print, and where: results to standard output, trouble to standard error.

use std::fmt::Display;
use std::io::{IsTerminal, Write};

pub(super) use crate::admin::when::{relative, span};

/// Prints a line of the result. A reader that has gone away is no error of ours.
pub(super) fn say(line: impl Display) {
    writeln!(std::io::stdout(), "{line}").ok();
}

/// Prints what is wrong.
pub(super) fn complain(line: impl Display) {
    writeln!(std::io::stderr(), "{line}").ok();
}

/// A line that replaces itself on a terminal, and is written now and then elsewhere.
#[derive(Debug)]
pub(super) struct Ticker {
    place: Place,
    ticks: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Terminal,
    Elsewhere,
}

/// Where nobody watches, one tick in this many is written.
const SELDOM: u64 = 5;

impl Ticker {
    /// A ticker for standard output.
    pub(super) fn new() -> Self {
        let terminal = std::io::stdout().is_terminal();
        Self { place: if terminal { Place::Terminal } else { Place::Elsewhere }, ticks: 0 }
    }

    /// Shows the line.
    pub(super) fn tick(&mut self, line: impl Display) {
        self.ticks += 1;
        let mut out = std::io::stdout();
        match self.place {
            // To the start of the line, and clear it: ECMA-48 EL.
            Place::Terminal => write!(out, "\r\x1b[K{line}").and_then(|()| out.flush()).ok(),
            Place::Elsewhere if self.ticks % SELDOM == 1 => writeln!(out, "{line}").ok(),
            Place::Elsewhere => None,
        };
    }

    /// Ends the line.
    pub(super) fn end(self) {
        if self.place == Place::Terminal {
            say("");
        }
    }
}
