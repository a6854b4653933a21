//! What runs, where it listens and whom it speaks to.

use jiff::Timestamp;
use maud::{Markup, html};

use super::text::{number, sentence, time};
use crate::admin::Report;
use crate::admin::capacity::CapacityInfo;

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
                (limits(&report.capacity))
            }
            @if let Some(warning) = report.capacity.warning(now) { p.hint { (sentence(&warning)) } }
            p.hint { "For programs: " a href="/status" { "the report as JSON" } "." }
        }
    }
}

fn addresses(name: &str, addresses: &[String]) -> Markup {
    html! {
        div { dt { (name) } dd { @for address in addresses { code { (address) } " " } } }
    }
}

fn limits(capacity: &CapacityInfo) -> Markup {
    let told = |count: usize| number(count as u64);
    html! {
        div {
            dt { "Connections" }
            dd { (told(capacity.connections)) " of " (told(capacity.max_connections)) }
        }
        div { dt { "Open files" } dd { "at most " (told(capacity.open_files)) } }
        @if let Some(memory) = capacity.memory {
            div {
                dt { "Memory for callers" }
                dd { (mebibytes(memory.reserved)) " of " (mebibytes(memory.limit)) " MiB" }
            }
        }
        @if capacity.dropped_log_lines > 0 {
            div { dt { "Lost log lines" } dd { (number(capacity.dropped_log_lines)) } }
        }
    }
}

fn mebibytes(bytes: usize) -> String {
    number((bytes >> 20) as u64)
}
