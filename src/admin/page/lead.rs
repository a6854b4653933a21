//! The verdict: how all is, since when, and what to do.

use jiff::Timestamp;
use maud::{Markup, html};

use super::actions::Actions;
use super::icons::Icon;
use super::text::{lasting, prose, sentence};
use crate::admin::configuration::Configuration;
use crate::admin::{Report, Verdict};

/// The title of the tab, which a person sees when the page is in the background.
pub(super) fn title(report: &Report) -> String {
    let Verdict { mood, headline, .. } = &report.verdict;
    let short = parts(headline).0;
    format!("{} {short} – webwork-sidecar", Icon::of_mood(*mood).sign())
}

/// The section. What a screen reader announces by itself is the verdict alone, not the time that passes.
pub(super) fn section(report: &Report, now: Timestamp) -> Markup {
    let Verdict { mood, headline, advice } = &report.verdict;
    let (short, rest) = parts(headline);
    let icon = Icon::of_mood(*mood);
    html! {
        section #verdict class=(icon.class()) aria-labelledby="headline" {
            div.sign { (icon.picture()) }
            div.words {
                div aria-live="polite" aria-atomic="true" {
                    h1 #headline { (short) }
                    @if let Some(rest) = rest { p.rest { (sentence(rest)) } }
                    @if let Some(advice) = advice { p.advice { (prose(&sentence(advice))) } }
                }
                p.since {
                    "State " strong { (report.token.state.as_str().replace('_', " ")) } " for "
                    (lasting(report.token.since, now))
                }
                (Actions::of(report).leading())
                (beside(&report.configuration))
                (crowded(report, now))
            }
        }
    }
}

/// A headline begins with the case and goes on with what it means.
fn parts(headline: &str) -> (&str, Option<&str>) {
    let end = [": ", "; "].iter().filter_map(|sign| headline.find(sign)).min();
    match end.map(|end| headline.split_at(end)) {
        Some((short, rest)) => (short, Some(rest.trim_start_matches([':', ';', ' ']))),
        None => (headline, None),
    }
}

/// What is to be done, but not for the sake of the token.
fn beside(configuration: &Configuration) -> Markup {
    let text = if configuration.trouble.is_some() {
        "The configuration files are invalid as they are now."
    } else if configuration.restart.is_empty() {
        return Markup::default();
    } else {
        "The configuration has changed where it needs a restart."
    };
    html! {
        p.beside { (Icon::Warning.picture()) span { (text) " " a href="#settings" { "See what" } } }
    }
}

/// Callers that wait are not the token's trouble either.
fn crowded(report: &Report, now: Timestamp) -> Markup {
    let Some(warning) = report.capacity.warning(now) else { return Markup::default() };
    let (short, _) = warning.split_once("; ").unwrap_or((&warning, ""));
    html! {
        p.beside {
            (Icon::Warning.picture())
            span { (sentence(short)) " " a href="#about" { "See what to do" } }
        }
    }
}
