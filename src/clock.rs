//! The one place that reads a clock.
//!
//! Tokens live for days, on hosts that sleep and whose wall clock is set back and forth. One clock is
//! not enough: the wall clock can jump, and `std::time::Instant` stands still during suspend on Linux.
//! So a [`Moment`] holds both the wall clock and the boot clock (which counts suspend), and a
//! [`Deadline`] is due as soon as *either* of them says so: a clock set back never extends a token.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

/// A point in time on both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    wall: Timestamp,
    boot: Duration,
}

/// Reads both clocks.
pub fn now() -> Moment {
    Moment { wall: wall(), boot: boot() }
}

impl Moment {
    /// A moment given by its two readings, for tests and stored records.
    pub fn new(wall: Timestamp, boot: Duration) -> Self {
        Self { wall, boot }
    }

    /// The wall clock's reading: for people, records and other machines.
    pub fn wall(self) -> Timestamp {
        self.wall
    }

    /// Time since the host started, suspend included: for measuring.
    pub fn boot(self) -> Duration {
        self.boot
    }

    /// The moment `span` later, on both clocks.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self { wall: shifted(self.wall, span), boot: self.boot.saturating_add(span) }
    }

    /// Time passed since `earlier` by the boot clock; zero if that lies ahead.
    pub fn since(self, earlier: Self) -> Duration {
        self.boot.saturating_sub(earlier.boot)
    }
}

/// Measures a span of this process: it stands still while the host sleeps, as the process does.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts one.
    #[expect(clippy::disallowed_methods, reason = "the home of the clocks")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Time since the start.
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// A time by which something must have happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline(Moment);

impl Deadline {
    /// Due `span` after `now`.
    pub fn after(now: Moment, span: Duration) -> Self {
        Self(now.plus(span))
    }

    /// Due at a wall-clock time that was written down before this boot or on another machine.
    pub fn at(wall: Timestamp, now: Moment) -> Self {
        let ahead = wall.duration_since(now.wall);
        let boot = match Duration::try_from(ahead) {
            Ok(ahead) => now.boot.saturating_add(ahead),
            Err(_) => now.boot.saturating_sub(ahead.unsigned_abs()),
        };
        Self(Moment { wall, boot })
    }

    /// Whether either clock has reached it.
    pub fn is_due(self, now: Moment) -> bool {
        self.remaining(now).is_zero()
    }

    /// Time left by the clock that sees less of it; zero when due.
    pub fn remaining(self, now: Moment) -> Duration {
        let wall = Duration::try_from(self.0.wall.duration_since(now.wall)).unwrap_or_default();
        wall.min(self.0.boot.saturating_sub(now.boot))
    }

    /// The wall-clock time, for people and records.
    pub fn wall(self) -> Timestamp {
        self.0.wall
    }

    /// The earlier of two deadlines, as seen at `now`.
    #[must_use]
    pub fn earlier(self, other: Self, now: Moment) -> Self {
        if other.remaining(now) < self.remaining(now) { other } else { self }
    }
}

/// `wall` moved ahead by `span`, or the last representable time.
fn shifted(wall: Timestamp, span: Duration) -> Timestamp {
    SignedDuration::try_from(span)
        .ok()
        .and_then(|span| wall.checked_add(span).ok())
        .unwrap_or(Timestamp::MAX)
}

/// Reads the wall clock alone, where a moment is for people and nothing is measured.
#[expect(clippy::disallowed_methods, reason = "the home of the wall clock")]
pub fn wall() -> Timestamp {
    Timestamp::now()
}

/// The second in which a time lies: people need no more of it.
pub fn second_of(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

/// Linux has a clock that goes on during suspend; elsewhere the monotonic one must do, and the wall
/// clock notices the sleep.
fn boot() -> Duration {
    use rustix::time::{ClockId, clock_gettime};
    #[cfg(target_os = "linux")]
    let clock = ClockId::Boottime;
    #[cfg(not(target_os = "linux"))]
    let clock = ClockId::Monotonic;
    let time = clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn at(wall: i64, boot: u64) -> Moment {
        Moment::new(Timestamp::from_second(wall).unwrap(), Duration::from_secs(boot))
    }

    #[test]
    fn a_deadline_is_due_when_either_clock_says_so() {
        let deadline = Deadline::after(at(100_000, 50), HOUR);
        assert!(!deadline.is_due(at(103_599, 3_649)));
        assert!(deadline.is_due(at(103_600, 60)), "the wall clock jumped ahead");
        assert!(deadline.is_due(at(100_010, 3_650)), "the wall clock was set back");
    }

    #[test]
    fn setting_the_clock_back_extends_nothing() {
        let deadline = Deadline::after(at(100_000, 50), HOUR);
        assert_eq!(deadline.remaining(at(13_600, 51)), HOUR - Duration::from_secs(1));
    }

    #[test]
    fn a_written_deadline_is_read_back_on_both_clocks() {
        let now = at(100_000, 50);
        let ahead = Deadline::at(Timestamp::from_second(100_060).unwrap(), now);
        assert_eq!(ahead.remaining(now), Duration::from_secs(60));
        let past = Deadline::at(Timestamp::from_second(90_000).unwrap(), now);
        assert!(past.is_due(now));
    }

    #[test]
    fn the_end_of_time_is_not_a_panic() {
        let far = now().plus(Duration::MAX);
        assert_eq!(far.wall(), Timestamp::MAX);
        assert!(!Deadline::after(now(), Duration::MAX).is_due(now()));
    }
}
