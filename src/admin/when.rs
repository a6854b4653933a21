//! Times and spans as people say them, for the page and for the command line.

use std::time::Duration;

use jiff::Timestamp;

/// A span in its largest useful unit, such as `45 s`, `3 min` or `12 d`.
pub fn span(span: Duration) -> String {
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
pub fn relative(time: Timestamp, now: Timestamp) -> String {
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
