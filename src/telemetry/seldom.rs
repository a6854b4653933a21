//! Log lines that must not become a flood.

use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;

/// Allows one line a minute.
#[derive(Debug, Default)]
pub struct Seldom {
    /// Unix time of the last line in milliseconds; 0 before the first.
    last: AtomicI64,
}

/// Least time between two lines.
const QUIET_MILLIS: i64 = 60_000;

impl Seldom {
    /// Returns true once a minute, to one of those who ask.
    pub fn is_due(&self, now: Timestamp) -> bool {
        let (now, last) = (now.as_millisecond(), self.last.load(Ordering::Relaxed));
        // A clock that was set back is no reason to stay silent.
        if last != 0 && (last..last.saturating_add(QUIET_MILLIS)).contains(&now) {
            return false;
        }
        self.last.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_minute_whatever_the_clock_does() {
        let seldom = Seldom::default();
        let at = |second: i64| Timestamp::from_second(1_800_000_000 + second).unwrap();
        let due: Vec<_> =
            [0, 1, 59, 60, 61, 10, 11].map(|second| seldom.is_due(at(second))).to_vec();
        assert_eq!(due, [true, false, false, true, false, true, false]);
    }
}
