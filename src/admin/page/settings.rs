//! The configuration in use, what is wrong with the files as they are now, and what needs a restart.

use jiff::Timestamp;
use maud::{Markup, html};

use super::icons::Icon;
use super::text::{counted, time};
use crate::admin::configuration::{Configuration, Given, Setting};

/// The section. What somebody gave is seen at once; defaults are a click away.
pub(super) fn section(configuration: &Configuration, now: Timestamp) -> Markup {
    let Configuration { read_at, trouble, restart, settings } = configuration;
    let (defaults, given): (Vec<_>, Vec<_>) =
        settings.iter().partition(|setting| setting.given == Given::Default);
    html! {
        section #settings.card.full aria-labelledby="settings-title" {
            h2 #settings-title { "Configuration in use" }
            @if let Some(trouble) = trouble {
                div.note.broken {
                    (Icon::Cross.picture())
                    div {
                        p { strong { "The files as they are now are invalid; what was read before stays in use." } }
                        pre tabindex="0" role="region" aria-label="What is wrong" { (trouble.trim_end()) }
                    }
                }
            }
            @if !restart.is_empty() {
                div.note.degraded {
                    (Icon::Warning.picture())
                    p { strong { "Restart to apply what has changed: " } (restart.join(", ")) }
                }
            }
            @if !given.is_empty() { (table("Settings that somebody gave", &given)) }
            @if !defaults.is_empty() {
                details #defaults {
                    summary { (counted(defaults.len() as u64, "default", "defaults")) }
                    (table("Settings that are defaults", &defaults))
                }
            }
            p.hint { "Secrets appear as fingerprints. Read " (time(*read_at, now)) }
        }
    }
}

fn table(caption: &str, settings: &[&Setting]) -> Markup {
    html! {
        table.settings {
            caption.hidden { (caption) }
            thead {
                tr { th scope="col" { "Key" } th scope="col" { "Value" } th scope="col" { "From" } }
            }
            tbody {
                @for Setting { key, value, given } in settings {
                    tr {
                        th scope="row" { code { (breakable(key)) } }
                        td { code { (value) } }
                        td { (origin(*given)) }
                    }
                }
            }
        }
    }
}

/// A long key may go on in a new line after a dot.
fn breakable(key: &str) -> Markup {
    html! {
        @for (place, part) in key.split('.').enumerate() {
            @if place > 0 { "." wbr; }
            (part)
        }
    }
}

fn origin(given: Given) -> &'static str {
    match given {
        Given::Default => "default",
        Given::File => "file",
        Given::Environment => "environment",
    }
}
