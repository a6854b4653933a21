//! One log line for each kind of refused request in a minute.
//!
//! A caller that is refused should be found in the log, and one that calls a thousand times a second must not fill
//! it. So a line is written when a kind of refusal is new, or was last logged a minute ago. The number of kinds is
//! bounded, because callers choose what they send.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::HeaderMap;
use http::header::{HOST, HeaderName, ORIGIN};

/// Logs a refused request, if the log has no line about its like. `now` is a reading of the boot clock.
pub fn log(code: &'static str, reason: &str, fields: Option<&HeaderMap>, now: Duration) {
    let origin = fields.and_then(|fields| shown(fields, &ORIGIN));
    let host = fields.and_then(|fields| shown(fields, &HOST));
    let kind = [code, reason, origin.unwrap_or_default(), host.unwrap_or_default()].join("\n");
    let verdict = SEEN.lock().unwrap_or_else(PoisonError::into_inner).judge(kind, now);
    match verdict {
        Verdict::New => tracing::warn!(error.code = code, reason, origin, host, "request refused"),
        Verdict::Full => tracing::warn!(
            limit = MOST,
            "too many kinds of refused requests; new ones are not logged for a minute"
        ),
        Verdict::Known => {}
    }
}

/// The log is one for the process, and so is this.
static SEEN: Mutex<Seen> = Mutex::new(Seen { kinds: None, full: None });

/// How long a line stands for all of its kind.
const PERIOD: Duration = Duration::from_secs(60);

/// Kinds that have a line at a time.
const MOST: usize = 32;

/// Longer than any name of a host with scheme and port.
const LONGEST: usize = 280;

/// A field's value, if it is one line of visible ASCII.
fn shown<'a>(fields: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let value = fields.get(name)?.as_bytes();
    let is_shown = value.len() <= LONGEST && value.iter().all(u8::is_ascii_graphic);
    std::str::from_utf8(value).ok().filter(|_| is_shown)
}

/// What has a line.
#[derive(Debug)]
struct Seen {
    kinds: Option<HashMap<String, Duration>>,
    /// When it was logged that there are too many.
    full: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    New,
    Known,
    /// There is no room for another kind, and the log does not say so yet.
    Full,
}

impl Seen {
    fn judge(&mut self, kind: String, now: Duration) -> Verdict {
        let kinds = self.kinds.get_or_insert_default();
        let is_recent = |then: Duration| now.saturating_sub(then) < PERIOD;
        if kinds.get(&kind).is_some_and(|then| is_recent(*then)) {
            return Verdict::Known;
        }
        if kinds.len() >= MOST {
            kinds.retain(|_, then| is_recent(*then));
        }
        if kinds.len() < MOST {
            kinds.insert(kind, now);
            return Verdict::New;
        }
        if self.full.is_some_and(is_recent) {
            return Verdict::Known;
        }
        self.full = Some(now);
        Verdict::Full
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn a_kind_has_one_line_in_a_minute() {
        let mut seen = Seen { kinds: None, full: None };
        let mut at = |kind: &str, second| seen.judge(kind.to_owned(), seconds(second));
        assert_eq!(at("a", 100), Verdict::New);
        assert_eq!(at("a", 100), Verdict::Known);
        assert_eq!(at("b", 101), Verdict::New);
        assert_eq!(at("a", 159), Verdict::Known);
        assert_eq!(at("a", 160), Verdict::New);
        assert_eq!(at("a", 161), Verdict::Known);
    }

    #[test]
    fn callers_that_invent_kinds_grow_neither_memory_nor_log() {
        let mut seen = Seen { kinds: None, full: None };
        let mut lines = 0;
        for number in 0..100_000_u64 {
            let verdict = seen.judge(format!("kind {number}"), seconds(100 + number / 1_000));
            lines += usize::from(verdict != Verdict::Known);
            assert!(seen.kinds.as_ref().is_none_or(|kinds| kinds.len() <= MOST));
        }
        assert_eq!(lines, 2 * (MOST + 1));
    }

    #[test]
    fn only_visible_ascii_of_a_decent_length_is_shown() {
        let long = "a".repeat(LONGEST + 1);
        for value in ["", "a b", "\u{9b}31m", "caf\u{e9}", &long] {
            let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
            let fields = [(HOST, value.clone())].into_iter().collect();
            assert_eq!(shown(&fields, &HOST).unwrap_or_default(), "", "{value:?}");
        }
        let fields = [(ORIGIN, HeaderValue::from_static("http://a:1"))].into_iter().collect();
        assert_eq!(shown(&fields, &ORIGIN), Some("http://a:1"));
    }
}
