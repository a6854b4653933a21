//! Nothing says that all is well before the API has accepted the token, or while it does not answer; and
//! what a caller is told to do helps with the credential that is configured.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::Value;
use webwork_sidecar::admin::Mood;
use webwork_sidecar::admin::evidence::Verification;
use webwork_sidecar::simulator::{Target, TokenKind, What, When};
use webwork_sidecar::token::state::Standing;
use webwork_sidecar::token::status::Status;

use super::support::{
    CLIENT_SECRET, Credential, ECHO, PERSONAL_ACCESS_TOKEN, Reply, Sidecar, fault,
};

const WORKSPACES: &str = "/api/v2/workspaces";

/// Whether anything that a person reads says that all is well. They are of one opinion.
async fn says_well(sidecar: &Sidecar) -> bool {
    let report = sidecar.report();
    let well = report.verdict.headline.contains("All is well");
    assert_eq!(sidecar.page("/").await.text().contains("All is well"), well, "{report:#?}");
    let status: Value = serde_json::from_slice(&sidecar.page("/status").await.content).unwrap();
    assert_eq!(status["verdict"]["headline"], report.verdict.headline);
    well
}

/// The hint of a 503, in full.
fn hint(reply: &Reply) -> String {
    let body: Value = serde_json::from_slice(&reply.content).unwrap();
    assert_eq!(reply.status, 503, "{body}");
    body["error"]["hint"].as_str().unwrap().to_owned()
}

fn message(reply: &Reply) -> String {
    let body: Value = serde_json::from_slice(&reply.content).unwrap();
    body["message"].as_str().unwrap().to_owned()
}

/// A token that says of itself that it has ended.
fn ended_token() -> String {
    let payload = BASE64_URL_SAFE_NO_PAD.encode("{\"exp\":1500000000.5,\"scopes\":[\"read\"]}");
    format!("eyJ0eXAiOiJKV1QifQ.{payload}.c2lnbmF0dXJl")
}

#[tokio::test]
async fn all_is_well_once_the_api_has_accepted_the_token() {
    for credential in [
        Credential::AuthorizationCode,
        Credential::ClientCredentials,
        Credential::PersonalAccessToken,
    ] {
        let sidecar = Sidecar::with(credential).start().await;
        assert!(!says_well(&sidecar).await, "{credential:?}");
        assert_eq!(sidecar.report().evidence.token, Verification::Unverified);
        assert_eq!(sidecar.report().verdict.mood, Mood::Passing);
        assert!(sidecar.page("/").await.text().contains("not verified yet"));
        assert_eq!(sidecar.page("/readyz").await.text(), "ready\n");
        // These say nothing of the token: they are answered without it, too.
        assert_eq!(sidecar.get("/api/v2/nothing").await.status, 404);
        assert_eq!(sidecar.get("/oauth/token").await.status, 403);
        assert!(!says_well(&sidecar).await, "{credential:?}");
        assert_eq!(sidecar.get(WORKSPACES).await.status, 200);
        assert!(says_well(&sidecar).await, "{credential:?}");
        assert_eq!(sidecar.report().evidence.token, Verification::Verified);
    }
}

#[tokio::test]
async fn a_rotation_asks_for_one_accepted_request_and_alarms_nobody() {
    for credential in [Credential::AuthorizationCode, Credential::ClientCredentials] {
        let sidecar = Sidecar::with(credential).start().await;
        assert_eq!(sidecar.get(WORKSPACES).await.status, 200);
        sidecar.refresh().await;
        assert!(!says_well(&sidecar).await, "{credential:?}");
        let report = sidecar.report();
        assert_eq!(
            (report.evidence.token, report.verdict.mood),
            (Verification::Renewed, Mood::Well)
        );
        assert_eq!(sidecar.get(WORKSPACES).await.status, 200);
        assert!(says_well(&sidecar).await, "{credential:?}");
    }
}

#[tokio::test]
async fn a_new_personal_access_token_is_not_verified_by_the_one_before() {
    let sidecar = Sidecar::with(Credential::PersonalAccessToken).start().await;
    assert_eq!(sidecar.get(WORKSPACES).await.status, 200);
    let next = sidecar.service.new_personal_access_token();
    sidecar.put(PERSONAL_ACCESS_TOKEN, &next);
    sidecar.until(|status: &Status| status.generation.0 == 2).await;
    assert!(!says_well(&sidecar).await);
    assert_eq!(sidecar.report().evidence.token, Verification::Unverified);
    assert_eq!(sidecar.get(WORKSPACES).await.status, 200);
    assert!(says_well(&sidecar).await);
}

#[tokio::test]
async fn an_api_that_does_not_answer_is_told_and_ready_stays_ready() {
    let sidecar = Sidecar::with(Credential::AuthorizationCode).start().await;
    assert_eq!(sidecar.get(WORKSPACES).await.status, 200);
    for attempts in 1..=2 {
        sidecar.service.suffers(fault(Target::Api, When::After, What::Cut));
        assert_eq!(sidecar.post(ECHO, b"x").await.status, 502);
        assert!(!says_well(&sidecar).await);
        let report = sidecar.report();
        assert_eq!(report.verdict.mood, Mood::Degraded, "{report:#?}");
        assert_eq!(report.evidence.upstream_failure.unwrap().attempts, attempts);
        assert_eq!(sidecar.page("/readyz").await.text(), "ready\n");
    }
    // An error is an answer, too.
    assert_eq!(sidecar.get("/api/v2/nothing").await.status, 404);
    assert_eq!(sidecar.report().evidence.upstream_failure, None);
    assert!(says_well(&sidecar).await);
}

#[tokio::test]
async fn what_the_caller_breaks_off_says_nothing_of_the_api() {
    let sidecar = Sidecar::with(Credential::AuthorizationCode).start().await;
    assert_eq!(sidecar.get(WORKSPACES).await.status, 200);
    let mut caller = sidecar.caller().await;
    let head = format!("POST {ECHO} HTTP/1.1\r\nHost: {}\r\n", sidecar.proxy);
    caller.send(format!("{head}Transfer-Encoding: chunked\r\n\r\nzz\r\n")).await;
    assert_eq!(caller.reply().await.status, 400);
    assert_eq!(sidecar.report().evidence.upstream_failure, None);
    assert!(says_well(&sidecar).await);
}

#[tokio::test]
async fn a_personal_access_token_that_has_ended_is_not_well() {
    let setup = Sidecar::with(Credential::PersonalAccessToken);
    let sidecar = setup.start_with(PERSONAL_ACCESS_TOKEN, &ended_token()).await;
    assert!(!says_well(&sidecar).await);
    let report = sidecar.report();
    assert_eq!(report.verdict.mood, Mood::Degraded, "{report:#?}");
    assert!(report.verdict.headline.contains("has ended"), "{report:#?}");
    assert!(report.verdict.advice.unwrap().contains("2017-07-14"));
    assert_eq!(report.token.expires_at.unwrap().as_second(), 1_500_000_000);
    assert_eq!(sidecar.get(WORKSPACES).await.status, 401);
    sidecar.until_state(Standing::Rejected).await;
    assert!(!says_well(&sidecar).await);
    assert_eq!(sidecar.report().evidence.token, Verification::Refused);
}

#[tokio::test]
async fn a_401_over_a_personal_access_token_points_to_the_sidecar() {
    let sidecar = Sidecar::with(Credential::PersonalAccessToken).start().await;
    assert!(!sidecar.get(WORKSPACES).await.fields.contains_key("proxy-status"));
    sidecar.service.faults().revoke(TokenKind::AccessTokens);
    // Twice: the first 401 makes the state, the second meets it. And once with more than is kept.
    for length in [4, 4, 70_000] {
        let reply = sidecar.post(ECHO, vec![b'x'; length]).await;
        assert_eq!(reply.status, 401);
        let body: Value = serde_json::from_slice(&reply.content).unwrap();
        assert!(body["error"]["code"].is_null(), "the API's own words: {body}");
        let told: Vec<_> = reply.fields.get_all("proxy-status").iter().collect();
        assert_eq!(told.len(), 1, "{told:?}");
        let told = told[0].to_str().unwrap();
        assert!(told.starts_with("webwork-sidecar; received-status=401; details=\""), "{told}");
        assert!(told.contains("personal access token"), "{told}");
    }
}

#[tokio::test]
async fn a_caller_is_sent_to_the_page_that_there_is() {
    let sidecar = Sidecar::with(Credential::SignInToCome).start().await;
    let reply = sidecar.get(WORKSPACES).await;
    assert_eq!(message(&reply), "No valid token: there is no grant.");
    let page = format!("http://localhost:{}/", sidecar.admin.port());
    assert!(hint(&reply).contains(&page), "{}", hint(&reply));
    // No browser gets past a caller key.
    let setup = Sidecar::with(Credential::SignInToCome);
    let setup = setup.set("guard.required_field", "x-ours");
    let sidecar = setup.start().await;
    let mut caller = sidecar.caller().await;
    caller
        .send(format!("GET {WORKSPACES} HTTP/1.1\r\nHost: {}\r\nX-Ours: 1\r\n\r\n", sidecar.proxy))
        .await;
    let told = hint(&caller.reply().await);
    assert!(!told.contains("http://") && told.contains("`webwork-sidecar login`"), "{told}");
}

#[tokio::test]
async fn an_app_of_its_own_is_told_to_correct_its_secret() {
    let setup = Sidecar::with(Credential::ClientCredentials);
    let sidecar = setup.start_with(CLIENT_SECRET, "wrong").await;
    let reply = sidecar.get(WORKSPACES).await;
    let told = format!("{} {}", message(&reply), hint(&reply));
    assert!(told.contains("does not accept this client"), "{told}");
    assert!(hint(&reply).contains("orrect client_id and client_secret"), "{told}");
    assert!(!told.to_lowercase().contains("sign in"), "{told}");
}

#[tokio::test]
async fn a_failed_attempt_is_told_with_its_own_reason() {
    let down = webwork_sidecar::simulator::Fault {
        count: 100,
        ..fault(Target::TokenEndpoint, When::Before, What::Cut)
    };
    let sidecar = Sidecar::with(Credential::ClientCredentials).suffering(down).start().await;
    let reply = sidecar.get(WORKSPACES).await;
    let trouble = sidecar.status().trouble.unwrap();
    assert_eq!(message(&reply), format!("No valid token: {trouble}."));
    assert!(hint(&reply).contains("Retry-After"), "{}", hint(&reply));
}

#[tokio::test]
async fn the_token_endpoint_in_use_is_shown() {
    let sidecar = Sidecar::with(Credential::AuthorizationCode).start().await;
    let url = format!("{}/oauth/token", sidecar.service.url());
    assert_eq!(sidecar.report().facts.token_url.as_ref(), Some(&url));
    assert!(sidecar.page("/").await.text().contains(&url));
    let settings = sidecar.configuration().settings;
    let shown = settings.iter().find(|it| it.key == "credential.authorization_code.token_url");
    assert_eq!(shown.map(|it| it.value.trim_matches('"')), Some(url.as_str()));
    let sidecar = Sidecar::with(Credential::PersonalAccessToken).start().await;
    assert_eq!(sidecar.report().facts.token_url, None);
}
