//! Metrics of callers' requests and of the connections that serve them.

use std::fmt;

use prometheus_client::registry::Unit;

use super::page::{Labels, Page};
use crate::answer::Code;
use crate::telemetry::Tally;

const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

pub(super) fn tell(page: &mut Page<'_>, tally: &Tally) -> fmt::Result {
    let answers: Vec<_> = tally
        .answers()
        // Interim responses are passed on and end no request.
        .filter(|(_, class, ..)| *class > 1)
        .map(|(kind, class, origin, count)| {
            let class = CLASSES[class - 1];
            ([("method", kind.as_str()), ("class", class), ("origin", origin.as_str())], count)
        })
        .collect();
    let help = "Requests that were answered, by method, status class and who said it";
    page.counters("requests", help, &answers)?;
    page.durations(
        "request_duration",
        "Time from the head of a request to the last byte of its answer",
        &tally.total,
    )?;
    page.durations(
        "request_added_duration",
        "Time from the head of a request to the head of its answer, less the time that the upstream and \
         the connection to it took",
        &tally.added,
    )?;
    let bytes = || Some(Unit::Bytes);
    page.counter("request_content", "Content from callers", bytes(), tally.received)?;
    page.counter("response_content", "Content to callers", bytes(), tally.sent)?;
    let gauge = |count: u64| Some(count as f64);
    page.gauge(
        "requests_in_flight",
        "Requests that are being worked on",
        None,
        gauge(tally.in_flight),
    )?;
    page.gauge(
        "connections",
        "Connections of callers that are open",
        None,
        gauge(tally.connections),
    )?;
    let help = "Answers that the sidecar made itself, by error.code";
    page.counters("own_answers", help, &reasons(tally))?;
    page.counter(
        "unauthorized",
        "Answers with status 401 that callers saw",
        None,
        tally.unauthorized,
    )?;
    page.counter(
        "echoed_tokens",
        "Fields that were removed because the upstream had repeated the token in them",
        None,
        tally.echoes,
    )?;
    page.counter("upstream_connections", "Connections made to the upstream", None, tally.opened)?;
    page.gauge(
        "upstream_connections_open",
        "Connections to the upstream that are open",
        None,
        gauge(tally.open),
    )?;
    page.counter(
        "upstream_connections_reused",
        "Requests that went out on a connection that had served before",
        None,
        tally.reused,
    )?;
    page.counter(
        "upstream_retries",
        "Requests that went to the upstream once more",
        None,
        tally.replays,
    )
}

/// Several codes share a name.
fn reasons(tally: &Tally) -> Vec<(Labels<'static, 1>, u64)> {
    let mut sums: Vec<(Labels<'_, 1>, u64)> = Vec::new();
    for code in Code::ALL {
        let labels = [("code", code.as_str())];
        let count = tally.own.get(*code as usize).copied().unwrap_or_default();
        match sums.iter_mut().find(|(known, _)| *known == labels) {
            Some((_, sum)) => *sum += count,
            None => sums.push((labels, count)),
        }
    }
    sums
}
