//! Where only a proxy leads out, it gets a CONNECT and what TLS has encrypted, and nothing else.

use std::sync::Arc;
use std::time::Duration;

use http::Response;
use webwork_sidecar::net::origin::Origin;
use webwork_sidecar::net::tunnel::{OutboundProxy, Route};
use webwork_sidecar::simulator::{Target, What, When};
use webwork_sidecar::token::state::Standing;

use super::support::{
    Certificate, Credential, Lapse, Outbound, Sidecar, Start, Upstream, fault, full, is_no_request,
};

/// A name that only the proxy resolves.
const NAME: &str = "api.internal.invalid";

async fn upstream(alpn: &[&str]) -> Upstream {
    let certificate = Certificate::signed(|params| {
        params.subject_alt_names = vec![rcgen::SanType::DnsName(NAME.try_into().unwrap())];
    });
    let mut upstream = Upstream::with_certificate(&certificate, alpn, |request| async move {
        Response::new(full(request.headers()["authorization"].as_bytes().to_vec()))
    })
    .await;
    upstream.url = upstream.url.replace("localhost", "127.0.0.1");
    upstream
}

fn address(upstream: &Upstream) -> &str {
    upstream.url.trim_start_matches("https://")
}

/// A sidecar before [`NAME`], which it reaches through a proxy at this URL.
fn behind(upstream: &Upstream, proxy: &str) -> Start {
    let mut start = Start::with(upstream);
    start.upstream.origin = Origin::of(&format!("https://{NAME}").parse().unwrap()).unwrap();
    start.upstream.route = Route::Through(Arc::new(OutboundProxy::of(proxy).unwrap()));
    start
}

#[tokio::test]
async fn a_proxy_learns_the_host_and_nothing_else() {
    for alpn in ["h2", "http/1.1"] {
        let upstream = upstream(&[alpn]).await;
        let outbound = Outbound::to(address(&upstream), Vec::new()).await;
        let proxy = behind(&upstream, outbound.address()).go();
        for _ in 0..3 {
            let reply = proxy.get("/api/v2/workspaces").await;
            assert_eq!((reply.status, reply.text()), (200, "Bearer token-1"));
        }
        let passed = outbound.passed();
        assert_eq!(passed.len(), 1, "the tunnel is used again");
        assert_eq!(passed[0].line, format!("CONNECT {NAME}:443 HTTP/1.1"));
        assert_eq!(passed[0].fields["host"], format!("{NAME}:443").as_str());
        assert_eq!(passed[0].fields.len(), 1, "{:?}", passed[0].fields);
        assert!(!passed[0].bytes.is_empty());
        is_no_request(&passed[0].bytes);
    }
}

#[tokio::test]
async fn a_proxy_gets_its_user_name_and_password() {
    let upstream = upstream(&["h2"]).await;
    let outbound = Outbound::to(address(&upstream), Vec::new()).await;
    let url = format!("http://Aladdin:open%20sesame@{}", outbound.address());
    assert_eq!(behind(&upstream, &url).go().get("/").await.status, 200);
    // RFC 7617 §2.
    assert_eq!(
        outbound.passed()[0].fields["proxy-authorization"],
        "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    );
}

#[tokio::test]
async fn a_proxy_that_gives_no_tunnel_is_named_with_what_it_said() {
    let answer = |status: &str| {
        Lapse::Says(format!("HTTP/1.1 {status}\r\nContent-Length: 1000000\r\n\r\n<html>"))
    };
    let refuses = |status: &str| {
        format!("refuses a connection to {NAME}:443 (it answered {status}); whoever runs it must")
    };
    let garbled = || "does not answer as an HTTP proxy does".to_owned();
    for (lapse, told) in [
        (answer("407 Proxy Authentication Required"), "wants a user name and password".to_owned()),
        (answer("403 Forbidden"), refuses("403 Forbidden")),
        (answer("502 Bad Gateway"), refuses("502 Bad Gateway")),
        (answer("302 Found"), refuses("302 Found")),
        (
            Lapse::Says("HTTP/1.1 101 Switching Protocols\r\n\r\n".into()),
            refuses("101 Switching Protocols"),
        ),
        (Lapse::Says("SSH-2.0-OpenSSH_9.9\r\n\r\n".into()), garbled()),
        (Lapse::Says("HTTP/1.1 200 OK\r\n\r\nand more".into()), garbled()),
        (
            Lapse::Closes(String::new()),
            format!("closed the connection when it was asked for one to {NAME}"),
        ),
        (Lapse::Closes("HTTP/1.1 200 O".into()), "closed the connection".to_owned()),
        (Lapse::Hangs, "did not answer in time".to_owned()),
    ] {
        let upstream = upstream(&["h2", "http/1.1"]).await;
        let outbound = Outbound::to(address(&upstream), vec![lapse.clone()]).await;
        let url = format!("http://me:canary@{}", outbound.address());
        let mut start = behind(&upstream, &url);
        if matches!(lapse, Lapse::Hangs) {
            start.upstream.connect_timeout = Duration::from_millis(200);
        }
        let proxy = start.go();
        let reply = proxy.get("/api/v2/workspaces").await;
        let text = reply.text();
        assert_eq!((reply.status, reply.code().as_str()), (502, "upstream_proxy"), "{text}");
        assert!(text.contains(&format!("the proxy {} {told}", outbound.address())), "{text}");
        assert!(!text.contains("canary"), "{text}");
        assert_eq!(
            reply.fields["proxy-status"], "webwork-sidecar; error=destination_unavailable",
            "{text}"
        );
        let reply = proxy.get("/api/v2/workspaces").await;
        assert_eq!((reply.status, reply.text()), (200, "Bearer token-1"), "after {text}");
        outbound.passed().iter().for_each(|passed| is_no_request(&passed.bytes));
    }
}

#[tokio::test]
async fn a_proxy_that_is_not_there_is_named() {
    let upstream = upstream(&["h2"]).await;
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let reply = behind(&upstream, &closed.to_string()).go().get("/").await;
    assert_eq!((reply.status, reply.code().as_str()), (502, "upstream_proxy"));
    assert!(
        reply.text().contains(&format!("the proxy {closed} cannot be used")),
        "{}",
        reply.text()
    );
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn a_certificate_is_checked_behind_a_proxy_too() {
    let certificate = Certificate::good();
    let upstream = Upstream::with_certificate(&certificate, &["h2"], |_| async {
        Response::new(full("for somebody else"))
    })
    .await;
    let address = upstream.url.replace("https://localhost", "127.0.0.1");
    let outbound = Outbound::to(&address, Vec::new()).await;
    let reply = behind(&upstream, outbound.address()).go().get("/").await;
    assert_eq!((reply.status, reply.code().as_str()), (502, "upstream_tls"));
    assert!(reply.text().contains(&format!("for localhost, not for {NAME}")), "{}", reply.text());
}

/// The real name, which leads to the simulator only through the proxy.
const API: &str = "https://api.webwork-tracker.com";

#[tokio::test]
async fn token_endpoint_upstream_and_oracle_are_all_reached_through_the_proxy() {
    let mut setup = Sidecar::with(Credential::AuthorizationCode);
    let service = setup.service().await;
    let outbound = Outbound::to(service.url().trim_start_matches("https://"), Vec::new()).await;
    let sidecar = setup
        .set("upstream.url", API)
        .set("upstream.proxy", &format!("http://{}", outbound.address()))
        .start()
        .await;
    assert_eq!(sidecar.get("/api/v2/workspaces").await.status, 200);
    let target = "CONNECT api.webwork-tracker.com:443 HTTP/1.1";
    let connections = || {
        let passed = outbound.passed();
        passed.iter().for_each(|passed| {
            assert_eq!(passed.line, target);
            is_no_request(&passed.bytes);
        });
        passed.len()
    };
    assert_eq!(connections(), 2, "one exchange, one for requests");
    // An answer that is lost makes the sidecar ask the API twice whether its token still works.
    service.suffers(fault(Target::TokenEndpoint, When::Before, What::Cut));
    sidecar.order_refresh().await;
    sidecar.until_generation(2).await;
    assert_eq!(connections(), 6, "the exchange, the question twice, the exchange once more");
    service.found_nothing_wrong();
}

#[tokio::test]
async fn a_proxy_that_refuses_the_token_endpoint_costs_no_refresh_token() {
    let mut setup = Sidecar::with(Credential::AuthorizationCode);
    let service = setup.service().await;
    let refusal = "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n".to_owned();
    let address = service.url().trim_start_matches("https://").to_owned();
    let outbound = Outbound::to(&address, vec![Lapse::Says(refusal)]).await;
    let sidecar = setup
        .set("upstream.url", API)
        .set("upstream.proxy", &format!("http://{}", outbound.address()))
        .start()
        .await;
    let status = sidecar.status();
    assert_eq!(status.state, Standing::Retrying);
    let told = format!("token endpoint: the proxy {} wants a user name", outbound.address());
    assert!(status.trouble.as_ref().unwrap().starts_with(&told), "{status:?}");
    sidecar.until_generation(1).await;
    assert_eq!(service.found_nothing_wrong().exchanges().len(), 1);
}
