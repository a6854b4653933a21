//! Short names for the limits of ranges.

use std::time::Duration;

/// 1,024 bytes.
pub(super) const KIB: usize = 1 << 10;

/// 1,024 KiB.
pub(super) const MIB: usize = 1 << 20;

pub(super) const fn millis(number: u64) -> Duration {
    Duration::from_millis(number)
}

pub(super) const fn seconds(number: u64) -> Duration {
    Duration::from_secs(number)
}

pub(super) const fn minutes(number: u64) -> Duration {
    seconds(60 * number)
}

pub(super) const fn hours(number: u64) -> Duration {
    minutes(60 * number)
}

pub(super) const fn days(number: u64) -> Duration {
    hours(24 * number)
}
