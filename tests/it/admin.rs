//! The admin listener tells the truth about every state, to programs that may ask.

use std::time::Duration;

use serde_json::Value;
use webwork_sidecar::admin::{Mood, Report};
use webwork_sidecar::simulator::{Target, TokenKind, What, When};
use webwork_sidecar::token::state::{Loss, Standing};

use super::support::{Credential, Sidecar, fault, soon};

const WORKSPACES: &str = "/api/v2/workspaces";

/// What `/status` says, after a look at the probes: alive in any case, and ready or not.
async fn told(sidecar: &Sidecar, readyz: (u16, &str)) -> Report {
    let health = sidecar.page("/livez").await;
    assert_eq!((health.status, health.text()), (200, "alive\n"));
    let ready = sidecar.page("/readyz").await;
    assert_eq!(ready.status, readyz.0, "{}", ready.text());
    assert!(ready.text().starts_with(readyz.1), "{}", ready.text());
    let page = sidecar.page("/status").await;
    assert_eq!(
        (page.status, &page.fields["content-type"]),
        (200, &"application/json".parse().unwrap())
    );
    let report: Report = serde_json::from_slice(&page.content).unwrap();
    assert_eq!(report.ready, readyz.0 == 200);
    report
}

#[tokio::test]
async fn active() {
    for credential in [
        Credential::AuthorizationCode,
        Credential::ClientCredentials,
        Credential::PersonalAccessToken,
    ] {
        let sidecar = Sidecar::with(credential).start().await;
        assert_eq!(sidecar.get(WORKSPACES).await.status, 200);
        let report = told(&sidecar, (200, "ready\n")).await;
        assert_eq!((report.format, report.token.state), (1, Standing::Active));
        assert_eq!(report.facts.credential, credential.name());
        assert_eq!(report.facts.upstream, sidecar.service.url());
        assert_eq!(report.facts.proxy, [sidecar.proxy.to_string()]);
        assert_eq!(report.facts.admin, [sidecar.admin.to_string()]);
        assert_eq!((report.traffic.answers, report.traffic.errors), (1, 0));
    }
}

#[tokio::test]
async fn signed_out() {
    let sidecar = Sidecar::with(Credential::SignInToCome).start().await;
    let report = told(&sidecar, (503, "not ready: there is no grant")).await;
    assert_eq!(report.token.state, Standing::SignedOut);
    let reply = sidecar.get(WORKSPACES).await;
    assert_eq!((reply.status, reply.code().as_str()), (503, "sign_in_required"));
    assert_eq!(sidecar.service.exchanges(), 0);
}

#[tokio::test]
async fn lost() {
    let sidecar = Sidecar::with(Credential::AuthorizationCode).start().await;
    sidecar.service.faults().revoke(TokenKind::RefreshTokens);
    sidecar.order_refresh().await;
    sidecar.until_state(Standing::Lost).await;
    // As long as the access token lives, there is work to be done with it.
    let report = told(&sidecar, (200, "ready")).await;
    assert_eq!((report.token.state, report.token.loss), (Standing::Lost, Some(Loss::Refused)));
    assert!(report.token.trouble.unwrap().contains("provide a new one"));
    sidecar.service.faults().revoke(TokenKind::AccessTokens);
    let reply = sidecar.get(WORKSPACES).await;
    assert_eq!((reply.status, reply.code().as_str()), (503, "sign_in_required"));
    told(&sidecar, (503, "not ready: the authorization server refused the refresh token")).await;
}

#[tokio::test]
async fn draining() {
    let sidecar = Sidecar::with(Credential::AuthorizationCode).start().await;
    sidecar.service.suffers(fault(Target::Api, When::Before, What::Delay { ms: 500 }));
    let mut caller = sidecar.caller().await;
    caller.send(sidecar.get_request(WORKSPACES)).await;
    soon(async {
        while sidecar.report().traffic.in_flight + sidecar.report().traffic.answers == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    sidecar.drain();
    assert!(told(&sidecar, (503, "not ready: stopping")).await.draining);
    assert_eq!(caller.reply().await.status, 200);
    assert!(caller.is_closed().await);
}

#[tokio::test]
async fn an_end_that_only_a_person_can_put_off_is_told() {
    let day = Duration::from_secs(24 * 3600);
    for (days, told) in [(100, None), (20, Some((30, Mood::Well))), (5, Some((7, Mood::Degraded)))]
    {
        let sidecar = Sidecar::with(Credential::PersonalAccessToken);
        let sidecar = sidecar.personal_life(day * days).start().await;
        assert_eq!(sidecar.get(WORKSPACES).await.status, 200);
        let Report { token, verdict, .. } = sidecar.report();
        assert_eq!(token.expiry.map(|expiry| (expiry.days, verdict.mood)), told);
        let advised = verdict.advice.is_some_and(|it| it.contains("make a new one"));
        assert_eq!(advised, told.is_some());
    }
}

#[tokio::test]
async fn the_report_keeps_its_shape() {
    let sidecar = Sidecar::with(Credential::AuthorizationCode).start().await;
    let page: Value = serde_json::from_slice(&sidecar.page("/status").await.content).unwrap();
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(
        keys(&page),
        [
            "admin",
            "capacity",
            "configuration",
            "credential",
            "draining",
            "evidence",
            "format",
            "history",
            "proxy",
            "rate_limit",
            "ready",
            "sign_in",
            "started_at",
            "token",
            "token_url",
            "traffic",
            "upstream",
            "verdict",
            "version",
        ]
    );
    for key in ["state", "since", "generation", "fingerprint", "expires_at", "next_exchange_at"] {
        assert!(!page["token"][key].is_null(), "{key}");
    }
    for key in
        ["answers", "errors", "own_answers", "unauthorized", "replays", "echoes", "in_flight"]
    {
        assert!(page["traffic"][key].is_u64(), "{key}");
    }
}

#[tokio::test]
async fn only_under_its_own_names() {
    let sidecar = Sidecar::with(Credential::PersonalAccessToken).start().await;
    let port = sidecar.admin.port();
    for path in ["/livez", "/readyz", "/status", "/"] {
        for host in ["evil.example", &format!("evil.example:{port}"), "0.0.0.0", "localhost:1"] {
            let page = sidecar.page_for(path, host).await;
            assert_eq!((page.status, page.code().as_str()), (421, "host_not_allowed"), "{host}");
        }
    }
    for host in [format!("localhost:{port}"), format!("127.0.0.1:{port}"), format!("[::1]:{port}")]
    {
        assert_eq!(sidecar.page_for("/livez", &host).await.status, 200, "{host}");
    }
    assert_eq!(sidecar.page("/else").await.code(), "not_found");
}

#[tokio::test]
async fn a_method_that_is_not_for_a_path_is_told_which_are() {
    let sidecar = Sidecar::with(Credential::PersonalAccessToken).start().await;
    let reply = sidecar.page("/refresh").await;
    assert_eq!((reply.status, reply.code().as_str()), (405, "method_not_allowed"));
    assert_eq!(reply.fields["allow"], "POST");
}
