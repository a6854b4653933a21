//! Content that is still on its way when the response begins, over HTTP/2.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::server::TlsStream;
use webwork_sidecar::token::current::Verdict;

use super::support::frames::*;
use super::support::{Certificate, Proxy, Start, Upstream, bearer, soon};

type Stream = TlsStream<TcpStream>;

/// ":status: 401" without indexing.
const STATUS_401: &[u8] = &[0x08, 0x03, b'4', b'0', b'1'];

async fn upstream<F, R>(behave: F) -> Upstream
where
    F: Fn(Stream, usize) -> R + Clone + Send + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    Upstream::tls_raw(&Certificate::good(), &["h2"], behave).await
}

/// Takes a few times the limit for a response.
async fn let_time_pass(proxy: &Proxy) {
    for _ in 0..3 {
        assert_eq!(proxy.get("/").await.code(), "upstream_timeout");
    }
}

/// While a new token is waited for, content goes on over the stream of the 401. Once it is more than is kept,
/// its beginning is gone, and what is left is not a request.
#[tokio::test]
async fn content_that_outgrows_what_is_kept_after_a_401_is_not_sent_without_its_beginning() {
    let passed = Arc::new(Semaphore::new(0));
    let told = Arc::clone(&passed);
    let upstream = upstream(move |stream, _| {
        let passed = Arc::clone(&told);
        async move {
            let mut frames = Frames::start(stream, &[]).await;
            let mut contents = BTreeMap::<u32, Vec<u8>>::new();
            while let Some(frame) = frames.next().await {
                let stream = frame.stream;
                match frame.kind {
                    HEADERS if contents.insert(stream, Vec::new()).is_none() && stream == 1 => {
                        frames.headers(stream, END_STREAM, &[STATUS_401]).await;
                    }
                    DATA => {
                        let content = contents.get_mut(&stream).unwrap();
                        content.extend(&frame.payload);
                        if stream == 1 && content.len() == 1_005 {
                            passed.add_permits(1);
                        }
                        if stream != 1 && frame.flags & END_STREAM != 0 {
                            let content = String::from_utf8(content.clone()).unwrap();
                            frames.answer(stream, &content).await;
                        }
                    }
                    _ => {}
                }
            }
        }
    })
    .await;
    let mut start = Start::with(&upstream);
    start.proxy.replay_limit = 1_000;
    let mut proxy = start.go();
    let mut caller = proxy.caller().await;
    caller.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    caller.send("5\r\nfirst\r\n").await;
    let rejection = soon(proxy.rejections.recv()).await.unwrap();
    caller.send(format!("3e8\r\n{}\r\n", "x".repeat(1_000))).await;
    soon(passed.acquire()).await.unwrap().forget();
    rejection.reply.send(Verdict::Replay(bearer(2))).unwrap();
    caller.send("4\r\nlast\r\n0\r\n\r\n").await;
    let reply = caller.reply().await;
    assert_eq!((reply.status, reply.text()), (401, ""));
    assert!(reply.fields.contains_key("proxy-status"));
}

/// The window closes while the caller pauses: from then on it is the upstream that is waited for.
#[tokio::test]
async fn a_window_that_is_taken_back_is_a_timeout() {
    let closed = Arc::new(Semaphore::new(0));
    let told = Arc::clone(&closed);
    let upstream = upstream(move |stream, _| {
        let closed = Arc::clone(&told);
        async move {
            let mut frames = Frames::start(stream, &[]).await;
            while let Some(frame) = frames.next().await {
                match (frame.kind, frame.flags & ACK) {
                    (HEADERS, _) => frames.settings(&[(INITIAL_WINDOW_SIZE, 0)]).await,
                    (SETTINGS, ACK) => closed.add_permits(1),
                    _ => {}
                }
            }
        }
    })
    .await;
    let mut start = Start::with(&upstream);
    start.upstream.response_timeout = Duration::from_millis(50);
    let proxy = start.go();
    let mut caller = proxy.caller().await;
    caller.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n").await;
    // Both SETTINGS are acknowledged.
    soon(closed.acquire_many(2)).await.unwrap().forget();
    caller.send("data").await;
    let reply = caller.reply().await;
    assert_eq!((reply.status, reply.code().as_str()), (504, "upstream_timeout"));
}

/// An upstream need not read the content of a request to answer it, however long its response takes.
#[tokio::test]
async fn a_long_response_is_not_cut_off_because_content_is_not_taken() {
    let upstream = upstream(|stream, _| async move {
        let mut frames = Frames::start(stream, &[(INITIAL_WINDOW_SIZE, 0)]).await;
        let (mut long, mut timed_out) = (0, 0);
        while let Some(frame) = frames.next().await {
            match frame.kind {
                HEADERS if frame.flags & END_STREAM == 0 => {
                    long = frame.stream;
                    frames.headers(long, 0, &[STATUS_200]).await;
                    frames.data(long, 0, b"begun, ").await;
                }
                RST_STREAM if long != 0 && frame.stream != long => {
                    timed_out += 1;
                    if timed_out == 3 {
                        frames.data(long, END_STREAM, b"ended").await;
                    }
                }
                _ => {}
            }
        }
    })
    .await;
    let mut start = Start::with(&upstream);
    start.upstream.response_timeout = Duration::from_millis(50);
    let proxy = start.go();
    // From here on the window is known to be closed.
    let_time_pass(&proxy).await;
    let mut caller = proxy.caller().await;
    caller.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\ndata").await;
    let (line, _) = caller.head().await;
    assert_eq!(line, "HTTP/1.1 200 OK");
    let_time_pass(&proxy).await;
    let rest = String::from_utf8(caller.take(27).await).unwrap();
    assert!(rest.contains("begun") && rest.contains("ended\r\n0\r\n\r\n"), "{rest}");
}

/// The limit for a head does not count for content that comes after the response.
#[tokio::test]
async fn content_that_comes_slowly_after_the_response_leaves_the_connection_usable() {
    let upstream = upstream(|stream, _| async move {
        let mut frames = Frames::start(stream, &[]).await;
        while let Some(frame) = frames.next().await {
            if frame.kind == HEADERS && frame.flags & END_STREAM == 0 {
                frames.answer(frame.stream, "early").await;
            }
        }
    })
    .await;
    let mut start = Start::with(&upstream);
    start.upstream.response_timeout = Duration::from_millis(50);
    start.serve.head_timeout = Duration::from_millis(50);
    let proxy = start.go();
    let mut caller = proxy.caller().await;
    for _ in 0..2 {
        caller.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n").await;
        assert_eq!(caller.reply().await.text(), "early");
        caller.send("1").await;
        let_time_pass(&proxy).await;
        caller.send("2").await;
    }
}
