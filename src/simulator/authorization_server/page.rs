//! The page that asks the user. It stands in for WebWork's own sign-in, so it says what it is.

use maud::{DOCTYPE, Markup, html};

use crate::scope::ScopeSet;

/// Asks whether `client` may act for the user. The form posts to the URL of the page itself, query
/// included, so that the decision is about this very request.
pub(super) fn consent(client: &str, scope: &ScopeSet) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width";
                title { "Authorize – WebWork simulator" }
                style { "body{font:16px/1.5 sans-serif;max-width:32em;margin:4em auto;padding:0 1em}" }
            }
            body {
                h1 { "WebWork simulator" }
                p { "The app with the client id " strong { (client) } " asks to act for you." }
                @if scope.is_empty() {
                    p { "It asks for no scope." }
                } @else {
                    p { "It may then:" }
                    ul { @for value in scope.iter() { li { (value.as_str()) } } }
                }
                form method="post" {
                    button name="decision" value="approve" { "Approve" }
                    " "
                    button name="decision" value="deny" { "Deny" }
                }
            }
        }
    }
}
