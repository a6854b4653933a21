//! Every answer that a browser can bring back, and every refusal of a code.

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use url::Url;

use crate::secret::Secret;

use super::super::source::AuthorizationCode;
use super::super::state::{Doubtful, Outcome, Taken};
use super::*;

const HOME: &str = "http://127.0.0.1:9181/callback?tab=1";

fn app() -> AuthorizationCode {
    AuthorizationCode {
        authorize_url: Url::parse("https://as.example/oauth/authorize?tenant=a%20b").unwrap(),
        redirect_uri: HOME.into(),
        ..AuthorizationCode::example()
    }
}

fn pending() -> Pending {
    // RFC 7636, appendix B.
    let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    Pending::of(&app(), Secret::new("st8".into()), Secret::new(verifier.into()))
}

#[test]
fn the_url_asks_for_a_code_and_keeps_what_was_configured() {
    let url = Url::parse(&pending().url()).unwrap();
    assert_eq!(url.origin().ascii_serialization(), "https://as.example");
    assert!(url.query().unwrap().starts_with("tenant=a%20b&"), "{url}");
    let pairs: Vec<(String, String)> = url.query_pairs().into_owned().skip(1).collect();
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| (&**name, &**value)).collect();
    assert_eq!(
        pairs,
        [
            ("response_type", "code"),
            ("client_id", "id 1"),
            ("redirect_uri", HOME),
            ("scope", "read write"),
            ("state", "st8"),
            ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
            ("code_challenge_method", "S256"),
        ]
    );
}

#[test]
fn no_two_sign_ins_are_alike() {
    let (one, other) = (Pending::new(&app()).unwrap(), Pending::new(&app()).unwrap());
    assert_ne!(one.state, other.state);
    assert_ne!(one.verifier, other.verifier);
    assert_ne!(one.state, one.verifier);
    assert_eq!(one.returned(&format!("code=a&state={}", other.state.expose())), STATE);
}

const STATE: Result<Proof, SignInError> = Err(SignInError::StateWrong);

#[test]
fn a_code_is_found_however_the_address_was_pasted() {
    let expected = Proof {
        code: Secret::new("def50200+x".into()),
        redirect_uri: HOME.into(),
        verifier: pending().verifier,
    };
    for text in [
        "http://127.0.0.1:9181/callback?tab=1&code=def50200%2Bx&state=st8",
        "  http://127.0.0.1:9181/callback?state=st8&code=def50\r\n  200%2Bx\n\n",
        "<http://127.0.0.1:9181/callback?code=def50200%2Bx&state=st8>",
        "\"http://127.0.0.1:9181/callback?code=def50200%2Bx&state=st8\"\n",
        "127.0.0.1:9181/callback?code=def50200%2Bx&state=st8#_=_",
        "HTTP://127.0.0.1:9181/callback?code=def50200%2Bx&state=st8",
        "?code=def50200%2Bx&state=st8",
        "code=def50200%2Bx&state=st8&session_state=?",
        "code=def50200%2Bx&state=st8&iss=https%3A%2F%2Fas.example",
        "code=def50200%2Bx&state=st8&iss=https%3A%2F%2Fas.example%2Ftenant",
    ] {
        assert_eq!(pending().pasted(text), Ok(expected.clone()), "{text:?}");
    }
}

#[test]
fn what_is_no_answer_to_this_sign_in_is_told_apart() {
    let place = || SignInError::Place(HOME.into());
    for (text, expected) in [
        ("", SignInError::NoCode),
        ("def50200", SignInError::NoCode),
        ("http://127.0.0.1:9181/callback", SignInError::NoCode),
        ("state=st8", SignInError::NoCode),
        ("code=&state=st8", SignInError::NoCode),
        ("code=%00&state=st8", SignInError::NoCode),
        ("https://as.example/oauth/authorize?state=st8", place()),
        ("http://127.0.0.1:9182/callback?code=a&state=st8", place()),
        ("https://127.0.0.1:9181/callback?code=a&state=st8", place()),
        ("http://127.0.0.1:9181/callback/?code=a&state=st8", place()),
        ("http://evil.example/callback?code=a&state=st8", place()),
        ("http://127.0.0.1:9181@evil.example/callback?code=a&state=st8", place()),
        ("code=a", SignInError::StateMissing),
        ("error=access_denied", SignInError::StateMissing),
        ("error=invalid_scope&iss=https%3A%2F%2Fas.example", SignInError::StateMissing),
        ("error=invalid_scope&code=a", SignInError::StateMissing),
        ("code=a&state=ST8", SignInError::StateWrong),
        ("code=a&state=", SignInError::StateWrong),
        ("error=access_denied&state=other", SignInError::StateWrong),
        ("code=a&code=a&state=st8", SignInError::Repeated("code")),
        ("code=a&state=st8&state=st8", SignInError::Repeated("state")),
        ("error=a&error=b&state=st8", SignInError::Repeated("error")),
        ("code=a&state=st8&iss=a&iss=b", SignInError::Repeated("iss")),
    ] {
        let seen = pending().pasted(text).unwrap_err();
        assert_eq!(seen, expected, "{text:?}");
        assert!(!seen.is_final(), "{text:?}");
    }
    let endless = format!("state=st8&code={}", "a".repeat(40_000));
    assert_eq!(pending().returned(&endless), Err(SignInError::NoCode));
}

#[test]
fn an_error_page_is_told_by_what_it_means() {
    let client = "{\"error\":\"invalid_client\",\"error_description\":\"Client authentication failed\",\
                  \"message\":\"Client authentication failed\"}";
    for (text, told) in [
        (client, "redirect_uri is not the registered one"),
        ("{ \"error\": \"invalid_request\",\r\n \"hint\": \"x\" }", "redirect_uri"),
        ("{\"error\":\"invalid_scope\"}", "scope"),
        ("{\"error\":\"unauthorized_client\"}", "grant type"),
        ("{\"error\":\"canary\"}", "client_id"),
        ("{\"message\":\"canary\"}", "client_id"),
        ("{canary", "client_id"),
    ] {
        let error = pending().pasted(text).unwrap_err();
        let shown = error.to_string();
        assert!(shown.contains("error page") && shown.contains(told), "{text}: {shown}");
        assert!(!shown.contains("canary") && !error.is_final(), "{text}: {shown}");
    }
}

#[test]
fn what_the_server_refuses_is_told_apart_and_ends_the_sign_in() {
    for (query, expected) in [
        ("error=access_denied&state=st8", SignInError::Denied),
        ("error=access_denied&hint=x&message=y&state=st8", SignInError::Denied),
        ("error=invalid_scope&state=st8", SignInError::Scope),
        ("error=invalid_scope", SignInError::Scope),
        ("error=login_required&state=st8", SignInError::Unattended),
        ("error=consent_required&state=st8", SignInError::Unattended),
        ("error=server_error&state=st8", SignInError::Server(Told::default())),
        ("error=unauthorized_client&state=st8", SignInError::GrantType(Told::default())),
        ("error=x&error_description=a%1B%5Bm&state=st8", SignInError::Refused(Told::new("a[m"))),
        ("code=a&state=st8&iss=https%3A%2F%2Fevil.example", SignInError::Issuer),
        ("code=a&state=st8&iss=http%3A%2F%2Fas.example", SignInError::Issuer),
        ("code=a&state=st8&iss=", SignInError::Issuer),
        ("error=access_denied&state=st8&iss=https%3A%2F%2Fevil.example", SignInError::Issuer),
        // An answer with both is an error.
        ("code=a&error=access_denied&state=st8", SignInError::Denied),
    ] {
        let seen = pending().returned(query).unwrap_err();
        assert_eq!(seen, expected, "{query}");
        assert!(seen.is_final(), "{query}");
    }
}

fn granted(status: u16, content: &str) -> Result<(), SignInError> {
    let status = StatusCode::from_u16(status).unwrap();
    let now = Timestamp::UNIX_EPOCH;
    refusal::granted(status, &HeaderMap::new(), content.as_bytes(), now).map(drop)
}

fn error(status: u16, error: &str, description: &str, hint: &str) -> Result<(), SignInError> {
    let content =
        serde_json::json!({ "error": error, "error_description": description, "hint": hint });
    granted(status, &content.to_string())
}

/// The long sentences of league, API.md §2.
const M: &str = "The request is missing a required parameter, includes an invalid parameter value, \
    includes a parameter more than once, or is otherwise malformed.";
const G: &str = "The provided authorization grant (e.g., authorization code, resource owner \
    credentials) or refresh token is invalid, expired, revoked, does not match the redirection URI \
    used in the authorization request, or was issued to another client.";

#[test]
fn league_8_and_9_are_understood_in_every_refusal_of_a_code() {
    let used = "Authorization code has been revoked";
    let expired = "Authorization code has expired";
    let garbage = "Cannot decrypt the authorization code";
    let invalid = "Cannot validate the provided authorization code";
    let client = "Client authentication failed";
    for (status, code, description, hint, expected) in [
        (400, "invalid_request", M, used, SignInError::CodeUsed),
        (400, "invalid_grant", G, used, SignInError::CodeUsed),
        (400, "invalid_request", M, expired, SignInError::CodeExpired),
        (400, "invalid_grant", G, expired, SignInError::CodeExpired),
        (400, "invalid_request", M, garbage, SignInError::CodeUnknown),
        (400, "invalid_grant", G, garbage, SignInError::CodeUnknown),
        (400, "invalid_grant", G, invalid, SignInError::CodeUnknown),
        (
            400,
            "invalid_request",
            M,
            "Authorization code was not issued to this client",
            SignInError::CodeUnknown,
        ),
        (401, "invalid_client", client, "", SignInError::Client),
        (400, "invalid_request", M, "Check the `client_secret` parameter", SignInError::Client),
        (400, "invalid_request", M, "Invalid redirect URI", SignInError::RedirectUri),
        (400, "invalid_request", M, "Check the `redirect_uri` parameter", SignInError::RedirectUri),
        (400, "invalid_grant", G, "Failed to verify `code_verifier`.", SignInError::Verifier),
        (
            400,
            "invalid_request",
            M,
            "code_verifier received when no code_challenge is present",
            SignInError::Verifier,
        ),
        // Others have the sentence of RFC 6749, which names every reason, or none at all.
        (400, "invalid_grant", G, "", SignInError::CodeRefused(Told::new(G))),
        (400, "invalid_grant", "", "", SignInError::CodeRefused(Told::default())),
        (400, "unauthorized_client", "", "", SignInError::GrantType(Told::default())),
        (400, "invalid_scope", "", "", SignInError::Scope),
        (400, "invalid_request", M, "", SignInError::Request(Told::new(M))),
    ] {
        assert_eq!(error(status, code, description, hint), Err(expected), "{status} {code} {hint}");
    }
}

#[test]
fn an_answer_that_settles_nothing_says_so() {
    assert_eq!(granted(200, r#"{"access_token":"a","refresh_token":"b"}"#), Ok(()));
    assert_eq!(granted(200, r#"{"access_token":"a"}"#), Err(SignInError::NoRefreshToken));
    for (status, content) in [(200, ""), (200, "{"), (500, ""), (502, "<html>")] {
        let seen = granted(status, content);
        assert!(matches!(seen, Err(SignInError::AnswerLost(_))), "{status} {content}: {seen:?}");
    }
    for status in [429, 503, 404] {
        let seen = granted(status, "<html>");
        assert!(matches!(seen, Err(SignInError::Throttled { .. })), "{status}: {seen:?}");
    }
    let after = Some(Duration::from_secs(7));
    let asked = Outcome::Throttled { retry_after: after, detail: "busy".into(), taken: Taken::No };
    assert_eq!(refusal::unanswered(asked).to_string(), "busy: sign in again in 7 s");
    let lost = Outcome::InDoubt { why: "cut".into(), doubtful: Doubtful::Silence };
    assert!(refusal::unanswered(lost).to_string().contains("stays in use"));
}

#[test]
fn nothing_shows_state_code_or_verifier() {
    let pending = Pending::of(
        &app(),
        Secret::new("canary-state".into()),
        Secret::new("canary-verifier".into()),
    );
    let proof = pending.returned("code=canary-code&state=canary-state").unwrap();
    let error = pending.returned("code=canary-code&state=canary-other").unwrap_err();
    let shown = format!("{pending:?} {proof:?} {error:?} {error}");
    assert!(!shown.contains("canary"), "{shown}");
}
