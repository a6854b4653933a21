//! The last hour in three small charts, and the same as a table.

use jiff::Timestamp;
use maud::{Markup, html};

use super::text::{counted, milliseconds, number, percent, share, short_time};
use crate::telemetry::Totals;
use crate::telemetry::history::Minute;

/// The section.
pub(super) fn section(history: &[Minute], totals: &Totals, now: Timestamp) -> Markup {
    let hour = Hour { minutes: history, now };
    html! {
        section #hour.card.full aria-labelledby="hour-title" {
            h2 #hour-title { "Last hour" }
            @if hour.is_empty() {
                p.empty {
                    "No request in the last hour. Point a program at the proxy, and its requests show \
                     here."
                }
            } @else {
                div.charts { (hour.requests()) (hour.errors()) (hour.latency()) }
                (hour.table())
            }
            p.hint {
                "Since the start: " (counted(totals.answers, "answer", "answers")) ", "
                (number(totals.errors)) " of them 4xx or 5xx, "
                (counted(totals.in_flight, "request", "requests")) " in flight, "
                (counted(totals.connections, "connection", "connections")) " open."
            }
        }
    }
}

/// What is shown of the history.
#[derive(Clone, Copy, Debug)]
struct Hour<'a> {
    minutes: &'a [Minute],
    now: Timestamp,
}

/// Minutes in a chart.
const WIDTH: usize = 60;

/// Height of a chart in pixels.
const HEIGHT: f64 = 64.0;

/// A bar's share of its minute; the rest is the gap to the next one.
const BAR: f64 = 0.74;

impl<'a> Hour<'a> {
    fn is_empty(self) -> bool {
        self.busy().next().is_none()
    }

    /// Minutes in which something happened.
    fn busy(self) -> impl DoubleEndedIterator<Item = &'a Minute> {
        self.minutes.iter().filter(move |minute| minute.answers > 0 && self.column(minute) < WIDTH)
    }

    /// The column of a minute: the present one is the last. What lies outside has none.
    fn column(self, minute: &Minute) -> usize {
        let index = |at: Timestamp| at.as_second().div_euclid(60);
        let age = usize::try_from(index(self.now) - index(minute.at)).unwrap_or(0);
        (WIDTH - 1).checked_sub(age).unwrap_or(WIDTH)
    }

    fn sum(self, of: impl Fn(&Minute) -> u64) -> u64 {
        self.busy().map(of).sum()
    }

    fn most(self, of: impl Fn(&Minute) -> u64) -> u64 {
        self.busy().map(of).max().unwrap_or_default()
    }

    fn requests(self) -> Markup {
        let (all, most) = (self.sum(|it| it.answers), self.most(|it| it.answers));
        let told = format!(
            "Requests in each minute of the last hour: {} in all, at most {} in a minute.",
            number(all),
            number(most)
        );
        let bars = |it: &Minute| share(it.answers as f64, most as f64);
        let note = format!("at most {} in a minute", number(most));
        self.figure("Requests", &number(all), &note, &told, &[("requests", &bars)])
    }

    fn errors(self) -> Markup {
        let (all, most) = (self.sum(|it| it.errors), self.most(|it| it.errors));
        let told = format!(
            "Errors in each minute of the last hour: {} in all, at most {} in a minute.",
            number(all),
            number(most)
        );
        let bars = |it: &Minute| share(it.errors as f64, most as f64);
        let part = 100.0 * share(all as f64, self.sum(|it| it.answers) as f64);
        let note =
            if all == 0 { "none".to_owned() } else { format!("{part:.1} % of the requests") };
        self.figure(
            "Errors: 5xx, or answered here",
            &number(all),
            &note,
            &told,
            &[("errors", &bars)],
        )
    }

    fn latency(self) -> Markup {
        let slowest = self.busy().filter_map(|it| it.p99_ms).fold(0.0, f64::max);
        let (typical, most) = (milliseconds(self.typical()), milliseconds(slowest));
        let told = format!(
            "Time to the answer in each minute of the last hour: typically {typical}; 99 of 100 \
             requests took less than {most} in the slowest minute."
        );
        let p99 = |it: &Minute| share(it.p99_ms.unwrap_or_default(), slowest);
        let median = |it: &Minute| share(it.median_ms.unwrap_or_default(), slowest);
        let note = format!("99 of 100 below {most}");
        let bars: [Bars<'_>; 2] = [("p99", &p99), ("median", &median)];
        self.figure("Time to answer", &typical, &note, &told, &bars)
    }

    /// The middle one of the minutes' medians.
    fn typical(self) -> f64 {
        let mut medians: Vec<f64> = self.busy().filter_map(|it| it.median_ms).collect();
        medians.sort_by(f64::total_cmp);
        medians.get(medians.len() / 2).copied().unwrap_or_default()
    }

    fn figure(self, name: &str, value: &str, note: &str, told: &str, bars: &[Bars<'_>]) -> Markup {
        html! {
            figure {
                figcaption {
                    span { (name) } strong { (value) } span { (note) }
                }
                svg.chart role="img" width="100%" height=(HEIGHT) aria-label=(told) {
                    @for (class, height) in bars {
                        @for minute in self.busy() { (self.bar(minute, class, height(minute))) }
                    }
                    line.base x1="0" x2="100%" y1=(HEIGHT - 0.5) y2=(HEIGHT - 0.5) {}
                }
                div.axis aria-hidden="true" { span { "60 min ago" } span { "now" } }
            }
        }
    }

    fn bar(self, minute: &Minute, class: &str, height: f64) -> Markup {
        // What is there is seen, however little of it.
        let pixels = if height > 0.0 { (height * (HEIGHT - 4.0)).max(2.0) } else { 0.0 };
        let column = self.column(minute) as f64;
        html! {
            @if pixels > 0.0 {
                rect class=(class) x=(percent(column / WIDTH as f64))
                    width=(percent(BAR / WIDTH as f64)) y=(format!("{:.1}", HEIGHT - pixels))
                    height=(format!("{pixels:.1}")) rx="1" {}
            }
        }
    }

    fn table(self) -> Markup {
        let told = |span: Option<f64>| span.map_or("–".to_owned(), milliseconds);
        html! {
            details #hour-table {
                summary { "The same as a table" }
                table {
                    thead {
                        tr {
                            th scope="col" { "Minute" }
                            th.number scope="col" { "Requests" }
                            th.number scope="col" { "Errors" }
                            th.number scope="col" { "Median" }
                            th.number scope="col" { abbr title="99 of 100 took less" { "99 %" } }
                        }
                    }
                    tbody {
                        @for minute in self.busy().rev() {
                            tr {
                                th scope="row" { (short_time(minute.at, self.now)) }
                                td.number { (number(minute.answers)) }
                                td.number { (number(minute.errors)) }
                                td.number { (told(minute.median_ms)) }
                                td.number { (told(minute.p99_ms)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Bars of one kind: their class, and the height of a minute's bar from 0 to 1.
type Bars<'a> = (&'static str, &'a dyn Fn(&Minute) -> f64);

#[cfg(test)]
mod tests {
    use super::*;

    fn minute(second: i64, answers: u64) -> Minute {
        let at = Timestamp::from_second(second).unwrap();
        Minute { at, answers, errors: 0, median_ms: Some(2.0), p99_ms: Some(8.0) }
    }

    #[test]
    fn a_minute_has_its_column_and_what_is_older_has_none() {
        let now = Timestamp::from_second(360_030).unwrap();
        let minutes =
            [minute(356_400, 9), minute(356_460, 7), minute(359_940, 5), minute(360_000, 3)];
        let hour = Hour { minutes: &minutes, now };
        let columns: Vec<_> = hour.busy().map(|minute| hour.column(minute)).collect();
        assert_eq!(columns, [0, 58, 59]);
        assert_eq!((hour.sum(|it| it.answers), hour.most(|it| it.answers)), (15, 7));
    }

    #[test]
    fn little_is_seen_and_nothing_is_not() {
        let now = Timestamp::from_second(360_030).unwrap();
        let minutes = [minute(359_940, 100_000), minute(360_000, 1)];
        let hour = Hour { minutes: &minutes, now };
        assert!(hour.requests().into_string().contains(r#"height="2.0""#));
        assert!(!hour.errors().into_string().contains("<rect"));
    }
}
