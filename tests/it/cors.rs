//! Pages of exact origins that the operator named may call and read; no other page learns anything.

use super::support::{Credential, Reply, Sidecar};

const APP: &str = "https://app.example";
const ORIGIN: &str = "Origin: https://app.example\r\nSec-Fetch-Site: cross-site";

async fn open() -> Sidecar {
    Sidecar::with(Credential::PersonalAccessToken)
        .set("guard.origins", "https://app.example,http://localhost:3000")
        .set("guard.methods", "GET,POST,OPTIONS")
        .set("guard.caller_key", "0123456789abcdef")
        .start()
        .await
}

async fn ask(sidecar: &Sidecar, request: &str, fields: &str) -> Reply {
    let mut caller = sidecar.caller().await;
    caller.send(format!("{request} HTTP/1.1\r\nHost: {}\r\n{fields}\r\n\r\n", sidecar.proxy)).await;
    caller.reply().await
}

fn allowed(reply: &Reply) -> Option<&str> {
    assert!(!reply.fields.contains_key("access-control-allow-credentials"));
    let mut values = reply.fields.get_all("access-control-allow-origin").iter();
    let value = values.next()?;
    assert_eq!(values.next(), None);
    Some(value.to_str().unwrap())
}

fn varies(reply: &Reply) -> bool {
    reply.fields.get_all("vary").iter().any(|value| value == "Origin")
}

#[tokio::test]
async fn a_named_page_reads_the_upstreams_answers() {
    let sidecar = open().await;
    let fields = format!("{ORIGIN}\r\nX-Sidecar-Key: 0123456789abcdef");
    let reply = ask(&sidecar, "GET /api/v2/workspaces", &fields).await;
    assert_eq!((reply.status, allowed(&reply), varies(&reply)), (200, Some(APP), true));
    let exposed = reply.fields["access-control-expose-headers"].to_str().unwrap();
    for name in ["Retry-After", "Proxy-Status", "X-RateLimit-Remaining", "Location"] {
        assert!(exposed.contains(name), "{exposed}");
    }
    let reply = ask(&sidecar, "POST /api/v2/tasks", &fields).await;
    assert_eq!(allowed(&reply), Some(APP));
}

#[tokio::test]
async fn a_named_page_reads_why_it_was_refused() {
    let sidecar = open().await;
    for (request, fields, code) in [
        ("GET /api/v2/workspaces", "", "caller_key"),
        ("DELETE /api/v2/tasks/7", "\r\nX-Sidecar-Key: 0123456789abcdef", "policy"),
        ("GET /api/../x", "\r\nX-Sidecar-Key: 0123456789abcdef", "bad_request"),
    ] {
        let reply = ask(&sidecar, request, &format!("{ORIGIN}{fields}")).await;
        assert_eq!((reply.code().as_str(), allowed(&reply)), (code, Some(APP)));
        assert!(varies(&reply));
    }
}

#[tokio::test]
async fn its_preflight_is_answered_here() {
    let sidecar = open().await;
    let fields = format!(
        "{ORIGIN}\r\nAccess-Control-Request-Method: POST\r\n\
         Access-Control-Request-Headers: authorization,content-type,cookie,x-mine,x-sidecar-key,\
         x-forwarded-for,x_real_ip"
    );
    let reply = ask(&sidecar, "OPTIONS /api/v2/tasks", &fields).await;
    assert_eq!((reply.status, allowed(&reply), varies(&reply)), (204, Some(APP), true));
    assert_eq!(reply.fields["access-control-allow-methods"], "GET, POST, OPTIONS");
    let passing = "content-type, x-mine, x-sidecar-key";
    assert_eq!(reply.fields["access-control-allow-headers"], passing);
    assert_eq!(reply.fields["access-control-max-age"], "60");
    assert_eq!(sidecar.service.journal().api_requests(), 0);
}

#[tokio::test]
async fn no_other_page_learns_anything() {
    let sidecar = open().await;
    for origin in [
        "https://app.example.evil.example",
        "http://app.example",
        "https://app.example:444",
        "https://APP.example",
        "http://localhost",
        "null",
    ] {
        for (request, extra) in [
            ("GET /api/v2/workspaces", ""),
            ("OPTIONS /api/v2/workspaces", "\r\nAccess-Control-Request-Method: GET"),
        ] {
            let fields = format!("Origin: {origin}{extra}\r\nX-Sidecar-Key: 0123456789abcdef");
            let reply = ask(&sidecar, request, &fields).await;
            assert_eq!((reply.status, reply.code().as_str()), (403, "cross_site"), "{origin}");
            assert_eq!((allowed(&reply), varies(&reply)), (None, true), "{origin}");
        }
    }
    let twice = format!("{ORIGIN}\r\nOrigin: https://app.example");
    assert_eq!(allowed(&ask(&sidecar, "GET /api/v2/workspaces", &twice).await), None);
    let program = ask(&sidecar, "GET /api/v2/workspaces", "X-Sidecar-Key: 0123456789abcdef").await;
    assert_eq!((program.status, allowed(&program), varies(&program)), (200, None, true));
    assert_eq!(sidecar.service.journal().api_requests(), 1);
}

#[tokio::test]
async fn a_page_gets_nothing_from_the_admin_listener() {
    let sidecar = open().await;
    for (request, extra) in [
        ("GET /status", ""),
        ("POST /refresh", ""),
        ("OPTIONS /status", "\r\nAccess-Control-Request-Method: GET"),
    ] {
        let mut caller = super::support::Caller::new(
            tokio::net::TcpStream::connect(sidecar.admin).await.unwrap(),
        );
        let host = sidecar.admin;
        caller
            .send(format!(
                "{request} HTTP/1.1\r\nHost: {host}\r\n{ORIGIN}{extra}\r\n\
                 X-Sidecar-Key: 0123456789abcdef\r\n\r\n"
            ))
            .await;
        let reply = caller.reply().await;
        assert_eq!((reply.status, reply.code().as_str()), (403, "cross_site"), "{request}");
        assert_eq!((allowed(&reply), varies(&reply)), (None, false), "{request}");
    }
}

#[tokio::test]
async fn without_named_origins_answers_say_nothing_of_pages() {
    let sidecar = Sidecar::with(Credential::PersonalAccessToken).start().await;
    let reply = sidecar.get("/api/v2/workspaces").await;
    assert_eq!((reply.status, allowed(&reply), varies(&reply)), (200, None, false));
}
