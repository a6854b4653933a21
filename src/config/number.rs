//! Numbers, sizes and durations. The range is part of the kind, so no key can do without one.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use jiff::fmt::friendly::SpanParser;
use jiff::{SignedDuration, SpanRelativeTo};
use toml::de::DeValue;

use super::units::{KIB, MIB, hours, seconds};
use super::value::{Kind, Raw, Wrong, quoted};

/// A number of things.
pub(super) struct Count(pub(super) RangeInclusive<usize>);

impl Kind for Count {
    type Value = usize;

    fn expected(&self) -> String {
        format!("a whole number from {} to {}", self.0.start(), self.0.end())
    }

    fn read(&self, raw: Raw<'_>) -> Result<usize, Vec<Wrong>> {
        let number = raw.integer().ok_or_else(|| {
            let plain = raw.text().filter(|text| text.parse::<usize>().is_ok());
            vec![match plain {
                Some(text) => Wrong::new("found text")
                    .expecting(format!("{}, without quotation marks: {text}", self.expected())),
                None => raw.mistyped(),
            }]
        })?;
        within(&self.0, usize::try_from(number).ok(), number)
    }
}

/// A share of a whole, as a decimal fraction.
pub(super) struct Share(pub(super) RangeInclusive<f64>);

impl Kind for Share {
    type Value = f64;

    fn expected(&self) -> String {
        format!("a fraction from {} to {}, such as 0.5", self.0.start(), self.0.end())
    }

    fn read(&self, raw: Raw<'_>) -> Result<f64, Vec<Wrong>> {
        let number = match raw {
            Raw::Variable(text) => text.parse().ok(),
            Raw::Toml(value) => match value.get_ref() {
                DeValue::Float(float) => float.as_str().parse().ok(),
                DeValue::Integer(integer) => integer.as_str().parse().ok(),
                _ => None,
            },
        };
        let number: f64 = number.ok_or_else(|| vec![raw.mistyped()])?;
        within(&self.0, Some(number), number)
    }
}

/// A number of bytes: an integer, or text with the unit `B`, `KiB` or `MiB`.
pub(super) struct Size(pub(super) RangeInclusive<usize>);

impl Kind for Size {
    type Value = usize;

    fn expected(&self) -> String {
        let (least, most) = (shown_size(*self.0.start()), shown_size(*self.0.end()));
        let example = if self.0.contains(&(32 << 10)) { "\"32KiB\" or 32768" } else { "\"64MiB\"" };
        format!("a size from {least} to {most}, such as {example}")
    }

    fn read(&self, raw: Raw<'_>) -> Result<usize, Vec<Wrong>> {
        if let Some(bytes) = raw.integer() {
            return within(&self.0, usize::try_from(bytes).ok(), bytes);
        }
        let text = raw.text().ok_or_else(|| vec![raw.mistyped()])?;
        let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
        let unit = text[digits.len()..].trim();
        let factor = match unit {
            "B" => 1,
            "KiB" => KIB,
            "MiB" => MIB,
            _ => {
                let meant = match unit.to_ascii_lowercase().as_str() {
                    "" | "b" => Some("B"),
                    "k" | "kb" | "kib" => Some("KiB"),
                    "m" | "mb" | "mib" => Some("MiB"),
                    _ => None,
                };
                let number = digits.parse::<usize>().ok();
                return Err(vec![match (number, meant) {
                    (Some(number), Some(unit)) => {
                        raw.mistyped().suggesting(format!("{number}{unit}"))
                    }
                    _ => raw.mistyped(),
                }]);
            }
        };
        let number: usize = digits.parse().map_err(|_| vec![raw.mistyped()])?;
        within(&self.0, number.checked_mul(factor), quoted(text))
    }
}

/// A value that the sidecar finds by itself unless one is given.
pub(super) struct Auto<K>(pub(super) K);

impl<K: Kind> Kind for Auto<K> {
    type Value = Option<K::Value>;

    fn expected(&self) -> String {
        format!("\"auto\" or {}", self.0.expected())
    }

    fn read(&self, raw: Raw<'_>) -> Result<Self::Value, Vec<Wrong>> {
        match raw.text() {
            Some("auto") => Ok(None),
            _ => self.0.read(raw).map(Some),
        }
    }
}

fn shown_size(bytes: usize) -> String {
    match bytes {
        0 => "0".into(),
        _ if bytes.is_multiple_of(MIB) => format!("{}MiB", bytes / MIB),
        _ if bytes.is_multiple_of(KIB) => format!("{}KiB", bytes / KIB),
        _ => format!("{bytes}B"),
    }
}

/// A length of time, as text with units: `"10s"`, `"1h 30min"`, `"30d"`.
pub(super) struct Span(pub(super) RangeInclusive<Duration>);

impl Kind for Span {
    type Value = Duration;

    fn expected(&self) -> String {
        let (least, most) = (shown_span(*self.0.start()), shown_span(*self.0.end()));
        let examples = [seconds(10), hours(2)];
        let example = examples.into_iter().find(|span| self.0.contains(span));
        let example = shown_span(example.unwrap_or(*self.0.end()));
        format!("a duration from {least} to {most}, such as \"{example}\"")
    }

    fn read(&self, raw: Raw<'_>) -> Result<Duration, Vec<Wrong>> {
        if let Some(number) = raw.integer() {
            let what = format!("{number} has no unit");
            return Err(vec![Wrong::new(what).suggesting(format!("{number}s"))]);
        }
        let text = raw.text().ok_or_else(|| vec![raw.mistyped()])?;
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            let what = format!("{} has no unit", quoted(text));
            return Err(vec![Wrong::new(what).suggesting(format!("{text}s"))]);
        }
        let span = signed_span(text).ok_or_else(|| vec![raw.mistyped()])?;
        within(&self.0, Duration::try_from(span).ok(), quoted(text))
    }
}

/// Reads a span of time as people write it: `10s`, `1h 30min`, `30d`. `None` for anything else, also
/// for a negative one.
pub fn span(text: &str) -> Option<Duration> {
    Duration::try_from(signed_span(text)?).ok()
}

fn signed_span(text: &str) -> Option<SignedDuration> {
    let span = SpanParser::new().parse_span(text).ok()?;
    span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()
}

/// A duration in the largest unit that divides it.
pub(super) fn shown_span(span: Duration) -> String {
    const UNITS: [(u128, &str); 4] =
        [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1000, "s")];
    if span.is_zero() {
        return "0s".to_owned();
    }
    let millis = span.as_millis();
    let unit = UNITS.iter().find(|(size, _)| millis.is_multiple_of(*size));
    let (size, name) = unit.copied().unwrap_or((1, "ms"));
    format!("{}{name}", millis / size)
}

fn within<T: PartialOrd>(
    range: &RangeInclusive<T>,
    value: Option<T>,
    written: impl Display,
) -> Result<T, Vec<Wrong>> {
    let value = value.filter(|value| range.contains(value));
    value.ok_or_else(|| vec![Wrong::new(format!("{written} is out of range"))])
}

#[cfg(test)]
mod tests {
    use super::super::units::{days, millis, minutes};
    use super::*;

    fn read<K: Kind>(kind: &K, text: &str) -> Option<K::Value> {
        kind.read(Raw::Variable(text)).ok()
    }

    #[test]
    fn durations_are_read_as_people_write_them() {
        let any = Span(millis(1)..=days(365));
        for (text, meant) in [
            ("10s", seconds(10)),
            ("10 min", minutes(10)),
            ("30d", days(30)),
            ("1h30m", minutes(90)),
            ("1h 30min", minutes(90)),
            ("1.5s", millis(1500)),
            ("2 weeks", days(14)),
        ] {
            assert_eq!(read(&any, text), Some(meant), "{text}");
        }
        for text in ["", "10", "-1s", "1s ago", "1 month", "PT1S", "10parsecs", "9999999999d"] {
            assert_eq!(read(&any, text), None, "{text}");
        }
    }

    #[test]
    fn durations_are_shown_as_they_are_read() {
        let any = Span(millis(1)..=days(365));
        for span in [millis(100), seconds(90), minutes(2), hours(1), days(30)] {
            assert_eq!(read(&any, &shown_span(span)), Some(span));
        }
    }

    #[test]
    fn sizes_have_binary_units() {
        let any = Size(0..=usize::MAX);
        for (text, meant) in
            [("0", 0), ("512", 512), ("512B", 512), ("32KiB", 32 << 10), ("1 MiB", 1 << 20)]
        {
            assert_eq!(read(&any, text), Some(meant), "{text}");
        }
        for text in ["", "KiB", "1KB", "1.5MiB", "-1", "1 GiB", "99999999999999999999MiB"] {
            assert_eq!(read(&any, text), None, "{text}");
        }
    }

    #[test]
    fn the_ends_of_a_range_belong_to_it() {
        let (count, share) = (Count(1..=9), Share(0.1..=0.95));
        assert_eq!(read(&count, "1").zip(read(&count, "9")), Some((1, 9)));
        assert_eq!(read(&count, "0").or(read(&count, "10")), None);
        assert_eq!(read(&share, "0.1").zip(read(&share, "0.95")), Some((0.1, 0.95)));
        assert_eq!(read(&share, "0.96").or(read(&share, "nan")), None);
    }
}
