//! Every row of API.md §2, "Errors", in both columns, and what the strict server makes of it.

use axum::http::Method;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::secret::Secret;
use crate::simulator::tests::peer::{Answer, code, form, quiet, refresh, request, send, start};
use crate::simulator::{
    Client, ClientKind, Config, Fault, GrantType, Personality, Simulator, Target, TokenKind, What,
    When,
};

const M: &str = "The request is missing a required parameter, includes an invalid parameter value, includes a parameter more than once, or is otherwise malformed.";
const G: &str = "The provided authorization grant (e.g., authorization code, resource owner credentials) or refresh token is invalid, expired, revoked, does not match the redirection URI used in the authorization request, or was issued to another client.";
const R: &str = "The refresh token is invalid.";
const C: &str = "Client authentication failed";
const S: &str = "The requested scope is invalid, unknown, or malformed";
const T: &str = "The authorization grant type is not supported by the authorization server.";
const U: &str = "The authenticated client is not authorized to use this authorization grant type.";

const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const REDIRECT: &str = "http://127.0.0.1/callback";

/// Status, `error`, `error_description`, `hint`.
type Expected = (u16, &'static str, &'static str, Option<&'static str>);

struct Row {
    case: &'static str,
    form: &'static str,
    league8: Expected,
    league9: Expected,
    /// Status and `error` of the strict server.
    strict: (u16, &'static str),
}

fn row(
    case: &'static str,
    form: &'static str,
    league8: Expected,
    league9: Expected,
    strict: (u16, &'static str),
) -> Row {
    Row { case, form, league8, league9, strict }
}

#[rustfmt::skip]
fn rows() -> Vec<Row> {
    let dead = |hint| ((401, "invalid_request", R, Some(hint)), (400, "invalid_grant", R, Some(hint)));
    let both = |expected: Expected| (expected, expected);
    let m = |hint| (400, "invalid_request", M, Some(hint));
    let g = |hint| (400, "invalid_grant", G, Some(hint));
    let client: Expected = (401, "invalid_client", C, None);
    let grant = (400, "invalid_grant");
    let request = (400, "invalid_request");
    let mut rows = Vec::new();
    let mut add = |case, form, (league8, league9), strict| rows.push(row(case, form, league8, league9, strict));

    add("refresh token reused", "grant_type=refresh_token&{me}&refresh_token={spent}", dead("Token has been revoked"), grant);
    add("refresh token revoked", "grant_type=refresh_token&{me}&refresh_token={revoked}", dead("Token has been revoked"), grant);
    add("refresh token expired", "grant_type=refresh_token&{me}&refresh_token={expired}", dead("Token has expired"), grant);
    add("refresh token garbage", "grant_type=refresh_token&{me}&refresh_token=abc", dead("Cannot decrypt the refresh token"), grant);
    add("refresh token of another client", "grant_type=refresh_token&{other}&refresh_token={live}", dead("Token is not linked to client"), grant);
    add("wrong secret", "grant_type=refresh_token&client_id=1&client_secret=wrong&refresh_token={live}", both(client), (401, "invalid_client"));
    add("unknown client", "grant_type=refresh_token&client_id=99&client_secret=x&refresh_token={live}", both(client), (401, "invalid_client"));
    add("secret missing", "grant_type=refresh_token&client_id=1&refresh_token={live}", (client, m("Check the `client_secret` parameter")), (401, "invalid_client"));
    add("no client_id", "grant_type=refresh_token&refresh_token={live}", both(m("Check the `client_id` parameter")), request);
    add("refresh_token missing", "grant_type=refresh_token&{me}", both(m("Check the `refresh_token` parameter")), request);
    let scope = both((400, "invalid_scope", S, Some("Check the `admin` scope")));
    add("scope wider than granted", "grant_type=refresh_token&{me}&refresh_token={live}&scope=read+admin", scope, (400, "invalid_scope"));
    let scope = both((400, "invalid_scope", S, Some("Check the `nonsense` scope")));
    add("scope unknown", "grant_type=refresh_token&{me}&refresh_token={live}&scope=nonsense", scope, (400, "invalid_scope"));
    add("scope unknown for a client", "grant_type=client_credentials&{me}&scope=nonsense", scope, (400, "invalid_scope"));
    let unsupported = both((400, "unsupported_grant_type", T, Some("Check that all required parameters have been provided")));
    add("unsupported grant type", "grant_type=password&{me}", unsupported, (400, "unsupported_grant_type"));
    add("missing grant type", "{me}", unsupported, request);
    add("client may not use this grant", "grant_type=client_credentials&{other}", (client, (400, "unauthorized_client", U, None)), (400, "unauthorized_client"));
    let used = |hint| (m(hint), g(hint));
    add("code used already", "grant_type=authorization_code&{me}&{redirect}&code={used_code}", used("Authorization code has been revoked"), grant);
    add("code expired", "grant_type=authorization_code&{me}&{redirect}&code={expired_code}", used("Authorization code has expired"), grant);
    add("code garbage", "grant_type=authorization_code&{me}&{redirect}&code=abc",
        (m("Cannot decrypt the authorization code"), g("Cannot validate the provided authorization code")), grant);
    add("code missing", "grant_type=authorization_code&{me}&{redirect}", both(m("Check the `code` parameter")), request);
    add("code with another redirect_uri", "grant_type=authorization_code&{me}&redirect_uri=http%3A%2F%2F127.0.0.1%2Fother&code={code}",
        (client, m("Invalid redirect URI")), grant);
    add("redirect_uri missing", "grant_type=authorization_code&{me}&code={code}", both(m("Check the `redirect_uri` parameter")), request);
    add("code of another client", "grant_type=authorization_code&{other}&{redirect}&code={code}",
        (client, m("Authorization code was not issued to this client")), grant);
    add("verifier wrong", "grant_type=authorization_code&{me}&{redirect}&code={pkce_code}&code_verifier=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        both(g("Failed to verify `code_verifier`.")), grant);
    add("verifier malformed", "grant_type=authorization_code&{me}&{redirect}&code={pkce_code}&code_verifier=short",
        both(m("Code Verifier must follow the specifications of RFC-7636.")), request);
    add("verifier missing", "grant_type=authorization_code&{me}&{redirect}&code={pkce_code}", both(m("Check the `code_verifier` parameter")), request);
    add("verifier without a challenge", "grant_type=authorization_code&{me}&{redirect}&code={code}&code_verifier=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        both(m("code_verifier received when no code_challenge is present")), grant);
    add("client credentials by a public client", "grant_type=client_credentials&client_id=4", both(client), (400, "unauthorized_client"));
    rows
}

/// A simulator in which everything that a row can name exists.
async fn fixture(personality: Personality, form: &str) -> (Simulator, String) {
    let mut config = Config { personality, ..quiet() };
    if form.contains("{expired_code}") {
        config.code_life = std::time::Duration::ZERO;
    }
    let all = vec![GrantType::AuthorizationCode, GrantType::RefreshToken];
    config.clients = vec![
        Client {
            id: "3".into(),
            kind: ClientKind::Confidential(Secret::new("third".into())),
            grants: all.clone(),
            redirect_uris: vec![REDIRECT.into()],
        },
        Client {
            id: "4".into(),
            kind: ClientKind::Public,
            grants: vec![GrantType::ClientCredentials],
            redirect_uris: vec![],
        },
    ];
    let simulator = start(config).await;
    let scope = "read write".parse().unwrap();

    let expired = simulator.issue_refresh_token(&scope);
    simulator.faults().expire(TokenKind::RefreshTokens);
    let revoked = simulator.issue_refresh_token(&scope);
    simulator.faults().revoke(TokenKind::RefreshTokens);
    let spent = simulator.issue_refresh_token(&scope);
    assert_eq!(refresh(&simulator, &spent).await.status, 200);
    let live = simulator.issue_refresh_token(&scope);

    let mut form = form
        .replace("{me}", &format!("client_id=1&client_secret={}", simulator.client_secret()))
        .replace("{other}", "client_id=3&client_secret=third")
        .replace("{redirect}", &format!("redirect_uri={REDIRECT}"))
        .replace("{expired}", &expired)
        .replace("{revoked}", &revoked)
        .replace("{spent}", &spent)
        .replace("{live}", &live);
    let query = format!("client_id=1&redirect_uri={REDIRECT}&scope=read");
    for name in ["{code}", "{used_code}", "{expired_code}"] {
        if form.contains(name) {
            form = form.replace(name, &code(&simulator, &query).await);
        }
    }
    if form.contains("{pkce_code}") {
        let query = format!("{query}&code_challenge={CHALLENGE}&code_challenge_method=S256");
        form = form.replace("{pkce_code}", &code(&simulator, &query).await);
    }
    (simulator, form)
}

/// Plays a row; a used code is used first.
async fn play(personality: Personality, row: &Row) -> Answer {
    let (simulator, filled) = fixture(personality, row.form).await;
    let first = send(&simulator, form(&filled)).await.unwrap();
    if row.form.contains("{used_code}") {
        assert_eq!(first.status, 200);
        return send(&simulator, form(&filled)).await.unwrap();
    }
    first
}

fn body((_, error, description, hint): Expected, personality: Personality) -> Value {
    let mut body = json!({ "error": error, "error_description": description });
    if let Some(hint) = hint {
        body["hint"] = json!(hint);
    }
    if personality == Personality::League8 {
        body["message"] = json!(description);
    }
    body
}

#[tokio::test]
async fn league_8_and_9_answer_every_error_as_recorded() {
    for row in rows() {
        for (personality, expected) in
            [(Personality::League8, row.league8), (Personality::League9, row.league9)]
        {
            let answer = play(personality, &row).await;
            let case = format!("{} as {personality}", row.case);
            assert_eq!(answer.status, expected.0, "{case}: {}", answer.text());
            assert_eq!(answer.json(), body(expected, personality), "{case}");
            assert_eq!(answer.field("content-type"), Some("application/json"), "{case}");
            assert_eq!(answer.field("www-authenticate"), None, "{case}");
        }
    }
}

#[tokio::test]
async fn the_strict_server_answers_every_error_after_rfc_6749() {
    for row in rows() {
        let answer = play(Personality::Rfc9700, &row).await;
        assert_eq!(answer.status, row.strict.0, "{}: {}", row.case, answer.text());
        let json = answer.json();
        assert_eq!(json["error"], row.strict.1, "{}", row.case);
        assert!(json.get("hint").is_none() && json.get("message").is_none(), "{}", row.case);
        assert_eq!(answer.field("cache-control"), Some("no-store"));
    }
}

#[tokio::test]
async fn a_client_refused_with_basic_is_told_how_to_authenticate() {
    for personality in [Personality::League8, Personality::League9, Personality::Rfc9700] {
        let (simulator, _) = fixture(personality, "").await;
        let mut request = form("grant_type=client_credentials");
        let basic = format!("Basic {}", STANDARD.encode("1:wrong"));
        request.headers_mut().insert(AUTHORIZATION, basic.parse().unwrap());
        let answer = send(&simulator, request).await.unwrap();
        assert_eq!(answer.status, 401);
        assert_eq!(answer.json()["error"], "invalid_client");
        assert_eq!(answer.field("www-authenticate"), Some("Basic realm=\"OAuth\""));
    }
}

#[tokio::test]
async fn the_body_wins_over_basic_but_the_strict_server_refuses_both() {
    for (personality, status) in
        [(Personality::League8, 200), (Personality::League9, 200), (Personality::Rfc9700, 400)]
    {
        let (simulator, filled) = fixture(personality, "grant_type=client_credentials&{me}").await;
        let mut request = form(&filled);
        let basic = format!("Basic {}", STANDARD.encode("1:wrong"));
        request.headers_mut().insert(AUTHORIZATION, basic.parse().unwrap());
        let answer = send(&simulator, request).await.unwrap();
        assert_eq!(answer.status, status, "{personality}: {}", answer.text());
    }
}

#[tokio::test]
async fn basic_alone_is_accepted_and_its_spelling_matters_to_league_8() {
    for (personality, scheme, status) in [
        (Personality::League8, "Basic", 200),
        (Personality::League8, "basic", 400),
        (Personality::League9, "basic", 200),
        (Personality::Rfc9700, "Basic", 200),
    ] {
        let (simulator, _) = fixture(personality, "").await;
        let mut request = form("grant_type=client_credentials");
        let pair = STANDARD.encode(format!("1:{}", simulator.client_secret()));
        request.headers_mut().insert(AUTHORIZATION, format!("{scheme} {pair}").parse().unwrap());
        let answer = send(&simulator, request).await.unwrap();
        assert_eq!(answer.status, status, "{personality} {scheme}");
    }
}

#[tokio::test]
async fn a_json_body_is_no_form() {
    let (simulator, _) = fixture(Personality::League9, "").await;
    let mut request = form(r#"{"grant_type":"client_credentials","client_id":"1"}"#);
    request.headers_mut().insert(CONTENT_TYPE, "application/json".parse().unwrap());
    let answer = send(&simulator, request).await.unwrap();
    assert_eq!(answer.json()["error"], "unsupported_grant_type");
}

#[tokio::test]
async fn only_the_strict_server_minds_a_repeated_parameter() {
    for (personality, status) in [(Personality::League9, 200), (Personality::Rfc9700, 400)] {
        let twice = "grant_type=client_credentials&grant_type=client_credentials&{me}";
        let (simulator, filled) = fixture(personality, twice).await;
        assert_eq!(send(&simulator, form(&filled)).await.unwrap().status, status);
    }
}

#[tokio::test]
async fn an_internal_error_is_json_or_the_frameworks_page() {
    let (simulator, _) = fixture(Personality::League9, "").await;
    let fault = |what| Fault { target: Target::TokenEndpoint, when: When::Before, what, count: 1 };
    simulator.faults().add(fault(What::ServerError));
    simulator.faults().add(fault(What::Status { code: 500, retry_after: None }));
    simulator.faults().add(fault(What::Status { code: 503, retry_after: Some(7) }));

    let answer = refresh(&simulator, "any").await;
    assert_eq!((answer.status.as_u16(), &answer.json()["error"]), (500, &json!("server_error")));
    let answer = refresh(&simulator, "any").await;
    assert_eq!(answer.text(), "{\n    \"message\": \"Server Error\"\n}");
    let page = send(&simulator, request(Method::POST, "/oauth/token")).await.unwrap();
    assert_eq!((page.status.as_u16(), page.field("retry-after")), (503, Some("7")));
    assert_eq!(page.field("content-type"), Some("text/html; charset=utf-8"));
}
