//! What a sign-in has brought: who, where, for what, and until when.

use serde_json::Value;

use crate::clock;
use crate::net::connect::Dial;
use crate::net::login_redirect::LoginPages;
use crate::token::Refresh;
use crate::token::claims::Claims;
use crate::token::grant::Grant;

use super::super::proof::{Failure, proven};
use super::super::style::{relative, say, span};

/// Longest name, and most names, that are shown.
const LONGEST: usize = 60;
const MOST: usize = 10;

/// Tells what was granted, and proves it with one request to the API.
pub(super) async fn tell(
    grant: &Grant,
    refresh: &Refresh,
    upstream: &Dial,
    login_pages: &LoginPages,
) -> Result<(), Failure> {
    let now = clock::now().wall();
    let claims = Claims::of(&grant.access);
    match claims.subject.as_deref().map(shown).filter(|subject| !subject.is_empty()) {
        Some(subject) => say(format_args!("Signed in as user {subject}; the grant is stored.")),
        None => say("Signed in; the grant is stored."),
    }
    let scope = grant.scope.as_ref().map_or("not told".into(), ToString::to_string);
    say(format_args!("  scope          {scope}"));
    let end = grant.expires.map_or("not told when".into(), |end| relative(end, now));
    say(format_args!("  access token   ends {end}; a sidecar that runs replaces it before"));
    say(format_args!(
        "  refresh token  ends in {} unless a sidecar runs",
        span(refresh.refresh_token_life)
    ));
    let reply = proven(upstream, login_pages, &grant.bearer()).await.map_err(|error| {
        format!("the sign-in is stored, but the API does not serve it: {error}")
    })?;
    say(format_args!("  workspaces     {}", workspaces(Some(&reply.content))));
    say("A sidecar that runs takes it up within a second.");
    Ok(())
}

/// The names in a list of workspaces: API.md §3.
fn workspaces(content: Option<&[u8]>) -> String {
    let answer: Value =
        content.and_then(|content| serde_json::from_slice(content).ok()).unwrap_or_default();
    let Some(list) = answer["data"].as_array() else { return "not told".into() };
    let names = list.iter().filter_map(|one| one["name"].as_str().or(one["title"].as_str()));
    let names: Vec<String> = names.take(MOST).map(shown).collect();
    match list.len().saturating_sub(names.len()) {
        0 => names.join(", "),
        more if names.is_empty() => format!("{more}"),
        more => format!("{}, and {more} more", names.join(", ")),
    }
}

/// Somebody else's text, as a terminal may show it.
fn shown(text: &str) -> String {
    text.chars().filter(|sign| sign.is_alphanumeric() || is_plain(*sign)).take(LONGEST).collect()
}

fn is_plain(sign: char) -> bool {
    sign == ' ' || sign.is_ascii_punctuation()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_shown_as_far_as_they_are_plain() {
        let told = |json: &str| workspaces(Some(json.as_bytes()));
        assert_eq!(told(r#"{"data":[{"name":"Acme"},{"title":"B\u001b[2J"}]}"#), "Acme, B[2J");
        assert_eq!(told(r#"{"data":[]}"#), "");
        assert_eq!(told(r#"{"data":[{"id":1},{"id":2}]}"#), "2");
        assert_eq!(told("<html>"), "not told");
        let many: Vec<Value> =
            (0..12).map(|number| serde_json::json!({ "name": format!("w{number}") })).collect();
        assert!(told(&serde_json::json!({ "data": many }).to_string()).ends_with("w9, and 2 more"));
    }
}
