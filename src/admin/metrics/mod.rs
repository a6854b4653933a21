//! `/metrics`: what was counted and how it stands, for Prometheus.
//!
//! Nothing is registered and nothing is updated on the way of a request: a scrape reads the same counters
//! and the same report that the status page and `status` show, and writes them down.

mod capacity;
mod page;
mod requests;
mod token;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::encoding::prometheus_text;
use prometheus_client::registry::Registry;

use super::{Report, Sources};
use crate::answer::{Answer, Code};
use crate::telemetry::Tally;
use crate::telemetry::histogram::Spread;

use page::Page;

/// Before every name.
const PREFIX: &str = "webwork_sidecar";

/// What one scrape shows.
#[derive(Debug)]
struct Scrape {
    report: Report,
    tally: Tally,
    exchanges: Spread,
}

impl Collector for Scrape {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let mut page = Page::new(encoder);
        requests::tell(&mut page, &self.tally)?;
        capacity::tell(&mut page, &self.report.capacity)?;
        token::tell(&mut page, &self.report, &self.exchanges)
    }
}

pub(super) async fn metrics(State(sources): State<Arc<Sources>>) -> Response<Body> {
    let tally = sources.meter.tally();
    let (report, exchanges) = (sources.report_with(&tally), sources.durations.spread());
    let scrape = Scrape { report, tally, exchanges };
    let mut registry = Registry::with_prefix(PREFIX);
    registry.register_collector(Box::new(scrape));
    let mut text = String::new();
    match prometheus_text::encode(&mut text, &registry) {
        Ok(()) => ([(CONTENT_TYPE, prometheus_text::CONTENT_TYPE)], text).into_response(),
        Err(_) => Answer::new(Code::Internal).into_response().map(Body::from),
    }
}
