//! Content passes as it is, in both directions, and streams.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::Body;
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming};
use tokio::io::AsyncReadExt;

use super::support::{Proxy, Upstream, Wire, full, soon};

const TEN_MIB: usize = 10 << 20;

fn noise(length: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(7);
    std::iter::repeat_with(|| random.u8(..)).take(length).collect()
}

/// Sends back what it gets, with the length that it was told.
async fn echo(request: Request<Incoming>) -> Response<super::support::Content> {
    let told = request.headers().get("content-length").cloned();
    let chunked = request.headers().get("transfer-encoding").cloned();
    let mut response = Response::new(request.into_body().boxed());
    let fields = response.headers_mut();
    told.map(|told| fields.insert("x-told-length", told));
    chunked.map(|chunked| fields.insert("x-told-coding", chunked));
    response
}

#[tokio::test]
async fn ten_mebibytes_pass_unchanged_in_both_directions() {
    for upstream in [
        Upstream::plain(echo).await,
        Upstream::tls(&["http/1.1"], echo).await,
        Upstream::tls(&["h2", "http/1.1"], echo).await,
    ] {
        let proxy = Proxy::with(&upstream);
        let content = noise(TEN_MIB);
        let mut caller = proxy.caller().await;
        let (mut read, mut write) = caller.stream().split();
        let sending = async {
            use tokio::io::AsyncWriteExt;
            let head = format!("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: {TEN_MIB}\r\n\r\n");
            write.write_all(head.as_bytes()).await.unwrap();
            write.write_all(&content).await.unwrap();
        };
        let receiving = async {
            let mut got = Vec::new();
            while !got.ends_with(&content[TEN_MIB - 64..])
                && read.read_buf(&mut got).await.unwrap() > 0
            {}
            got
        };
        let ((), got) = soon(async { tokio::join!(sending, receiving) }).await;
        let head_ends = got.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        let head = String::from_utf8(got[..head_ends].to_vec()).unwrap();
        assert!(head.contains(&format!("x-told-length: {TEN_MIB}")), "{head}");
        assert!(head.contains(&format!("content-length: {TEN_MIB}")), "{head}");
        assert!(got[head_ends..] == content, "{} differs", upstream.url);
    }
}

#[tokio::test]
async fn chunked_content_passes_chunked() {
    let upstream = Upstream::plain(echo).await;
    let proxy = Proxy::with(&upstream);
    for method in ["POST", "GET", "DELETE"] {
        let reply = proxy
            .ask(&format!(
                "{method} /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
                 3;ext=1\r\none\r\n4\r\nfour\r\n0\r\nX-Sum: 1\r\n\r\n"
            ))
            .await;
        assert_eq!(reply.text(), "onefour", "{method}");
        assert_eq!(reply.fields["x-told-coding"], "chunked");
        assert_eq!(reply.fields["transfer-encoding"], "chunked");
    }
}

#[tokio::test]
async fn a_delete_with_content_keeps_it() {
    let upstream = Upstream::plain(echo).await;
    let proxy = Proxy::with(&upstream);
    let reply = proxy.ask("DELETE /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}").await;
    assert_eq!((reply.text(), &reply.fields["x-told-length"]), ("{}", &HeaderValue::from(2)));
}

#[tokio::test]
async fn answers_without_content_keep_their_fields() {
    let answer = |request: Request<Incoming>| async move {
        let mut response = Response::new(full(""));
        match request.uri().path() {
            "/204" => *response.status_mut() = http::StatusCode::NO_CONTENT,
            _ => {
                response.headers_mut().insert("content-length", HeaderValue::from_static("1234"));
            }
        }
        response
    };
    for upstream in [Upstream::plain(answer).await, Upstream::tls(&["h2"], answer).await] {
        let proxy = Proxy::with(&upstream);
        let mut caller = proxy.caller().await;
        // One connection: a wrong length would swallow the next answer.
        caller.send("HEAD /head HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let head = caller.reply_to("HEAD").await;
        assert_eq!((head.status, &head.fields["content-length"]), (200, &HeaderValue::from(1234)));
        caller.send("GET /204 HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let none = caller.reply().await;
        assert_eq!(none.status, 204);
        assert!(!none.fields.contains_key("content-length"));
        assert!(!none.fields.contains_key("transfer-encoding"));
        caller.send("HEAD /head HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert_eq!(caller.reply_to("HEAD").await.status, 200);
    }
}

#[tokio::test]
async fn a_304_keeps_the_length_that_it_tells() {
    let upstream = Upstream::raw(|stream, _| async move {
        let mut wire = Wire::new(stream);
        while wire.head().await.is_some() {
            wire.write("HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\nContent-Length: 1234\r\n\r\n")
                .await;
        }
    })
    .await;
    let proxy = Proxy::with(&upstream);
    let mut caller = proxy.caller().await;
    // Twice on one connection: a wrong length would swallow the second answer.
    for _ in 0..2 {
        caller.send("GET / HTTP/1.1\r\nHost: a\r\nIf-None-Match: \"a\"\r\n\r\n").await;
        let reply = caller.reply().await;
        assert_eq!((reply.status, &reply.fields["etag"]), (304, &"\"a\"".parse().unwrap()));
        assert_eq!(reply.fields["content-length"], "1234");
    }
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn compressed_content_is_not_touched() {
    let packed: &[u8] = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xcbH\xcd\xc9\xc9\x07\x00\x86\xa6\x106\x05\x00\x00\x00";
    let upstream = Upstream::plain(move |request| async move {
        assert_eq!(request.headers()["accept-encoding"], "gzip");
        let mut response = Response::new(full(packed));
        response.headers_mut().insert("content-encoding", HeaderValue::from_static("gzip"));
        response
    })
    .await;
    let proxy = Proxy::with(&upstream);
    let reply = proxy.ask("GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n").await;
    assert_eq!(reply.fields["content-encoding"], "gzip");
    assert_eq!(reply.content, packed);
}

/// Content of a length that nobody knows beforehand.
struct Frames(std::vec::IntoIter<Frame<Bytes>>);

impl Body for Frames {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Poll::Ready(self.0.next().map(Ok))
    }
}

#[tokio::test]
async fn trailers_reach_callers_that_take_them() {
    let answer = |request: Request<Incoming>| async move {
        let mut trailers = HeaderMap::new();
        trailers.insert("x-sum", HeaderValue::from_static("42"));
        trailers.insert("x-note", HeaderValue::from_static("kept"));
        trailers.insert("set-cookie", HeaderValue::from_static("a=b"));
        let asked = request.headers().get("te").cloned();
        let frames = vec![Frame::data(Bytes::from_static(b"data")), Frame::trailers(trailers)];
        let mut response = Response::new(Frames(frames.into_iter()).boxed());
        let fields = response.headers_mut();
        fields.insert("trailer", HeaderValue::from_static("x-sum, X-Note, set-cookie"));
        asked.map(|asked| fields.insert("x-asked", asked));
        response
    };
    for upstream in [Upstream::plain(answer).await, Upstream::tls(&["h2"], answer).await] {
        let proxy = Proxy::with(&upstream);
        let reply =
            proxy.ask("GET / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE\r\n\r\n").await;
        assert_eq!(
            (reply.text(), &reply.fields["x-asked"]),
            ("data", &"trailers".parse().unwrap())
        );
        assert_eq!(reply.trailers.get("x-sum").unwrap(), "42", "{}", upstream.url);
        assert_eq!(reply.trailers.get("x-note").unwrap(), "kept");
        assert!(!reply.trailers.contains_key("set-cookie"));
        let reply = proxy.get("/").await;
        assert_eq!(reply.text(), "data");
        assert!(reply.trailers.is_empty() && !reply.fields.contains_key("x-asked"));
    }
}

#[tokio::test]
async fn one_hundred_continue_is_said_when_the_content_is_wanted() {
    let upstream = Upstream::plain(echo).await;
    let proxy = Proxy::with(&upstream);
    let mut caller = proxy.caller().await;
    let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n";
    caller.send(head).await;
    assert_eq!(caller.head().await.0, "HTTP/1.1 100 Continue");
    caller.send("data").await;
    assert_eq!(caller.reply().await.text(), "data");
}

#[tokio::test]
async fn content_streams_while_it_arrives() {
    let upstream = Upstream::raw(|stream, _| async move {
        let mut wire = Wire::new(stream);
        wire.head().await.unwrap();
        wire.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
        // Each direction waits for the other: nothing may be held back.
        for _ in 0..3 {
            let piece = wire.take(8).await.unwrap();
            assert_eq!(piece, b"3\r\nabc\r\n");
            wire.write(piece).await;
        }
        wire.take(5).await.unwrap();
        wire.write("0\r\n\r\n").await;
    })
    .await;
    let proxy = Proxy::with(&upstream);
    let mut caller = proxy.caller().await;
    caller.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    caller.head().await;
    for _ in 0..3 {
        caller.send("3\r\nabc\r\n").await;
        let mut echoed = [0; 8];
        soon(caller.stream().read_exact(&mut echoed)).await.unwrap();
        assert_eq!(&echoed, b"3\r\nabc\r\n");
    }
    caller.send("0\r\n\r\n").await;
    let mut end = [0; 5];
    soon(caller.stream().read_exact(&mut end)).await.unwrap();
    assert_eq!(&end, b"0\r\n\r\n");
}
