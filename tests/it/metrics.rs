//! The figures, and that they agree with everything else that tells how it is.

use std::collections::BTreeMap;

use axum::body::{Body, to_bytes};
use http::{Request, StatusCode};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tower_service::Service;
use webwork_sidecar::admin::{Mood, Report, Sources, router};
use webwork_sidecar::net::drain;
use webwork_sidecar::simulator::{Target, TokenKind, What, When};
use webwork_sidecar::token::state::Standing;
use webwork_sidecar::token::status::Availability;

use super::support::{Caller, Credential, ECHO, Sidecar, fault};

const WORKSPACES: &str = "/api/v2/workspaces";

/// Samples by their names with labels.
#[derive(Debug)]
struct Samples(BTreeMap<String, f64>);

impl Samples {
    fn of(page: &str) -> Self {
        let lines = page.lines().filter(|line| !line.starts_with('#'));
        Self(
            lines
                .map(|line| line.rsplit_once(' ').unwrap())
                .map(|(name, value)| {
                    (name.trim_start_matches("webwork_sidecar_").to_owned(), value.parse().unwrap())
                })
                .collect(),
        )
    }

    fn value(&self, name: &str) -> f64 {
        *self.0.get(name).unwrap_or_else(|| panic!("{name} is not in {:#?}", self.0.keys()))
    }
}

async fn scraped(sidecar: &Sidecar) -> Samples {
    let page = sidecar.page("/metrics").await;
    assert_eq!(page.fields["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    Samples::of(page.text())
}

fn requests(method: &str, class: &str, origin: &str) -> String {
    format!(r#"requests_total{{method="{method}",class="{class}",origin="{origin}"}}"#)
}

#[tokio::test]
async fn requests_are_counted_where_they_belong() {
    let sidecar = Sidecar::with(Credential::AuthorizationCode).start().await;
    assert_eq!(sidecar.get(WORKSPACES).await.status, 200);
    assert_eq!(sidecar.post(ECHO, vec![b'x'; 5000]).await.status, 200);
    assert_eq!(sidecar.get("/api/v2/nothing").await.status, 404);
    assert_eq!(sidecar.get("/oauth/token").await.status, 403);
    sidecar.service.suffers(fault(Target::Api, When::After, What::Cut));
    assert_eq!(sidecar.post(ECHO, b"x").await.status, 502);
    sidecar.service.faults().revoke(TokenKind::AccessTokens);
    assert_eq!(sidecar.get(WORKSPACES).await.status, 200);
    let seen = scraped(&sidecar).await;
    for (name, count) in [
        (requests("GET", "2xx", "upstream"), 2.0),
        (requests("POST", "2xx", "upstream"), 1.0),
        (requests("GET", "4xx", "upstream"), 1.0),
        (requests("GET", "4xx", "sidecar"), 1.0),
        (requests("POST", "5xx", "sidecar"), 1.0),
        (r#"own_answers_total{code="policy"}"#.into(), 1.0),
        (r#"own_answers_total{code="upstream_closed"}"#.into(), 1.0),
        (r#"own_answers_total{code="draining"}"#.into(), 0.0),
        ("request_content_bytes_total".into(), 5001.0),
        ("upstream_retries_total".into(), 1.0),
        ("unauthorized_total".into(), 0.0),
        ("request_duration_seconds_count".into(), 6.0),
        ("request_added_duration_seconds_count".into(), 6.0),
        (r#"exchanges_total{outcome="granted"}"#.into(), 2.0),
        ("exchange_duration_seconds_count".into(), 2.0),
        ("token_generation".into(), 2.0),
        ("requests_in_flight".into(), 0.0),
        (r#"build_info{version="0.1.0",credential="authorization_code"}"#.into(), 1.0),
    ] {
        assert_eq!(seen.value(&name), count, "{name}");
    }
    assert!(seen.value("response_content_bytes_total") > 5000.0);
    assert!(seen.value("upstream_connections_total") >= 1.0);
    let report = sidecar.report();
    let millis = |name: &str| (seen.value(name) * 1e3) as i64;
    let (token, expiry) = (report.token, "expiry_timestamp_seconds");
    let access = millis(&format!(r#"{expiry}{{token="access_token"}}"#));
    assert_eq!(access, token.expires_at.unwrap().as_millisecond());
    let refresh = millis(&format!(r#"{expiry}{{token="refresh_token"}}"#));
    assert_eq!(refresh - token.refresh_token_issued_at.unwrap().as_millisecond(), 30 * 86_400_000);
    assert_eq!(report.history.last().unwrap().answers, 6);
}

#[tokio::test]
async fn what_the_api_says_of_its_rate_limit_is_told() {
    let sidecar = Sidecar::with(Credential::AuthorizationCode).rate_limit(60).start().await;
    assert_eq!(sidecar.report().rate_limit, None);
    for left in [59, 58] {
        assert_eq!(sidecar.get(WORKSPACES).await.status, 200);
        let limit = sidecar.report().rate_limit.unwrap();
        assert_eq!((limit.limit, limit.remaining), (60, left));
    }
    let seen = scraped(&sidecar).await;
    assert_eq!(seen.value("rate_limit_requests"), 60.0);
    assert_eq!(seen.value("rate_limit_remaining_requests"), 58.0);
}

#[tokio::test]
async fn a_personal_access_token_has_an_end_of_its_own() {
    let sidecar = Sidecar::with(Credential::PersonalAccessToken).start().await;
    let seen = scraped(&sidecar).await;
    let end = seen.value(r#"expiry_timestamp_seconds{token="personal_access_token"}"#);
    assert_eq!((end * 1e3) as i64, sidecar.status().expires_at.unwrap().as_millisecond());
    assert!(!seen.0.keys().any(|name| name.contains("access_token") && !name.contains("personal")));
}

async fn asked(sources: &Sources, path: &str) -> (StatusCode, String) {
    let request = Request::get(path).body(Body::empty()).unwrap();
    let reply = router(sources.clone()).call(request).await.unwrap();
    let status = reply.status();
    let content = to_bytes(reply.into_body(), 1 << 20).await.unwrap();
    (status, String::from_utf8(content.to_vec()).unwrap())
}

/// Status, page, readiness, verdict and metrics come from one model, so they agree in every state that there is,
/// whether or not a token is there, and while stopping.
#[tokio::test]
async fn everything_that_tells_how_it_is_agrees() {
    let sidecar = Sidecar::with(Credential::AuthorizationCode).start().await;
    let (base, why) = (sidecar.status(), "it is a test: end it");
    for standing in Standing::ALL {
        for token in Availability::ALL {
            for draining in [false, true] {
                let mut status = base.clone();
                (status.state, status.token) = (standing, token);
                status.trouble = (standing != Standing::Active).then(|| why.to_owned());
                let (drainer, drain) = drain::channel();
                if draining {
                    drainer.drain(std::time::Duration::from_secs(9));
                }
                let (_keep, token) = watch::channel(status);
                let sources = Sources { token, drain, ..sidecar.sources().clone() };
                agrees(&sources, standing, draining, why).await;
            }
        }
    }
}

async fn agrees(sources: &Sources, standing: Standing, draining: bool, why: &str) {
    let report: Report = serde_json::from_str(&asked(sources, "/status").await.1).unwrap();
    let seen = Samples::of(&asked(sources, "/metrics").await.1);
    let page = asked(sources, "/").await.1;
    let (status, told) = asked(sources, "/readyz").await;
    let ready = report.ready;
    let shown = format!("{standing:?}, draining: {draining}: {report:#?}");
    assert_eq!(report.token.state, standing, "{shown}");
    for other in Standing::ALL {
        let value = seen.value(&format!(r#"state{{state="{}"}}"#, other.as_str()));
        assert_eq!(value == 1.0, other == standing, "{shown}");
    }
    let word = standing.as_str().replace('_', " ");
    assert!(page.contains(&format!("State <strong>{word}</strong>")), "{shown}");
    let headline = report.verdict.headline.split([':', ';']).next().unwrap();
    assert!(page.contains(&format!("<h1 id=\"headline\">{headline}</h1>")), "{shown}");
    assert_eq!(ready, status == StatusCode::OK, "{shown}");
    assert_eq!(ready, seen.value("ready") == 1.0, "{shown}");
    assert_eq!(draining, seen.value("draining") == 1.0, "{shown}");
    assert_eq!(standing == Standing::Unsaved, seen.value("unsaved") == 1.0, "{shown}");
    match report.verdict.mood {
        Mood::Well | Mood::Degraded => assert!(ready, "{shown}"),
        Mood::Broken => assert!(!ready, "{shown}"),
        Mood::Ending => assert!(draining && !ready, "{shown}"),
        Mood::Passing => assert!(!draining, "{shown}"),
    }
    let tells = matches!(report.verdict.mood, Mood::Broken | Mood::Degraded);
    if tells && standing != Standing::Active {
        assert!(report.verdict.advice.is_some_and(|advice| advice.starts_with(why)), "{shown}");
    }
    if !ready && !draining && standing != Standing::Active {
        assert!(told.contains(why), "{told}: {shown}");
    }
}

/// A scraper of another pod knows an address and no key.
#[tokio::test]
async fn the_metrics_listener_serves_metrics_to_every_caller_and_nothing_else() {
    let setup = Sidecar::with(Credential::AuthorizationCode)
        .set("metrics.listen", "127.0.0.1:0")
        .set("guard.caller_key", "0123456789abcdef");
    let sidecar = setup.start().await;
    let ask = async |method: &str, target: &str, more: &str| {
        let stream = TcpStream::connect(sidecar.metrics.unwrap()).await.unwrap();
        let mut caller = Caller::new(stream);
        caller
            .send(format!("{method} {target} HTTP/1.1\r\nHost: 10.1.2.3:9183\r\n{more}\r\n"))
            .await;
        caller.reply_to(method).await
    };
    let page = ask("GET", "/metrics", "").await;
    assert_eq!(page.fields["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    assert_eq!(Samples::of(page.text()).value("ready"), 1.0);
    assert_eq!(ask("HEAD", "/metrics", "").await.status, 200);
    let paths = "/ /status /readyz /livez /startupz /events /page.css /callback /api/v2/workspaces \
                 /metrics/ //metrics /metrics%2f /Metrics /x/../metrics";
    for path in paths.split(' ') {
        assert_eq!(ask("GET", path, "").await.status, 404, "{path}");
    }
    for path in ["/refresh", "/stop", "/sign-in", "/sign-in/paste", "/sign-out"] {
        let reply = ask("POST", path, "Content-Length: 0\r\n").await;
        assert_eq!(reply.status, 404, "{path}");
    }
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"] {
        let reply = ask(method, "/metrics", "Content-Length: 0\r\n").await;
        assert_eq!(reply.status, 405, "{method}");
    }
    // A page that reaches it through the name of another host reads nothing across origins.
    let reply = ask("GET", "/metrics", "Origin: https://evil.example\r\n").await;
    assert!(!reply.fields.contains_key("access-control-allow-origin"), "{reply:?}");
}

#[tokio::test]
async fn a_metrics_listener_that_is_full_locks_nobody_out_of_the_others() {
    let setup = Sidecar::with(Credential::PersonalAccessToken)
        .set("metrics.listen", "127.0.0.1:0")
        .set("health.listen", "127.0.0.1:0");
    let sidecar = setup.start().await;
    let asked = async |address, path| {
        let mut caller = Caller::new(TcpStream::connect(address).await.unwrap());
        caller.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        assert_eq!(caller.reply().await.status, 200, "{path}");
        caller
    };
    let mut callers = Vec::new();
    for _ in 0..64 {
        callers.push(asked(sidecar.metrics.unwrap(), "/metrics").await);
    }
    asked(sidecar.health.unwrap(), "/livez").await;
    assert_eq!(sidecar.page("/readyz").await.status, 200);
}
