//! How much of its rate limit the API says is left.

use jiff::Timestamp;
use maud::{Markup, html};

use super::text::{number, percent, share, time};
use crate::telemetry::rate_limit::RateLimit;

/// The section.
pub(super) fn section(limit: Option<&RateLimit>, now: Timestamp) -> Markup {
    html! {
        section #limit.card aria-labelledby="limit-title" {
            h2 #limit-title { "Rate limit of the API" }
            @match limit {
                Some(limit) => (told(limit, now)),
                None => p.empty { "No answer of the API has told it yet." },
            }
        }
    }
}

fn told(limit: &RateLimit, now: Timestamp) -> Markup {
    let left = share(limit.remaining.into(), limit.limit.into());
    let (remaining, all) = (number(limit.remaining.into()), number(limit.limit.into()));
    let over = limit.resets_at.filter(|reset| *reset <= now);
    let class = match left {
        _ if over.is_some() => "meter old",
        ..=0.0 => "meter none",
        ..0.2 => "meter little",
        _ => "meter",
    };
    html! {
        p.figure { strong { (remaining) } " of " (all) " requests left" }
        svg class=(class) role="img" width="100%" height="12"
            aria-label=(format!("{remaining} of {all} requests are left.")) {
            rect.rail x="0" y="2" width="100%" height="8" rx="4" {}
            rect.left x="0" y="2" width=(percent(left)) height="8" rx="4" {}
        }
        dl.facts {
            @match limit.resets_at {
                Some(_) if over.is_some() => {
                    div { dt { "New window" } dd { "has begun since; the next answer tells" } }
                }
                Some(reset) => div { dt { "New window" } dd { (time(reset, now)) } },
                None => {}
            }
            div { dt { "Told" } dd { (time(limit.seen_at, now)) } }
        }
        @if limit.remaining == 0 && over.is_none() {
            p.hint { "Until the new window the API answers 429: let programs wait." }
        }
    }
}
