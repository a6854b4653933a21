//! Metrics of the token, of what is planned for it, and of the process.

use std::fmt;

use jiff::Timestamp;
use prometheus_client::registry::Unit;

use super::page::Page;
use crate::admin::Report;
use crate::telemetry::histogram::Spread;
use crate::token::ended::Ending;
use crate::token::state::Standing;

pub(super) fn tell(page: &mut Page<'_>, report: &Report, exchanges: &Spread) -> fmt::Result {
    let token = &report.token;
    let states = Standing::ALL
        .map(|standing| ([("state", standing.as_str())], truth(standing == token.state)));
    let help = "1 for the state of the credential, 0 for the others";
    page.gauges("state", help, None, &states)?;
    page.gauge("ready", "1 if requests can be served", None, Some(truth(report.ready)))?;
    page.gauge("draining", "1 if the sidecar is stopping", None, Some(truth(report.draining)))?;
    page.gauge(
        "unsaved",
        "1 if the newest tokens are in use but not stored",
        None,
        Some(truth(token.state == Standing::Unsaved)),
    )?;
    page.gauge(
        "token_generation",
        "Number of the access token in use; 0 before the first",
        None,
        Some(token.generation.0 as f64),
    )?;
    let times = [
        ("token_issued", "When the access token was issued", token.issued_at),
        ("exchange_next", "When the next exchange is planned", token.next_exchange_at),
        (
            "configuration_read",
            "When the configuration in use was read",
            Some(report.configuration.read_at),
        ),
        ("process_start", "When the process started", Some(report.facts.started_at)),
    ];
    for (name, help, at) in times {
        page.gauge(&format!("{name}_timestamp"), help, Some(Unit::Seconds), at.map(seconds))?;
    }
    let ends: Vec<_> =
        report.expiries().map(|(kind, at)| ([("token", kind)], seconds(at))).collect();
    page.gauges("expiry_timestamp", "When a token ends, by its kind", Some(Unit::Seconds), &ends)?;
    let ended = Ending::ALL.iter().zip(token.outcomes);
    let ended: Vec<_> =
        ended.map(|(ending, count)| ([("outcome", ending.as_str())], count)).collect();
    let help = "Exchanges with the authorization server that ended, by outcome";
    page.counters("exchanges", help, &ended)?;
    page.durations(
        "exchange_duration",
        "How long exchanges took, with their connections",
        exchanges,
    )?;
    if let Some(limit) = &report.rate_limit {
        let number = |number: u32| Some(f64::from(number));
        let help = "Requests that the API allows in a window, as it says";
        page.gauge("rate_limit_requests", help, None, number(limit.limit))?;
        let help = "Requests that are left in the window, as the newest answer says";
        page.gauge("rate_limit_remaining_requests", help, None, number(limit.remaining))?;
    }
    page.gauge(
        "configuration_valid",
        "0 if the files have changed and are invalid now, so that the old configuration is in use",
        None,
        Some(truth(report.configuration.trouble.is_none())),
    )?;
    let facts = &report.facts;
    let labels = [("version", facts.version.as_str()), ("credential", facts.credential.as_str())];
    let help = "Always 1; the labels tell which program this is";
    page.gauges("build_info", help, None, &[(labels, 1.0)])
}

fn truth(is: bool) -> f64 {
    f64::from(u8::from(is))
}

fn seconds(at: Timestamp) -> f64 {
    at.as_millisecond() as f64 / 1e3
}
