//! Callers that speak HTTP/1.0.

use http::{Response, StatusCode};
use tokio::io::AsyncReadExt;

use super::support::{Caller, Proxy, Upstream, Wire, full, refusing};

const CHUNKS: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
const UNTIL_THE_END: &str = "HTTP/1.1 200 OK\r\n\r\nok";
const KEEP_ALIVE: &str = "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
const PLAIN: &str = "GET / HTTP/1.0\r\n\r\n";

/// An upstream whose every answer is this; its connection ends afterwards.
async fn says(answer: &'static str) -> Upstream {
    Upstream::raw(move |stream, _| async move {
        let mut wire = Wire::new(stream);
        wire.head().await.unwrap();
        wire.write(answer).await;
    })
    .await
}

/// Everything up to the end of the connection, and whether that was an orderly one.
async fn heard<S: AsyncReadExt + Unpin>(stream: &mut S) -> (String, bool) {
    let mut bytes = Vec::new();
    let ended = super::support::soon(stream.read_to_end(&mut bytes)).await;
    (String::from_utf8(bytes).unwrap(), ended.is_ok())
}

#[tokio::test]
async fn content_of_unknown_length_closes_the_connection_and_says_so() {
    for answer in [CHUNKS, UNTIL_THE_END] {
        for request in [KEEP_ALIVE, PLAIN] {
            let upstream = says(answer).await;
            let proxy = Proxy::with(&upstream);
            let mut caller = proxy.caller().await;
            caller.send(request).await;
            let (text, is_orderly) = heard(caller.stream()).await;
            let (head, content) = text.split_once("\r\n\r\n").unwrap();
            assert!(head.starts_with("HTTP/1.0 200 OK\r\n"), "{head}");
            assert!(head.contains("\r\nconnection: close\r\n"), "{head}");
            assert!(!head.contains("keep-alive") && !head.contains("chunked"), "{head}");
            assert_eq!((content, is_orderly), ("ok", true));
        }
    }
}

#[tokio::test]
async fn content_of_known_length_keeps_the_connection_that_is_asked_for() {
    let upstream = Upstream::plain(|request| async move {
        let is_empty = request.uri().path() == "/none";
        let mut response = Response::new(full(if is_empty { "" } else { "ok" }));
        if is_empty {
            *response.status_mut() = StatusCode::NO_CONTENT;
        }
        response
    })
    .await;
    let proxy = Proxy::with(&upstream);
    let mut caller = proxy.caller().await;
    for _ in 0..10 {
        for (line, method, content) in
            [("GET /", "GET", "ok"), ("GET /none", "GET", ""), ("HEAD /", "HEAD", "")]
        {
            caller.send(format!("{line} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")).await;
            let reply = caller.reply_to(method).await;
            assert_eq!(
                (reply.fields["connection"].as_bytes(), reply.text()),
                (b"keep-alive".as_slice(), content)
            );
        }
    }
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn an_answer_of_ours_that_closes_says_so_once() {
    let upstream = says(CHUNKS).await;
    let mut start = super::support::Start::with(&upstream);
    start.admission = refusing(webwork_sidecar::answer::Code::Policy);
    let proxy = start.go();
    let mut caller = proxy.caller().await;
    caller.send(KEEP_ALIVE).await;
    let (line, fields) = caller.head().await;
    assert_eq!(line, "HTTP/1.0 403 Forbidden");
    assert_eq!(fields["connection"], "close");
}

#[tokio::test]
async fn an_answer_that_breaks_off_ends_with_a_reset() {
    for answer in [
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nok",
    ] {
        for request in [KEEP_ALIVE, PLAIN] {
            let upstream = says(answer).await;
            let proxy = Proxy::with(&upstream);
            let mut caller = proxy.caller().await;
            caller.send(request).await;
            let (_, is_orderly) = heard(caller.stream()).await;
            assert!(!is_orderly, "{answer:?}");
        }
    }
}

#[tokio::test]
async fn an_answer_that_is_cut_off_by_a_drain_ends_with_a_reset() {
    let upstream = Upstream::raw(|stream, _| async move {
        let mut wire = Wire::new(stream);
        wire.head().await.unwrap();
        wire.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n").await;
        wire.rest().await;
    })
    .await;
    let mut proxy = Proxy::with(&upstream);
    let mut caller: Caller<_> = proxy.caller().await;
    caller.send(PLAIN).await;
    caller.head().await;
    assert_eq!(caller.take(2).await, b"ok");
    proxy.drain(std::time::Duration::from_millis(10));
    proxy.ended().await;
    let (rest, is_orderly) = heard(caller.stream()).await;
    assert_eq!((rest.as_str(), is_orderly), ("", false));
}
