//! What a person can do from here: plain forms, which need no script. What helps now stands in the
//! verdict, the rest in a section of its own.

use maud::{Markup, html};

use super::icons::Icon;
use super::text::{prose, sentence};
use crate::admin::Report;
use crate::admin::sign_in::Way;
use crate::token::state::Standing;

/// What can be done, and what should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Actions {
    way: Way,
    refresh: Sense,
    sign_in: Sense,
    sign_out: Sense,
}

/// Whether something makes sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sense {
    /// Nothing would come of it.
    None,
    /// A person may wish it.
    Possible,
    /// It is what helps now.
    Urgent,
}

impl Actions {
    pub(super) fn of(report: &Report) -> Self {
        let state = report.token.state;
        let way = if report.draining { Way::None } else { report.sign_in.way };
        let needs_person = matches!(state, Standing::SignedOut | Standing::Lost);
        let refresh = match state {
            _ if report.draining => Sense::None,
            // Nothing is planned then, and all the same it can be tried.
            Standing::Misconfigured => Sense::Urgent,
            _ if report.token.next_exchange_at.is_none() => Sense::None,
            Standing::Retrying => Sense::Urgent,
            Standing::Active => Sense::Possible,
            Standing::SignedOut | Standing::Lost | Standing::Rejected => Sense::None,
            Standing::Refreshing | Standing::InDoubt | Standing::Unsaved => Sense::None,
        };
        let sign_in = match way {
            Way::None => Sense::None,
            _ if needs_person => Sense::Urgent,
            _ => Sense::Possible,
        };
        let sign_out = match way {
            Way::None => Sense::None,
            _ if state == Standing::SignedOut => Sense::None,
            _ => Sense::Possible,
        };
        Self { way, refresh, sign_in, sign_out }
    }

    /// What helps now.
    pub(super) fn leading(self) -> Markup {
        html! {
            @if self.sign_in == Sense::Urgent { (self.sign_in("button primary")) }
            @if self.refresh == Sense::Urgent { (refresh("Try again now", "button primary")) }
        }
    }

    /// Whether a person types something here, which a reload would take away.
    pub(super) fn is_typing(self) -> bool {
        self.way == Way::Paste && self.sign_in == Sense::Urgent
    }

    fn sign_in(self, class: &str) -> Markup {
        html! {
            @match self.way {
                Way::None => {}
                Way::Callback => form method="post" action="/sign-in" {
                    button class=(class) { "Sign in" }
                },
                Way::Paste => ol.steps {
                    li {
                        form method="post" action="/sign-in" target="_blank" rel="noopener" {
                            button class=(class) { "Sign in, in a new tab" }
                        }
                    }
                    li { (paste()) }
                },
            }
        }
    }
}

/// The section with everything that is not in the verdict.
pub(super) fn section(report: &Report) -> Markup {
    let actions = Actions::of(report);
    html! {
        section #actions.card aria-labelledby="actions-title" {
            h2 #actions-title { "Sign-in" }
            @if let Some(trouble) = &report.sign_in.trouble {
                div.note.broken { (Icon::Cross.picture()) p { (prose(&sentence(trouble))) } }
            }
            p.about { (about(report)) }
            div.buttons {
                @if actions.refresh == Sense::Possible {
                    (refresh("Get a new token now", "button"))
                }
                @if actions.sign_in == Sense::Possible && actions.way == Way::Callback {
                    (actions.sign_in("button"))
                }
            }
            @if actions.sign_in == Sense::Possible && actions.way == Way::Paste {
                details #sign-in-again { summary { "Sign in again" } (actions.sign_in("button")) }
            }
            @if actions.way == Way::Callback {
                details #paste {
                    summary { "The browser did not come back?" }
                    (paste())
                }
            }
            @if actions.sign_out == Sense::Possible {
                details #sign-out {
                    summary { "Sign out" }
                    p {
                        "The sidecar forgets its tokens. Requests are refused with 503 until somebody \
                         signs in."
                    }
                    form method="post" action="/sign-out" {
                        button.button.danger { "Sign out now" }
                    }
                }
            }
        }
    }
}

fn about(report: &Report) -> &'static str {
    if report.draining {
        return "The sidecar is stopping: nothing begins any more.";
    }
    match (report.sign_in.way, report.facts.credential.as_str()) {
        (Way::Callback | Way::Paste, _) => {
            "A person signs in once; from then on the sidecar replaces the tokens by itself."
        }
        (Way::None, "client_credentials") => {
            "The app has a token of its own (client credentials): nobody has to sign in."
        }
        (Way::None, _) => {
            "The token is a personal one: it cannot be refreshed, and nobody has to sign in. A new one \
             in its file is taken up at once."
        }
    }
}

fn refresh(name: &str, class: &str) -> Markup {
    html! { form method="post" action="/refresh" { button class=(class) { (name) } } }
}

fn paste() -> Markup {
    html! {
        form.paste method="post" action="/sign-in/paste" {
            label for="url" { "The whole address at which the browser ended" }
            textarea #url name="url" rows="2" required autocomplete="off" spellcheck="false" {}
            button.button { "Finish the sign-in" }
        }
    }
}
