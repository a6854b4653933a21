//! Laravel's rate limiter: a fixed window of a minute that starts at the first hit.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use axum::http::HeaderMap;
use axum::http::header::{HeaderName, HeaderValue, RETRY_AFTER};

use crate::clock::{Deadline, Moment};
use crate::simulator::shared::Shared;

const WINDOW: Duration = Duration::from_secs(60);

/// Past this many keys the windows that have ended are thrown out.
const MANY: usize = 1024;

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// Counts hits by key.
#[derive(Debug)]
pub(super) struct Throttle<K> {
    limit: Option<u32>,
    windows: Shared<HashMap<K, Window>>,
}

#[derive(Clone, Copy)]
struct Window {
    hits: u32,
    ends: Deadline,
}

/// The verdict on one hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Allowance {
    /// There is no limit, and no header speaks of one.
    Unlimited,
    /// It counts; so many more may follow in this window.
    Within { limit: u32, remaining: u32 },
    /// Too many; `wait` is left of the window, which ends at the Unix time `reset`.
    Exceeded { limit: u32, wait: Duration, reset: i64 },
}

impl<K: Eq + Hash> Throttle<K> {
    /// Allows `limit` hits per minute and key, or any number.
    pub(super) fn new(limit: Option<u32>) -> Self {
        Self { limit, windows: Shared::new(HashMap::new()) }
    }

    /// Counts a hit of `key` unless the window is full.
    pub(super) fn admit(&self, key: K, now: Moment) -> Allowance {
        let Some(limit) = self.limit else { return Allowance::Unlimited };
        let mut windows = self.windows.lock();
        if windows.len() > MANY {
            windows.retain(|_, window| !window.ends.is_due(now));
        }
        let fresh = Window { hits: 0, ends: Deadline::after(now, WINDOW) };
        let window = windows.entry(key).or_insert(fresh);
        if window.ends.is_due(now) {
            *window = fresh;
        }
        if window.hits >= limit {
            let wait = window.ends.remaining(now);
            return Allowance::Exceeded { limit, wait, reset: window.ends.wall().as_second() };
        }
        window.hits += 1;
        Allowance::Within { limit, remaining: limit - window.hits }
    }
}

impl Allowance {
    /// Writes Laravel's fields: two on every answer, four on a refusal.
    pub(super) fn stamp(self, fields: &mut HeaderMap) {
        match self {
            Self::Unlimited => {}
            Self::Within { limit, remaining } => {
                fields.insert(LIMIT, HeaderValue::from(limit));
                fields.insert(REMAINING, HeaderValue::from(remaining));
            }
            Self::Exceeded { limit, wait, reset } => {
                let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
                fields.insert(LIMIT, HeaderValue::from(limit));
                fields.insert(REMAINING, HeaderValue::from(0));
                fields.insert(RETRY_AFTER, HeaderValue::from(seconds));
                fields.insert(RESET, HeaderValue::from(reset));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn at(second: u64) -> Moment {
        let wall = Timestamp::from_second(1_000_000 + i64::try_from(second).unwrap()).unwrap();
        Moment::new(wall, Duration::from_secs(second))
    }

    #[test]
    fn a_window_starts_at_the_first_hit_and_ends_a_minute_later() {
        let throttle = Throttle::new(Some(2));
        assert_eq!(throttle.admit("a", at(5)), Allowance::Within { limit: 2, remaining: 1 });
        assert_eq!(throttle.admit("a", at(60)), Allowance::Within { limit: 2, remaining: 0 });
        let wait = Duration::from_secs(1);
        let exceeded = Allowance::Exceeded { limit: 2, wait, reset: 1_000_065 };
        assert_eq!(throttle.admit("a", at(64)), exceeded);
        assert_eq!(throttle.admit("a", at(65)), Allowance::Within { limit: 2, remaining: 1 });
    }

    #[test]
    fn keys_do_not_share_a_window() {
        let throttle = Throttle::new(Some(1));
        assert_eq!(throttle.admit("a", at(0)), Allowance::Within { limit: 1, remaining: 0 });
        assert_eq!(throttle.admit("b", at(0)), Allowance::Within { limit: 1, remaining: 0 });
    }

    #[test]
    fn ended_windows_are_thrown_out() {
        let throttle = Throttle::new(Some(1));
        for key in 0..=MANY {
            throttle.admit(key, at(0));
        }
        throttle.admit(0, at(61));
        assert_eq!(throttle.windows.lock().len(), 1);
    }
}
