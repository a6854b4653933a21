//! `/`: the status page. One look tells whether all is well and, if not, what to do.
//!
//! There is one renderer. A browser without scripts gets the whole page every few seconds; one with
//! scripts gets the same `<main>` as an event (`/events`) and changes what differs. So nothing is told
//! in two ways, and nothing depends on a script.

mod about;
mod actions;
mod assets;
mod events;
mod exchanges;
mod headers;
mod hour;
mod icons;
mod lead;
mod life;
mod limit;
mod notice;
mod settings;
mod text;

use std::sync::Arc;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use jiff::Timestamp;
use maud::{DOCTYPE, Markup, html};

use super::{Report, Sources};
use crate::clock;

use actions::Actions;
use assets::Asset;
use events::Streams;
use notice::Notice;

pub(super) use notice::Refreshed;
pub(super) use text::sentence;

/// The page, what it consists of, and what keeps it up to date.
pub(super) fn routes() -> Router<Arc<Sources>> {
    let streams = Streams::default();
    Router::new()
        .route("/", get(page))
        .route("/events", get(move |state| events::events(state, streams)))
        .route(assets::CSS, get(async || Asset::Css.into_response()))
        .route(assets::JS, get(async || Asset::Js.into_response()))
        .route(assets::ICON, get(async || Asset::Icon.into_response()))
}

async fn page(State(sources): State<Arc<Sources>>, RawQuery(query): RawQuery) -> Response {
    let report = sources.report();
    // Anybody can make a link to this page, so a success is told only where it can be one.
    let notice = Notice::of(query.as_deref().unwrap_or_default())
        .filter(|notice| report.ready || !notice.is_good());
    let document = document(&report, notice, clock::now().wall());
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    let mut response = ([(CONTENT_TYPE, html)], document.into_string()).into_response();
    headers::guard(response.headers_mut(), &report.sign_in);
    response
}

fn document(report: &Report, notice: Option<Notice>, now: Timestamp) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (lead::title(report)) }
                link rel="icon" type="image/svg+xml" href=(Asset::Icon.url());
                link rel="stylesheet" href=(Asset::Css.url());
                script src=(Asset::Js.url()) defer {}
                @if !Actions::of(report).is_typing() {
                    noscript { meta http-equiv="refresh" content=(RELOAD); }
                }
            }
            body {
                a.skip href="#main" { "Skip to the status" }
                header {
                    p.name { (icons::mark()) "webwork-sidecar" }
                    p.upstream { "for " (report.facts.upstream) }
                    p #connection role="status" data-lost="No connection to the sidecar: what is shown is old." {}
                }
                @if let Some(notice) = notice { (notice) }
                (content(report, now))
            }
        }
    }
}

/// How a browser without scripts stays up to date: the address without its query, so that a notice is
/// shown once.
const RELOAD: &str = "10; url=/";

/// Everything that changes while the page is open.
fn content(report: &Report, now: Timestamp) -> Markup {
    html! {
        main #main data-title=(lead::title(report)) data-build=(assets::build()) {
            (lead::section(report, now))
            (life::section(&report.token, report.evidence.token, now))
            (actions::section(report))
            (limit::section(report.rate_limit.as_ref(), now))
            (hour::section(&report.history, &report.traffic, now))
            (exchanges::section(&report.token, now))
            (about::section(report, now))
            (settings::section(&report.configuration, now))
        }
    }
}

#[cfg(test)]
mod tests;
