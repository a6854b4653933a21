//! How much of its rate limit the API says is left (API.md §3).
//!
//! Every answer may say it, so noting it takes no lock: the two numbers share one word, and cannot be
//! taken for a pair that no answer had.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use http::{HeaderMap, HeaderName};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The limit as the fields of the newest answer tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateLimit {
    /// `X-RateLimit-Limit`: requests in a window.
    pub limit: u32,
    /// `X-RateLimit-Remaining`: what is left of them.
    pub remaining: u32,
    /// When the next window begins, if the API told.
    pub resets_at: Option<Timestamp>,
    /// When it was told.
    pub seen_at: Timestamp,
}

/// What one core has seen last.
#[derive(Debug, Default)]
pub(super) struct Noted {
    /// The limit in the upper half, the rest in the lower one; 0 before the first.
    numbers: AtomicU64,
    /// Unix time in milliseconds.
    seen: AtomicI64,
    /// Unix time in seconds; 0 if the answer did not tell.
    reset: AtomicI64,
}

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

impl Noted {
    /// `now` is asked for only if there is something to note.
    pub(super) fn note(&self, fields: &HeaderMap, now: impl FnOnce() -> Timestamp) {
        let Some(limit) = number(fields, &LIMIT).filter(|limit| *limit > 0) else { return };
        let Some(remaining) = number(fields, &REMAINING) else { return };
        let reset = number(fields, &RESET).map_or(0, i64::from);
        self.numbers.store(u64::from(limit) << 32 | u64::from(remaining), Ordering::Relaxed);
        self.reset.store(reset, Ordering::Relaxed);
        self.seen.store(now().as_millisecond(), Ordering::Relaxed);
    }

    pub(super) fn told(&self) -> Option<RateLimit> {
        let numbers = self.numbers.load(Ordering::Relaxed);
        let limit = u32::try_from(numbers >> 32).ok().filter(|limit| *limit > 0)?;
        let reset = Some(self.reset.load(Ordering::Relaxed)).filter(|reset| *reset > 0);
        Some(RateLimit {
            limit,
            remaining: (numbers & u64::from(u32::MAX)) as u32,
            resets_at: reset.and_then(|reset| Timestamp::from_second(reset).ok()),
            seen_at: Timestamp::from_millisecond(self.seen.load(Ordering::Relaxed)).ok()?,
        })
    }
}

fn number(fields: &HeaderMap, name: &HeaderName) -> Option<u32> {
    fields.get(name)?.to_str().ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const NOW: Timestamp = Timestamp::constant(1_795_487_000, 0);

    fn fields(pairs: &[(HeaderName, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn the_newest_answer_counts() {
        let noted = Noted::default();
        assert_eq!(noted.told(), None);
        noted.note(&fields(&[(LIMIT, "60"), (REMAINING, "59")]), || Timestamp::UNIX_EPOCH);
        noted.note(&fields(&[(LIMIT, "60"), (REMAINING, "0"), (RESET, "1795487589")]), || NOW);
        let told = noted.told().unwrap();
        assert_eq!((told.limit, told.remaining, told.seen_at), (60, 0, NOW));
        assert_eq!(told.resets_at.unwrap().as_second(), 1_795_487_589);
    }

    #[test]
    fn nonsense_is_not_noted() {
        let noted = Noted::default();
        for (limit, remaining) in [("0", "0"), ("sixty", "1"), ("60", "-1"), ("99999999999", "1")] {
            noted.note(&fields(&[(LIMIT, limit), (REMAINING, remaining)]), || NOW);
        }
        noted.note(&fields(&[(LIMIT, "60")]), || NOW);
        assert_eq!(noted.told(), None);
    }
}
