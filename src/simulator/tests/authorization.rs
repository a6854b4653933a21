//! The authorization endpoint and the code flow: API.md §2, "PKCE, state, redirect".

use axum::http::Method;
use axum::http::header::CONTENT_TYPE;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http_body_util::Full;
use sha2::{Digest, Sha256};

use crate::simulator::tests::peer::{
    Answer, code, form, is_good, quiet, request, send, start, start_as, tokens,
};
use crate::simulator::{Client, ClientKind, Config, GrantType, Personality, Simulator};

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const BASE: &str =
    "/oauth/authorize?response_type=code&client_id=1&redirect_uri=http://127.0.0.1:4711/callback";

async fn ask(simulator: &Simulator, target: &str) -> Answer {
    send(simulator, request(Method::GET, target)).await.unwrap()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[tokio::test]
async fn a_code_is_exchanged_once_with_its_verifier() {
    for personality in [Personality::League8, Personality::League9, Personality::Rfc9700] {
        let simulator = start_as(personality).await;
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER));
        let redirect = "http://127.0.0.1:4711/callback";
        let query = format!(
            "client_id=1&redirect_uri={redirect}&scope=read+write&code_challenge={challenge}&code_challenge_method=S256"
        );
        let code = code(&simulator, &query).await;
        assert_eq!(code.len(), 734);
        let exchange = format!(
            "grant_type=authorization_code&client_id=1&client_secret={}&redirect_uri={redirect}&code_verifier={VERIFIER}&code={code}",
            simulator.client_secret()
        );
        let (access, _) = tokens(&send(&simulator, form(&exchange)).await.unwrap());
        assert!(is_good(&simulator, &access).await);
        let again = send(&simulator, form(&exchange)).await.unwrap();
        assert_eq!(again.status, 400);
        let survives = personality != Personality::Rfc9700;
        assert_eq!(is_good(&simulator, &access).await, survives, "{personality}");
    }
}

#[tokio::test]
async fn the_page_has_two_buttons_and_says_what_is_asked() {
    let simulator = start_as(Personality::League9).await;
    let page = ask(&simulator, &format!("{BASE}&scope=read&state=s")).await;
    assert_eq!(page.status, 200);
    assert_eq!(page.field("content-type"), Some("text/html; charset=utf-8"));
    let text = page.text();
    for part in ["<li>read</li>", "value=\"approve\"", "value=\"deny\""] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(page.field("content-security-policy").unwrap().contains("frame-ancestors 'none'"));
}

#[tokio::test]
async fn the_buttons_send_the_browser_back() {
    for (decision, first) in [("approve", "code"), ("deny", "state")] {
        let simulator = start_as(Personality::League9).await;
        let mut pressed = request(Method::POST, &format!("{BASE}&scope=read&state=a%26b"));
        let media_type = "application/x-www-form-urlencoded".parse().unwrap();
        pressed.headers_mut().insert(CONTENT_TYPE, media_type);
        *pressed.body_mut() = Full::new(format!("decision={decision}").into());
        let (uri, answer) = send(&simulator, pressed).await.unwrap().redirect();
        assert_eq!(uri, "http://127.0.0.1:4711/callback");
        assert_eq!(answer[0].0, first);
        assert!(answer.contains(&("state".to_owned(), "a&b".to_owned())));
    }
}

#[tokio::test]
async fn a_denial_is_told_in_the_words_of_each_personality() {
    let description = "The resource owner or authorization server denied the request.";
    let hint = "The user denied the request";
    for (personality, expected) in [
        (
            Personality::League8,
            vec![
                ("state", "s"),
                ("error", "access_denied"),
                ("error_description", description),
                ("hint", hint),
                ("message", description),
            ],
        ),
        (
            Personality::League9,
            vec![
                ("state", "s"),
                ("error", "access_denied"),
                ("error_description", description),
                ("hint", hint),
            ],
        ),
        (
            Personality::Rfc9700,
            vec![("state", "s"), ("error", "access_denied"), ("error_description", hint)],
        ),
    ] {
        let simulator = start_as(personality).await;
        let (_, answer) = ask(&simulator, &format!("{BASE}&state=s&approve=deny")).await.redirect();
        assert_eq!(answer, pairs(&expected), "{personality}");
    }
}

#[tokio::test]
async fn league_8_loses_the_state_with_an_unknown_scope() {
    for (personality, kept) in
        [(Personality::League8, false), (Personality::League9, true), (Personality::Rfc9700, true)]
    {
        let simulator = start_as(personality).await;
        let answer = ask(&simulator, &format!("{BASE}&state=s&scope=nonsense&approve=auto")).await;
        let (_, answer) = answer.redirect();
        assert!(answer.contains(&("error".to_owned(), "invalid_scope".to_owned())));
        assert_eq!(answer.contains(&("state".to_owned(), "s".to_owned())), kept, "{personality}");
    }
}

#[tokio::test]
async fn nothing_is_sent_to_a_uri_that_is_not_the_clients() {
    let simulator = start_as(Personality::League9).await;
    for (target, status, error) in [
        (
            "/oauth/authorize?response_type=code&client_id=1&redirect_uri=http://evil.example/",
            401,
            "invalid_client",
        ),
        (
            "/oauth/authorize?response_type=code&client_id=1&redirect_uri=http://localhost:4711/callback",
            401,
            "invalid_client",
        ),
        ("/oauth/authorize?response_type=code&client_id=1", 401, "invalid_client"),
        (
            "/oauth/authorize?response_type=code&client_id=99&redirect_uri=http://127.0.0.1/callback",
            401,
            "invalid_client",
        ),
        ("/oauth/authorize?response_type=code", 400, "invalid_request"),
        ("/oauth/authorize?client_id=1", 400, "unsupported_grant_type"),
    ] {
        let answer = ask(&simulator, &format!("{target}&approve=auto")).await;
        assert_eq!(answer.status, status, "{target}");
        assert_eq!(answer.json()["error"], error, "{target}");
        assert_eq!(answer.field("location"), None, "{target}");
    }
}

#[tokio::test]
async fn a_public_client_must_bring_a_challenge() {
    let public = Client {
        id: "5".into(),
        kind: ClientKind::Public,
        grants: vec![GrantType::AuthorizationCode, GrantType::RefreshToken],
        redirect_uris: vec!["http://127.0.0.1/callback".into()],
    };
    let simulator = start(Config { clients: vec![public], ..quiet() }).await;
    let base = "/oauth/authorize?response_type=code&client_id=5&approve=auto";
    let answer = ask(&simulator, base).await;
    assert_eq!(answer.json()["hint"], "Code challenge must be provided for public clients");
    let unknown = format!("{base}&code_challenge={VERIFIER}&code_challenge_method=S1");
    let answer = ask(&simulator, &unknown).await;
    let hint = "Code challenge method must be one of `S256`, `plain`";
    assert_eq!(answer.json()["hint"], hint);
    let answer = ask(&simulator, &format!("{base}&code_challenge=short")).await;
    let hint = "Code challenge must follow the specifications of RFC-7636.";
    assert_eq!(answer.json()["hint"], hint);

    // Without a method the challenge is plain; without a redirect_uri the only registered one is meant.
    let code = code(&simulator, &format!("client_id=5&code_challenge={VERIFIER}")).await;
    let exchange =
        format!("grant_type=authorization_code&client_id=5&code={code}&code_verifier={VERIFIER}");
    tokens(&send(&simulator, form(&exchange)).await.unwrap());
}

#[tokio::test]
async fn nobody_is_asked_with_prompt_none() {
    let simulator = start_as(Personality::League9).await;
    let (_, answer) = ask(&simulator, &format!("{BASE}&state=s&prompt=none")).await.redirect();
    assert!(answer.contains(&("error".to_owned(), "consent_required".to_owned())), "{answer:?}");
}
