//! What the upstream and the caller see of each other's fields, on the wire.

use http::Response;

use super::support::{Log, Proxy, Start, Upstream, Wire, bearer, full, refusing, soon};
use webwork_sidecar::answer::Code;
use webwork_sidecar::token::current::Verdict;

#[tokio::test]
async fn the_upstream_sees_a_request_for_it_alone() {
    let (heads, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let upstream = Upstream::raw(move |stream, _| {
        let heads = heads.clone();
        async move {
            let mut wire = Wire::new(stream);
            heads.send(wire.head().await.unwrap()).unwrap();
            wire.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
        }
    })
    .await;
    let proxy = Proxy::with(&upstream);
    let reply = proxy
        .ask(
            "GET /api/v2//x/%2e%2E?q=%20+&&z HTTP/1.1\r\nHost: localhost:1\r\n\
             Connection: keep-alive, X-Hop, authorization\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n\
             Authorization: Bearer callers\r\nCookie: a=b\r\nX-Forwarded-For: 1.2.3.4\r\n\
             X-HTTP-Method-Override: DELETE\r\nUpgrade: websocket\r\nTE: gzip\r\nX-Mine: 1\r\n\r\n",
        )
        .await;
    assert_eq!(reply.status, 200);
    let (line, fields) = seen.recv().await.unwrap();
    assert_eq!(line, "GET /api/v2//x/%2e%2E?q=%20+&&z HTTP/1.1");
    let mut names: Vec<_> = fields.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["authorization", "host", "via", "x-mine"]);
    assert_eq!(fields["authorization"], "Bearer token-1");
    assert_eq!(fields["host"], upstream.url.trim_start_matches("http://"));
    assert_eq!(fields["via"], "1.1 webwork-sidecar");
}

#[tokio::test]
async fn http2_upstreams_see_the_same() {
    let upstream = Upstream::tls(&["h2", "http/1.1"], |request| async move {
        assert_eq!(request.version(), http::Version::HTTP_2);
        let mut names: Vec<_> = request.headers().keys().map(|name| name.as_str()).collect();
        names.sort_unstable();
        Response::new(full(format!("{} {names:?}", request.uri())))
    })
    .await;
    let proxy = Proxy::with(&upstream);
    let reply =
        proxy.ask("GET /a?b HTTP/1.1\r\nHost: evil\r\nConnection: x\r\nX: 1\r\nY: 2\r\n\r\n").await;
    let expected = format!("{}/a?b [\"authorization\", \"via\", \"y\"]", upstream.url);
    assert_eq!(reply.text(), expected);
}

#[tokio::test]
async fn callers_see_a_response_for_them_alone() {
    let upstream = Upstream::raw(|stream, _| async move {
        let mut wire = Wire::new(stream);
        let host = wire.head().await.unwrap().1["host"].clone();
        let host = host.to_str().unwrap();
        wire.write(format!(
            "HTTP/1.1 302 Found\r\nContent-Length: 0\r\nConnection: X-Hop\r\nX-Hop: 1\r\n\
             Set-Cookie: a=b\r\nAccess-Control-Allow-Origin: *\r\nAlt-Svc: clear\r\n\
             Strict-Transport-Security: max-age=1\r\nX-RateLimit-Limit: 60\r\n\
             Location: http://{host}/login?a=b\r\n\r\n"
        ))
        .await;
    })
    .await;
    let proxy = Proxy::with(&upstream);
    let reply = proxy.get("/").await;
    assert_eq!(reply.status, 302);
    let mut names: Vec<_> = reply.fields.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    let expected =
        ["cache-control", "content-length", "date", "location", "via", "x-ratelimit-limit"];
    assert_eq!(names, expected);
    assert_eq!(reply.fields["location"], "/login?a=b");
    assert_eq!(reply.fields["cache-control"], "private");
}

#[tokio::test]
async fn a_caching_rule_of_the_upstream_stands() {
    let upstream = Upstream::plain(|_| async {
        let mut response = Response::new(full(""));
        response.headers_mut().insert("cache-control", "public, max-age=60".parse().unwrap());
        response
    })
    .await;
    let reply = Proxy::with(&upstream).get("/").await;
    assert_eq!(reply.fields["cache-control"], "public, max-age=60");
}

#[tokio::test]
async fn a_refused_request_is_never_read_nor_forwarded() {
    let upstream = Upstream::plain(|_| async { Response::new(full("")) }).await;
    let mut start = Start::with(&upstream);
    start.admission = refusing(Code::CrossSite);
    let proxy = start.go();
    let mut caller = proxy.caller().await;
    // With 100-continue the content would be asked for by the first that wants it.
    caller
        .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n")
        .await;
    let reply = caller.reply().await;
    assert_eq!((reply.status, reply.code().as_str()), (403, "cross_site"));
    assert_eq!(reply.fields["connection"], "close");
    assert!(caller.is_closed().await);
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn an_unknown_expectation_fails() {
    let upstream = Upstream::plain(|_| async { Response::new(full("")) }).await;
    let proxy = Proxy::with(&upstream);
    let reply = proxy.ask("GET / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n").await;
    assert_eq!((reply.status, upstream.connections()), (417, 0));
}

#[tokio::test]
async fn a_switch_of_protocols_is_not_passed_on() {
    let upstream = Upstream::raw(|stream, _| async move {
        let mut wire = Wire::new(stream);
        wire.head().await.unwrap();
        wire.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: a\r\nConnection: upgrade\r\n\r\n")
            .await;
        wire.head().await;
    })
    .await;
    let proxy = Proxy::with(&upstream);
    let reply =
        proxy.ask("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: a\r\n\r\n").await;
    assert_eq!((reply.status, reply.code().as_str()), (502, "upstream_protocol"));
}

#[tokio::test]
async fn early_hints_are_left_out() {
    let upstream = Upstream::raw(|stream, _| async move {
        let mut wire = Wire::new(stream);
        wire.head().await.unwrap();
        wire.write("HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n").await;
        wire.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    })
    .await;
    let reply = Proxy::with(&upstream).get("/").await;
    assert_eq!((reply.status, reply.text()), (200, "ok"));
}

#[tokio::test]
async fn a_token_that_comes_back_is_removed_and_counted() {
    let log = Log::of_process();
    let upstream = Upstream::raw(|stream, _| async move {
        let mut wire = Wire::new(stream);
        let authorization = wire.head().await.unwrap().1["authorization"].clone();
        let authorization = authorization.to_str().unwrap();
        let token = authorization.trim_start_matches("Bearer ");
        wire.write(format!(
            "HTTP/1.1 200 OK\r\nX-Debug: got \"{authorization}\"\r\nX-Tokens: other\r\n\
             X-Tokens: a={token};b\r\nX-Kept: token\r\nTransfer-Encoding: chunked\r\n\
             Trailer: X-Sum, X-Last\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\nX-Last: {token}\r\n\r\n"
        ))
        .await;
    })
    .await;
    let proxy = Proxy::with(&upstream);
    let reply = proxy.ask("GET / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\n\r\n").await;
    assert_eq!((reply.status, reply.text()), (200, "ok"));
    assert_eq!(reply.fields["x-kept"], "token");
    assert!(!reply.fields.contains_key("x-debug") && !reply.fields.contains_key("x-tokens"));
    let trailers: Vec<_> = reply.trailers.keys().map(http::HeaderName::as_str).collect();
    assert_eq!(trailers, ["x-sum"]);
    assert_eq!(proxy.totals().echoes, 3);
    log.tells("the upstream repeated the token").await;
    let text = log.text();
    let told: Vec<_> = text.lines().filter(|line| line.contains("repeated the token")).collect();
    assert!(told.iter().all(|line| !line.contains("token-1")), "{told:?}");
}

#[tokio::test]
async fn after_a_replay_the_token_that_was_carried_last_is_looked_for() {
    let upstream = Upstream::plain(|request| async move {
        let authorization = request.headers()["authorization"].clone();
        let mut response = Response::new(full(""));
        if authorization == "Bearer token-1" {
            *response.status_mut() = http::StatusCode::UNAUTHORIZED;
        }
        response.headers_mut().insert("x-debug", authorization);
        response
    })
    .await;
    let mut proxy = Proxy::with(&upstream);
    let mut caller = proxy.caller().await;
    caller.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let rejection = soon(proxy.rejections.recv()).await.unwrap();
    rejection.reply.send(Verdict::Replay(bearer(2))).unwrap();
    let reply = caller.reply().await;
    assert_eq!(reply.status, 200);
    assert!(!reply.fields.contains_key("x-debug"), "{:?}", reply.fields);
    assert_eq!(proxy.totals().echoes, 1);
}
