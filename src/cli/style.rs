//! What commands print, and where: results to standard output, trouble to standard error.

use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::time::Duration;

use jiff::Timestamp;

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

/// A span in its largest useful unit, such as `12 d` or `45 s`.
pub(super) fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", rounded(seconds, 60)),
        7_200..172_800 => format!("{} h", rounded(seconds, 3_600)),
        _ => format!("{} d", rounded(seconds, 86_400)),
    }
}

fn rounded(seconds: u64, unit: u64) -> u64 {
    (seconds + unit / 2) / unit
}

/// A time as seen from `now`, such as `in 12 d` or `3 min ago`.
pub(super) fn relative(time: Timestamp, now: Timestamp) -> String {
    let ahead = time.duration_since(now);
    match Duration::try_from(ahead) {
        Ok(ahead) => format!("in {}", span(ahead)),
        Err(_) => format!("{} ago", span(ahead.unsigned_abs())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_told_in_its_largest_useful_unit() {
        let told = |seconds| span(Duration::from_secs(seconds));
        assert_eq!([told(5), told(119), told(120)], ["5 s", "119 s", "2 min"]);
        assert_eq!([told(7_200), told(172_800)], ["2 h", "2 d"]);
        assert_eq!(told(15 * 86_400 - 1), "15 d");
    }

    #[test]
    fn a_time_is_told_from_now() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        let at = |second| relative(Timestamp::from_second(second).unwrap(), now);
        assert_eq!([at(1_000_045), at(999_940)], ["in 45 s", "60 s ago"]);
    }
}
