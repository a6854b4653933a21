//! What runs, where it listens and whom it speaks to.

use jiff::Timestamp;
use maud::{Markup, html};

use super::text::time;
use crate::admin::Report;

/// The section.
pub(super) fn section(report: &Report, now: Timestamp) -> Markup {
    let facts = &report.facts;
    html! {
        section #about.card.full aria-labelledby="about-title" {
            h2 #about-title { "This sidecar" }
            dl.facts {
                div { dt { "Version" } dd { (facts.version) } }
                div { dt { "Started" } dd { (time(facts.started_at, now)) } }
                div { dt { "Credential" } dd { code { (facts.credential) } } }
                div { dt { "Upstream" } dd { code { (facts.upstream) } } }
                @if let Some(url) = &facts.token_url {
                    div { dt { "Token endpoint" } dd { code { (url) } } }
                }
                (addresses("Proxy", &facts.proxy))
                (addresses("Admin", &facts.admin))
            }
            p.hint { "For programs: " a href="/status" { "the report as JSON" } "." }
        }
    }
}

fn addresses(name: &str, addresses: &[String]) -> Markup {
    html! {
        div { dt { (name) } dd { @for address in addresses { code { (address) } " " } } }
    }
}
