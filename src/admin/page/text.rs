//! Small pieces of text that several sections have.

use std::time::Duration;

use jiff::Timestamp;
use maud::{Markup, html};

use crate::admin::when::{relative, span};

/// A time as people say it, with the exact one beside it. Without a script too, both are there.
pub(super) fn time(at: Timestamp, now: Timestamp) -> Markup {
    html! {
        time datetime=(exact(at)) {
            (relative(at, now)) " " span.exact { (readable(at)) }
        }
    }
}

/// A time since which something has been the case.
pub(super) fn lasting(since: Timestamp, now: Timestamp) -> Markup {
    let so_far = Duration::try_from(now.duration_since(since)).unwrap_or_default();
    html! {
        time datetime=(exact(since)) { (span(so_far)) " " span.exact { "since " (readable(since)) } }
    }
}

/// A time where there is little room: the exact time shows on demand.
pub(super) fn short_time(at: Timestamp, now: Timestamp) -> Markup {
    html! { time datetime=(exact(at)) title=(readable(at)) { (relative(at, now)) } }
}

/// RFC 3339, to the second.
fn exact(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn readable(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// A text of ours as a sentence of its own.
pub(in crate::admin) fn sentence(text: &str) -> String {
    let mut letters = text.trim().chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    let mut sentence: String = first.into_iter().chain(letters).collect();
    if !sentence.is_empty() && !sentence.ends_with(['.', '!', '?']) {
        sentence.push('.');
    }
    sentence
}

/// Text of ours in which commands stand in backticks.
pub(super) fn prose(text: &str) -> Markup {
    html! {
        @for (place, part) in text.split('`').enumerate() {
            @if place % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

/// A number with its thousands apart.
pub(super) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number and what is counted, `one` of it or `many`.
pub(super) fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", number(count), if count == 1 { one } else { many })
}

/// Milliseconds with as many digits as tell something.
pub(super) fn milliseconds(span: f64) -> String {
    match span {
        10_000.0.. => format!("{:.0} s", span / 1_000.0),
        1_000.0.. => format!("{:.1} s", span / 1_000.0),
        10.0.. => format!("{span:.0} ms"),
        _ => format!("{span:.1} ms"),
    }
}

/// A place in a picture, in hundredths of its width.
pub(super) fn percent(share: f64) -> String {
    format!("{:.1}%", share.clamp(0.0, 1.0) * 100.0)
}

/// `part` of `whole`, from 0 to 1.
pub(super) fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { (part / whole).clamp(0.0, 1.0) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!([number(0), number(999), number(1_000)], ["0", "999", "1,000"]);
        assert_eq!(number(12_345_678), "12,345,678");
        assert_eq!(counted(1, "request", "requests"), "1 request");
    }

    #[test]
    fn milliseconds_have_few_digits() {
        let told = [0.42, 12.3, 1_234.0, 61_000.0].map(milliseconds);
        assert_eq!(told, ["0.4 ms", "12 ms", "1.2 s", "61 s"]);
    }

    #[test]
    fn a_sentence_begins_and_ends() {
        assert_eq!(sentence("sign in again"), "Sign in again.");
        assert_eq!(sentence("It ends.\n"), "It ends.");
        assert_eq!(sentence(""), "");
    }

    #[test]
    fn a_share_stays_within_the_picture() {
        assert_eq!([share(1.0, 0.0), share(3.0, 2.0), share(-1.0, 2.0)], [0.0, 1.0, 0.0]);
        assert_eq!(percent(2.0 / 3.0), "66.7%");
    }
}
