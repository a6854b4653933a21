//! Callers whose requests have a flaw: the answer is ours, the upstream sees nothing, and the next honest
//! caller is served.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::Response;
use http_body_util::BodyExt;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;

use super::super::support::{
    Caller, Credential, Proxy, Reply, Sidecar, Start, Upstream, Wire, full, soon,
};

const GET: &str = "GET /good HTTP/1.1\r\nHost: a\r\n\r\n";
const CHUNKED: &str = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

/// A proxy, and an upstream that counts the requests it sees and answers with their content.
struct House {
    proxy: Proxy,
    seen: Arc<AtomicUsize>,
    _upstream: Upstream,
}

impl House {
    async fn open() -> Self {
        let seen = Arc::<AtomicUsize>::default();
        let count = Arc::clone(&seen);
        let upstream = Upstream::plain(move |request| {
            count.fetch_add(1, Ordering::SeqCst);
            async move {
                match request.into_body().collect().await {
                    Ok(content) => Response::new(full(content.to_bytes())),
                    Err(_) => Response::new(full("cut off")),
                }
            }
        })
        .await;
        Self { proxy: Proxy::with(&upstream), seen, _upstream: upstream }
    }

    /// Sends bytes that must be refused, and returns the answer.
    async fn refuses(&self, bytes: impl AsRef<[u8]>) -> Reply {
        let shown = bytes.as_ref().escape_ascii().to_string();
        let (seen, before) = (self.seen.load(Ordering::SeqCst), self.proxy.totals());
        let mut caller = self.proxy.caller().await;
        caller.send(bytes).await;
        let reply = caller.reply().await;
        assert_eq!(reply.fields["connection"], "close", "{shown}");
        assert_eq!(reply.fields["content-type"], "application/json", "{shown}");
        assert_eq!(reply.fields["proxy-status"], "webwork-sidecar; error=http_request_error");
        assert!(caller.is_closed().await, "{shown}");
        assert_eq!(self.seen.load(Ordering::SeqCst), seen, "{shown}");
        let after = self.proxy.totals();
        assert_eq!(after.own_answers, before.own_answers + 1, "{shown}");
        let honest = self.proxy.ask(GET).await;
        assert_eq!((honest.status, self.seen.load(Ordering::SeqCst)), (200, seen + 1), "{shown}");
        reply
    }

    async fn all_refused(&self, status: u16, code: &str, requests: &[&str]) {
        for request in requests {
            let reply = self.refuses(request).await;
            assert_eq!((reply.status, reply.code().as_str()), (status, code), "{request:?}");
        }
    }
}

/// A request with these lines after `Host`.
fn with(lines: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: a\r\n{lines}\r\n\r\n0\r\n\r\n")
}

#[tokio::test]
async fn two_framings_are_none() {
    let house = House::open().await;
    for lines in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Content-Length: 5\r\nContent-Length: 5",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5, 5",
        "Content-Length: +5",
        "Content-Length: -0",
        "Content-Length: 0x5",
        "Content-Length: 5a",
        "Content-Length:",
        "Content-Length: 18446744073709551616",
        "Content-Length: 99999999999999999999999999",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: \x0bchunked",
        "Transfer-Encoding: chunked;q=0",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding:",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding\t: chunked",
        " Transfer-Encoding: chunked",
        "X: 1\n\rTransfer-Encoding: chunked",
        "X: 1\nTransfer-Encoding: chunked",
        "X: 1\rTransfer-Encoding: chunked",
        "Transfer-Encoding:\r\n chunked",
    ] {
        house.all_refused(400, "bad_request", &[&with(lines)]).await;
    }
    let old = with("Transfer-Encoding: chunked").replace("HTTP/1.1", "HTTP/1.0");
    house.all_refused(400, "bad_request", &[&old]).await;
}

#[tokio::test]
async fn lines_that_are_not_what_they_seem_are_refused() {
    let house = House::open().await;
    for lines in [
        " X: folded",
        "\tX: folded",
        "X: 1\r\n folded",
        "X: 1\r\n\tfolded",
        "X : 1",
        "X\t: 1",
        ": 1",
        "X",
        "X\0Y: 1",
        "X(Y): 1",
        "X\u{e9}: 1",
        "X: a\0b",
        "X: a\rb",
        "X: a\x08b",
        "X: a\x7fb",
        "X: a\nY: b",
        "X: a\n\nGET /smuggled HTTP/1.1",
    ] {
        house.all_refused(400, "bad_request", &[&with(lines)]).await;
    }
}

#[tokio::test]
async fn request_lines_have_one_form() {
    let house = House::open().await;
    for line in [
        "GET  / HTTP/1.1",
        "GET /  HTTP/1.1",
        "GET / HTTP/1.1 ",
        "GET\t/ HTTP/1.1",
        "GET /\tHTTP/1.1",
        " GET / HTTP/1.1",
        "GET",
        "GET /",
        "GET / / HTTP/1.1",
        "GE[T / HTTP/1.1",
        "G\u{e9}T / HTTP/1.1",
        "GET\0 / HTTP/1.1",
        "GET /\u{e9}#a HTTP/1.1",
        "GET /\0 HTTP/1.1",
        "GET /\x7f HTTP/1.1",
        "GET /a#b HTTP/1.1",
        "GET /\r HTTP/1.1",
        "GET http:// HTTP/1.1",
        "\r\n\r\nGET / HTTP/1.1",
        "\nGET / HTTP/1.1",
    ] {
        house.all_refused(400, "bad_request", &[&format!("{line}\r\nHost: a\r\n\r\n")]).await;
    }
    house.all_refused(400, "bad_request", &["GET / HTTP/1.1\nHost: a\n\n"]).await;
    // The first bytes of a TLS handshake, which never has a line end.
    house.all_refused(400, "bad_request", &["\x16\x03\x01\x02\0\x01\0"]).await;
    for version in
        ["http/1.1", "HTTP/1.2", "HTTP/2.0", "HTTP/9.9", "HTTP/0.9", "HTTP/1", "HTTP/1.1a"]
    {
        let request = format!("GET / {version}\r\nHost: a\r\n\r\n");
        house.all_refused(505, "bad_request", &[&request]).await;
    }
    house.all_refused(505, "bad_request", &["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]).await;
}

#[tokio::test]
async fn chunks_have_one_form() {
    let house = House::open().await;
    let long = format!("1;{}\r\na\r\n0\r\n\r\n", "x".repeat(5_000));
    let trailers = format!("0\r\n{}\r\n", "X: 1\r\n".repeat(11));
    for content in [
        "\r\na\r\n0\r\n\r\n",
        "zz\r\na\r\n0\r\n\r\n",
        "+1\r\na\r\n0\r\n\r\n",
        "-1\r\na\r\n0\r\n\r\n",
        "0x1\r\na\r\n0\r\n\r\n",
        "1 \r\na\r\n0\r\n\r\n",
        " 1\r\na\r\n0\r\n\r\n",
        "00000000000000001\r\na\r\n0\r\n\r\n",
        "ffffffffffffffffff\r\na\r\n0\r\n\r\n",
        "1\na\r\n0\r\n\r\n",
        "1\ra\r\n0\r\n\r\n",
        "1;a\na\r\n0\r\n\r\n",
        "1;\0\r\na\r\n0\r\n\r\n",
        "1\r\nab\r\n0\r\n\r\n",
        "1\r\na0\r\n\r\n",
        "1\r\na\n0\r\n\r\n",
        "0\r\n\nGET /smuggled HTTP/1.1\r\n\r\n",
        "0\r\nX : 1\r\n\r\n",
        "0\r\n X: 1\r\n\r\n",
        "0\r\nX: 1\nY: 2\r\n\r\n",
        "0\r\nGET / HTTP/1.1\r\n\r\n",
        "0\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        &long,
    ] {
        house.all_refused(400, "bad_request", &[&format!("{CHUNKED}{content}")]).await;
    }
    house.all_refused(431, "too_large", &[&format!("{CHUNKED}{trailers}")]).await;
}

#[tokio::test]
async fn extensions_and_trailers_go_no_further() {
    let (heads, mut seen) = mpsc::unbounded_channel();
    let upstream = Upstream::raw(move |stream, _| {
        let heads = heads.clone();
        async move {
            let mut wire = Wire::new(stream);
            let (_, fields) = wire.head().await.unwrap();
            // This reader knows no extensions: it would fail on one.
            heads.send((fields.clone(), wire.content(&fields).await.unwrap())).unwrap();
            wire.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
        }
    })
    .await;
    let proxy = Proxy::with(&upstream);
    let trailers = "Authorization: Bearer other\r\nHost: evil\r\nContent-Length: 9\r\nX: 1\r\n";
    let request = format!("{CHUNKED}3;a=\"b\"\r\none\r\n0;c\r\n{trailers}\r\n");
    assert_eq!(proxy.ask(&request).await.status, 200);
    let (fields, (content, trailers)) = soon(seen.recv()).await.unwrap();
    assert_eq!(
        (&fields["authorization"], content),
        (&"Bearer token-1".parse().unwrap(), b"one".into())
    );
    assert!(trailers.is_empty());
}

#[tokio::test]
async fn heads_have_limits() {
    let house = House::open().await;
    let head =
        |size: usize| format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(size));
    let fields = |count: usize| format!("GET / HTTP/1.1\r\n{}\r\n", "X: 1\r\n".repeat(count));
    let target = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(8 << 10));
    let unended = "x".repeat(32 << 10);
    let requests = [head(32 << 10), head(1 << 20), fields(101), fields(5_000), target, unended];
    for request in requests {
        let reply = house.refuses(&request).await;
        assert_eq!((reply.status, reply.code().as_str()), (431, "too_large"));
    }
}

#[tokio::test]
async fn a_flawed_head_gets_no_content() {
    let house = House::open().await;
    let mut caller = house.proxy.caller().await;
    caller.send("HEAD / HTTP/1.1\r\nHost: a\r\nX : 1\r\n\r\n").await;
    let reply = caller.reply_to("HEAD").await;
    assert_eq!(reply.status, 400);
    assert!(caller.rest().await.is_empty());
}

#[tokio::test]
async fn what_came_before_a_flaw_is_answered_first() {
    let house = House::open().await;
    let post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\ndata";
    let bad = format!("{CHUNKED}1\r\na\r\nz");
    let mut caller = house.proxy.caller().await;
    caller.send(format!("{GET}{post}{GET}{bad}{GET}")).await;
    for content in ["", "data", ""] {
        let reply = caller.reply().await;
        assert_eq!((reply.status, reply.text()), (200, content));
    }
    let reply = caller.reply().await;
    assert_eq!((reply.status, reply.code().as_str()), (400, "bad_request"));
    assert!(caller.is_closed().await);
    assert_eq!(house.seen.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn what_comes_after_the_last_request_is_nobodys() {
    let house = House::open().await;
    let mut caller = house.proxy.caller().await;
    caller.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n\0garbage").await;
    assert_eq!(caller.reply().await.status, 200);
    assert!(caller.is_closed().await);
}

#[tokio::test]
async fn honest_requests_pass_in_pieces_of_any_size() {
    let house = House::open().await;
    let chunks = "3;ext\r\none\r\n10\r\n0123456789abcdef\r\n0\r\nX: 1\r\n\r\n";
    let requests = format!("{GET}\r\n{CHUNKED}{chunks}{GET}");
    for size in [1, 2, 3, 7, 64] {
        let mut caller = house.proxy.caller().await;
        for piece in requests.as_bytes().chunks(size) {
            caller.send(piece).await;
        }
        for content in ["", "one0123456789abcdef", ""] {
            assert_eq!(caller.reply().await.text(), content, "{size}");
        }
    }
}

/// An upstream that tells of each head, and of whether its content was whole, and then answers.
async fn watching() -> (mpsc::UnboundedReceiver<Option<bool>>, Upstream) {
    let (tell, told) = mpsc::unbounded_channel();
    let upstream = Upstream::raw(move |stream, _| {
        let tell = tell.clone();
        async move {
            let mut wire = Wire::new(stream);
            while let Some((_, fields)) = wire.head().await {
                tell.send(None).unwrap();
                let is_whole = wire.content(&fields).await.is_some();
                tell.send(Some(is_whole)).unwrap();
                if !is_whole {
                    return;
                }
                wire.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
            }
        }
    })
    .await;
    (told, upstream)
}

#[tokio::test]
async fn a_flaw_within_content_aborts_what_was_forwarded() {
    let (mut told, upstream) = watching().await;
    let proxy = Proxy::with(&upstream);
    for flaw in ["z", "1\r\nabc", "0\r\nX : 1\r\n\r\n", "1;\n", "0\r\n\n"] {
        let mut caller = proxy.caller().await;
        caller.send(format!("{CHUNKED}3\r\none\r\n")).await;
        assert_eq!(soon(told.recv()).await, Some(None));
        caller.send(flaw).await;
        assert_eq!(soon(told.recv()).await, Some(Some(false)), "{flaw:?}");
        let reply = caller.reply().await;
        assert_eq!((reply.status, reply.code().as_str()), (400, "bad_request"), "{flaw:?}");
        assert!(reply.text().contains("The request is malformed: "), "{}", reply.text());
        assert_eq!(reply.fields["connection"], "close");
        assert!(caller.is_closed().await);
        assert_eq!(proxy.ask(GET).await.status, 200);
        assert_eq!((told.recv().await, told.recv().await), (Some(None), Some(Some(true))));
    }
}

#[tokio::test]
async fn a_request_that_is_never_complete_is_never_forwarded_as_complete() {
    let (mut told, upstream) = watching().await;
    let proxy = Proxy::with(&upstream);
    for request in [
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\npart".to_owned(),
        format!("{CHUNKED}3\r\none\r\n"),
        format!("{CHUNKED}3\r\non"),
        format!("{CHUNKED}3\r\none\r\n0\r\n"),
        format!("{CHUNKED}3\r\none\r\n0\r\nX: 1\r\n"),
    ] {
        let mut caller = proxy.caller().await;
        caller.send(&request).await;
        caller.stream().shutdown().await.unwrap();
        assert_eq!(soon(told.recv()).await, Some(None));
        assert_eq!(soon(told.recv()).await, Some(Some(false)), "{request:?}");
        let reply = caller.reply().await;
        assert_eq!((reply.status, reply.code().as_str()), (400, "bad_request"), "{request:?}");
    }
}

#[tokio::test]
async fn a_flaw_after_the_answer_has_begun_ends_both_connections() {
    let upstream = Upstream::raw(|stream, _| async move {
        let mut wire = Wire::new(stream);
        wire.head().await.unwrap();
        wire.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nearly\r\n").await;
        while wire.take(1).await.is_some() {}
    })
    .await;
    let proxy = Proxy::with(&upstream);
    let mut caller = proxy.caller().await;
    caller.send(format!("{CHUNKED}3\r\none\r\n")).await;
    caller.head().await;
    caller.send("z").await;
    assert!(!caller.rest().await.ends_with(b"0\r\n\r\n"));
    proxy.until(|totals| totals.in_flight == 0 && totals.connections == 0).await;
}

#[tokio::test]
async fn a_head_that_is_never_complete_is_refused_in_time() {
    let upstream = Upstream::plain(|_| async { Response::new(full("ok")) }).await;
    let mut start = Start::with(&upstream);
    start.serve.head_timeout = Duration::from_millis(50);
    let proxy = start.go();
    let mut caller = proxy.caller().await;
    caller.send(format!("{GET}GET / HTTP/1.1\r\nHost:")).await;
    assert_eq!(caller.reply().await.text(), "ok");
    let late = caller.reply().await;
    assert_eq!((late.status, late.code().as_str()), (408, "caller_timeout"));
    assert!(caller.is_closed().await);
    // An empty line is no head, and whoever has sent one is owed no answer.
    let mut caller = proxy.caller().await;
    caller.send("\r\n").await;
    assert!(caller.rest().await.is_empty());
}

#[tokio::test]
async fn a_head_that_breaks_off_is_refused() {
    let house = House::open().await;
    let mut caller = house.proxy.caller().await;
    caller.send("GET / HTTP/1.1\r\nHost: a\r\n").await;
    caller.stream().shutdown().await.unwrap();
    let reply = caller.reply().await;
    assert_eq!((reply.status, reply.code().as_str()), (400, "bad_request"));
    assert!(caller.is_closed().await);
    assert_eq!(house.seen.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn the_admin_listener_reads_as_strictly() {
    let sidecar = Sidecar::with(Credential::PersonalAccessToken).start().await;
    let stream = tokio::net::TcpStream::connect(sidecar.admin).await.unwrap();
    let mut caller = Caller::new(stream);
    caller.send(format!("GET /livez HTTP/1.1\r\nHost: {}\r\nX : 1\r\n\r\n", sidecar.admin)).await;
    let reply = caller.reply().await;
    assert_eq!((reply.status, reply.code().as_str()), (400, "bad_request"));
    assert!(caller.is_closed().await);
    assert_eq!(sidecar.page("/livez").await.status, 200);
}
