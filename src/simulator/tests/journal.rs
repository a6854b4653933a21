//! What the oracle writes down.

use axum::http::Method;
use axum::http::header::AUTHORIZATION;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::secret::Fingerprint;
use crate::simulator::tests::peer::{fetch, form, quiet, refresh, request, send, start, tokens};
use crate::simulator::{ClientAuthentication, GrantType, Granted, Outcome, ViolationKind};

#[tokio::test]
async fn exchanges_are_written_down_with_fingerprints() {
    let simulator = start(quiet()).await;
    let seed = simulator.issue_refresh_token(&"read".parse().unwrap());
    let (access, next) = tokens(&refresh(&simulator, &seed).await);
    refresh(&simulator, &seed).await;
    let mut basic = form(&format!("grant_type=refresh_token&refresh_token={next}"));
    let pair = STANDARD.encode(format!("1:{}", simulator.client_secret()));
    basic.headers_mut().insert(AUTHORIZATION, format!("Basic {pair}").parse().unwrap());
    tokens(&send(&simulator, basic).await.unwrap());

    let journal = simulator.journal();
    let [first, second, third] = journal.exchanges() else { panic!("{journal:?}") };
    assert_eq!(first.grant_type, Some(GrantType::RefreshToken));
    assert_eq!(first.client_authentication, ClientAuthentication::Body);
    assert_eq!(first.presented, Some(Fingerprint::of(&seed)));
    assert!(!first.spent_before);
    let granted =
        Granted { access: Fingerprint::of(&access), refresh: Some(Fingerprint::of(&next)) };
    assert_eq!(first.outcome, Outcome::Granted(granted));
    assert!(second.spent_before);
    assert_eq!(second.outcome, Outcome::Refused("invalid_grant"));
    assert_eq!(third.client_authentication, ClientAuthentication::Basic);
    assert!(first.at <= second.at && second.at <= third.at);
    assert_eq!((journal.grants(), journal.reuses()), (2, 1));
    assert!(journal.violations().is_empty(), "{:?}", journal.violations());
}

#[tokio::test]
async fn api_requests_are_counted_by_status() {
    let simulator = start(quiet()).await;
    let token = simulator.issue_personal_access_token(&"read".parse().unwrap());
    fetch(&simulator, &token, "/api/v2/workspaces").await;
    fetch(&simulator, &token, "/api/v2/workspaces").await;
    fetch(&simulator, "nonsense", "/api/v2/workspaces").await;
    let journal = simulator.journal();
    assert_eq!((journal.api_answers(200), journal.api_answers(401)), (2, 1));
    assert_eq!(journal.api_requests(), 3);
}

#[tokio::test]
async fn what_no_proxy_may_send_is_written_down() {
    let simulator = start(quiet()).await;
    let mut request = request(Method::GET, "/api/v2/workspaces?access_token=x");
    let fields = request.headers_mut();
    fields.append(AUTHORIZATION, "Bearer a".parse().unwrap());
    fields.append(AUTHORIZATION, "Bearer b".parse().unwrap());
    fields.append("cookie", "session=1".parse().unwrap());
    fields.append("x-forwarded-for", "10.0.0.1".parse().unwrap());
    send(&simulator, request).await.unwrap();
    let seed = simulator.issue_refresh_token(&"read".parse().unwrap());
    let narrowed = format!(
        "grant_type=refresh_token&refresh_token={seed}&scope=read&client_id=1&client_secret={}",
        simulator.client_secret()
    );
    send(&simulator, form(&narrowed)).await.unwrap();
    let mut twice = form(&narrowed);
    twice.headers_mut().insert(AUTHORIZATION, "Basic MTp4".parse().unwrap());
    send(&simulator, twice).await.unwrap();

    let kinds: Vec<ViolationKind> =
        simulator.journal().violations().iter().map(|violation| violation.kind.clone()).collect();
    let expected = [
        ViolationKind::SeveralAuthorizations,
        ViolationKind::TwoTokens,
        ViolationKind::ForeignField("cookie".into()),
        ViolationKind::ForeignField("x-forwarded-for".into()),
        ViolationKind::ScopeInRefresh,
        ViolationKind::ScopeInRefresh,
        ViolationKind::TwoClientAuthentications,
    ];
    assert_eq!(kinds, expected);
}

#[tokio::test]
async fn the_journal_holds_no_token() {
    let simulator = start(quiet()).await;
    let seed = simulator.issue_refresh_token(&"read".parse().unwrap());
    let (access, next) = tokens(&refresh(&simulator, &seed).await);
    let shown = format!(
        "{}{:?}{simulator:?}",
        serde_json::to_string(&simulator.journal()).unwrap(),
        simulator.journal()
    );
    for secret in [&seed, &access, &next, simulator.client_secret()] {
        assert!(!shown.contains(secret));
    }
}
