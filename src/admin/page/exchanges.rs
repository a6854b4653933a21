//! The last exchanges with the authorization server, the newest first.

use jiff::Timestamp;
use maud::{Markup, html};

use super::icons::Icon;
use super::text::{milliseconds, prose, sentence, time};
use crate::token::current::Generation;
use crate::token::ended::{Ended, Ending};
use crate::token::status::Status;

/// The section.
pub(super) fn section(token: &Status, now: Timestamp) -> Markup {
    html! {
        section #exchanges.card.full aria-labelledby="exchanges-title" {
            h2 #exchanges-title { "Last exchanges" }
            @if token.exchanges.is_empty() {
                p.empty { "None since the start." }
                @if let Some(next) = token.next_exchange_at {
                    p.hint { "The next one is planned " (time(next, now)) }
                }
            } @else {
                @let newest = token.exchanges.iter().rev();
                ol.exchanges { @for ended in newest.clone().take(AT_ONCE) { (entry(ended, now)) } }
                @if let older @ 1.. = token.exchanges.len().saturating_sub(AT_ONCE) {
                    details #older-exchanges {
                        summary { (older) " more" }
                        ol.exchanges { @for ended in newest.skip(AT_ONCE) { (entry(ended, now)) } }
                    }
                }
            }
        }
    }
}

/// How many are seen at once.
const AT_ONCE: usize = 4;

fn entry(ended: &Ended, now: Timestamp) -> Markup {
    let icon = Icon::of_ending(ended.outcome);
    html! {
        li class=(icon.class()) {
            (icon.picture())
            div {
                p.outcome {
                    strong { (words(ended.outcome)) }
                    span { "took " (milliseconds(ended.took_ms as f64)) }
                    @if ended.generation > Generation(0) {
                        span { (relation(ended.outcome)) " generation " (ended.generation) }
                    }
                }
                @if let Some(detail) = &ended.detail { p.detail { (prose(&sentence(detail))) } }
                p.when { (time(ended.at, now)) }
            }
        }
    }
}

fn words(outcome: Ending) -> &'static str {
    match outcome {
        Ending::Granted => "New tokens",
        Ending::DeadGrant => "Grant refused",
        Ending::Client => "Client refused",
        Ending::Request => "Request refused",
        Ending::Throttled => "Server was busy",
        Ending::NotSent => "Nothing was sent",
        Ending::InDoubt => "No usable answer",
    }
}

/// What the exchange was to the generation that was in use then.
fn relation(outcome: Ending) -> &'static str {
    match outcome {
        Ending::Granted => "in place of",
        _ => "with",
    }
}
