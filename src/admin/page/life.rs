//! The lives of the tokens as pictures: where between its issue and its end each of them is.

use jiff::Timestamp;
use maud::{Markup, html};

use super::text::{percent, share, time};
use crate::admin::evidence::Verification;
use crate::admin::when::relative;
use crate::token::status::Status;

/// The section.
pub(super) fn section(token: &Status, verification: Verification, now: Timestamp) -> Markup {
    html! {
        section #life.card.wide[token.issued_at.is_some()] aria-labelledby="life-title" {
            h2 #life-title { "Tokens" }
            @match token.issued_at {
                Some(issued) => (access(token, verification, issued, now)),
                None => p.empty { "There is no access token yet." },
            }
            @if let Some(life) = Life::of_refresh_token(token).filter(|_| token.loss.is_none()) {
                h3 { "Refresh token" }
                (life.picture("The refresh token", now))
                (life.legend(now))
                p.hint {
                    "Every exchange brings a new one; it ends only if no sidecar runs until then."
                }
            }
        }
    }
}

fn access(token: &Status, verification: Verification, issued: Timestamp, now: Timestamp) -> Markup {
    let due = token.next_exchange_at;
    html! {
        h3 { "Access token" }
        @match token.expires_at {
            Some(end) => {
                @let life = Life { issued, due, end };
                @if token.is_dead(now) { p.hint { strong { "The API refuses it, before its time." } } }
                (life.picture("The access token", now))
                (life.legend(now))
            }
            None => {
                dl.legend {
                    div { dt { (key("issued")) "Issued" } dd { (time(issued, now)) } }
                    @if let Some(due) = due {
                        div { dt { (key("due")) "Refresh due" } dd { (time(due, now)) } }
                    }
                }
                p.hint { "Nobody told when it ends: it is used until the API refuses it." }
            }
        }
        dl.facts {
            div { dt { "Generation" } dd { (token.generation) } }
            div { dt { "API" } dd { (verification.told()) } }
            @if let Some(fingerprint) = token.fingerprint {
                div { dt { "Fingerprint" } dd { code { (fingerprint) } } }
            }
            @if let Some(scope) = &token.scope { div { dt { "Scope" } dd { (scope) } } }
            div { dt { "Rotations" } dd { (token.rotations) } }
        }
    }
}

/// A life from its issue to its end.
#[derive(Clone, Copy, Debug)]
struct Life {
    issued: Timestamp,
    due: Option<Timestamp>,
    end: Timestamp,
}

impl Life {
    fn of_refresh_token(token: &Status) -> Option<Self> {
        let (issued, end) = (token.refresh_token_issued_at?, token.refresh_token_expires_at?);
        Some(Self { issued, due: None, end })
    }

    /// A line from issue to end. Geometry is in attributes, because no style may stand in the page.
    fn picture(self, name: &str, now: Timestamp) -> Markup {
        let here = percent(self.place(now));
        let due = self.due.map(|due| percent(self.place(due)));
        let class = if now < self.end { "life" } else { "life over" };
        html! {
            svg class=(class) role="img" width="100%" height="44" aria-label=(self.told(name, now)) {
                rect.rail x="0" y="24" width="100%" height="8" rx="4" {}
                rect.spent x="0" y="24" width=(here) height="8" rx="4" {}
                svg.issued x="0" y="28" overflow="visible" { circle r="5" {} }
                @if let Some(due) = due {
                    svg.due x=(due) y="28" overflow="visible" { path d="M0-8L8 0L0 8L-8 0z"; }
                }
                svg.end x="100%" y="28" overflow="visible" {
                    rect x="-5" y="-8" width="5" height="16" rx="1" {}
                }
                svg.now x=(here) y="28" overflow="visible" { circle r="7" {} }
                text.now x=(here) y="13" text-anchor=(self.anchor(now)) { "now" }
            }
        }
    }

    /// Keeps the word at the marker inside the picture.
    fn anchor(self, now: Timestamp) -> &'static str {
        match self.place(now) {
            ..0.06 => "start",
            0.94.. => "end",
            _ => "middle",
        }
    }

    fn legend(self, now: Timestamp) -> Markup {
        let ends = if now < self.end { "Ends" } else { "Ended" };
        html! {
            dl.legend {
                div { dt { (key("issued")) "Issued" } dd { (time(self.issued, now)) } }
                @if let Some(due) = self.due {
                    div { dt { (key("due")) "Refresh due" } dd { (time(due, now)) } }
                }
                div { dt { (key("end")) (ends) } dd { (time(self.end, now)) } }
            }
        }
    }

    /// The picture in words.
    fn told(self, name: &str, now: Timestamp) -> String {
        let issued = relative(self.issued, now);
        let due = self.due.map(|due| format!(" is to be replaced {},", relative(due, now)));
        let (due, end) = (due.unwrap_or_default(), relative(self.end, now));
        let ends = if now < self.end { "ends" } else { "ended" };
        format!("{name} was issued {issued},{due} and {ends} {end}.")
    }

    fn place(self, at: Timestamp) -> f64 {
        let since = |time: Timestamp| time.duration_since(self.issued).as_secs_f64();
        share(since(at), since(self.end))
    }
}

/// The sign of a marker, beside its name.
fn key(class: &str) -> Markup {
    html! {
        svg class=(format!("key {class}")) viewBox="-9 -9 18 18" aria-hidden="true" focusable="false" {
            @match class {
                "issued" => circle r="5" {},
                "due" => path d="M0-8L8 0L0 8L-8 0z" {},
                _ => rect x="-3" y="-8" width="6" height="16" rx="1" {},
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_picture_shows_where_a_life_is() {
        let life = Life { issued: at(1_000), due: Some(at(1_600)), end: at(2_000) };
        let html = life.picture("It", at(1_250)).into_string();
        for part in [r#"width="25.0%""#, r#"x="60.0%""#, r#"text-anchor="middle""#] {
            assert!(html.contains(part), "{part} in {html}");
        }
        let told = "It was issued 4 min ago, is to be replaced in 6 min, and ends in 13 min.";
        assert_eq!(life.told("It", at(1_250)), told);
    }

    #[test]
    fn a_life_that_is_over_stays_in_the_picture() {
        let life = Life { issued: at(1_000), due: None, end: at(2_000) };
        let html = life.picture("It", at(9_000)).into_string();
        assert!(html.contains("life over") && html.contains(r#"width="100.0%""#), "{html}");
        assert_eq!(life.place(at(0)), 0.0, "a clock that was set back");
        let nothing = Life { issued: at(5), due: None, end: at(5) };
        assert_eq!(nothing.place(at(5)), 0.0);
    }
}
