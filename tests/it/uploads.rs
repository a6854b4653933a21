//! Upstreams that answer before they have read a request, and close with the rest of it unread: the caller
//! gets the answer, whatever became of its content.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::support::{Caller, Certificate, Proxy, Reply, Start, Upstream, Wire, soon};

/// Larger than what is kept, and than what the buffers on the way take.
const SIZES: [usize; 2] = [200_000, 8 << 20];

const ROUNDS: usize = 10;

/// How the upstream refuses.
#[derive(Clone, Copy, Debug)]
enum Manner {
    /// It answers and closes at once: its kernel resets the connection.
    Closes,
    /// It closes its direction first, and the connection when some more has arrived.
    HalfCloses,
    /// It answers when the content has begun to arrive, and closes.
    ReadsSome,
}

const MANNERS: [Manner; 3] = [Manner::Closes, Manner::HalfCloses, Manner::ReadsSome];

/// Answers that are whole, the last one by the end of its connection.
const REFUSALS: [&str; 3] = [
    "HTTP/1.1 413 Content Too Large\r\nContent-Length: 9\r\nConnection: close\r\n\r\ntoo large",
    "HTTP/1.1 413 Content Too Large\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ntoo large\r\n0\r\n\r\n",
    "HTTP/1.1 413 Content Too Large\r\n\r\ntoo large",
];

async fn refuses<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    manner: Manner,
    answer: &'static str,
    seen: Arc<AtomicUsize>,
) {
    let mut wire = Wire::new(stream);
    while let Some((line, _)) = wire.head().await {
        seen.fetch_add(1, Ordering::SeqCst);
        if line.starts_with("GET ") {
            wire.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
            continue;
        }
        if matches!(manner, Manner::ReadsSome) {
            wire.take(100_000).await;
        }
        wire.write(answer).await;
        if matches!(manner, Manner::HalfCloses) {
            wire.stream().shutdown().await.unwrap();
            wire.take(150_000).await;
        }
        return;
    }
}

/// A caller that sends everything, whatever happens, and then reads.
async fn upload(caller: &mut Caller<TcpStream>, size: usize) -> Reply {
    let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n");
    caller.send(head).await;
    let content = vec![b'x'; size];
    soon(caller.stream().write_all(&content)).await.unwrap();
    caller.reply().await
}

async fn every_upload_is_refused(tls: bool) {
    for manner in MANNERS {
        for answer in REFUSALS {
            let seen = Arc::<AtomicUsize>::default();
            let counted = Arc::clone(&seen);
            let upstream = if tls {
                Upstream::tls_raw(&Certificate::good(), &["http/1.1"], move |stream, _| {
                    refuses(stream, manner, answer, Arc::clone(&counted))
                })
                .await
            } else {
                Upstream::raw(move |stream, _| {
                    refuses(stream, manner, answer, Arc::clone(&counted))
                })
                .await
            };
            let proxy = Proxy::with(&upstream);
            for size in SIZES {
                for round in 0..ROUNDS {
                    let before = seen.load(Ordering::SeqCst);
                    let mut caller = proxy.caller().await;
                    let case = format!("{manner:?} tls: {tls} {size} {answer:?} round {round}");
                    let reply = upload(&mut caller, size).await;
                    assert_eq!((reply.status, reply.text()), (413, "too large"), "{case}");
                    assert_eq!(seen.load(Ordering::SeqCst), before + 1, "{case}");
                    assert_eq!(proxy.get("/").await.text(), "ok", "{case}");
                }
            }
            assert_eq!(proxy.totals().replays, 0);
        }
    }
}

#[tokio::test]
async fn the_answer_to_an_upload_that_is_not_read_arrives() {
    every_upload_is_refused(false).await;
}

#[tokio::test]
async fn the_answer_to_an_upload_that_is_not_read_arrives_over_tls() {
    every_upload_is_refused(true).await;
}

/// All of the content is read, and the connection goes on or was announced to close.
#[tokio::test]
async fn a_refused_upload_ends_the_callers_connection_only_where_that_is_announced() {
    let seen = Arc::<AtomicUsize>::default();
    let upstream = Upstream::raw(move |stream, _| {
        refuses(stream, Manner::Closes, REFUSALS[1], Arc::clone(&seen))
    })
    .await;
    let proxy = Proxy::with(&upstream);
    for _ in 0..ROUNDS {
        let mut caller = proxy.caller().await;
        let reply = upload(&mut caller, 1 << 20).await;
        assert_eq!(reply.status, 413);
        if reply.fields.contains_key("connection") {
            assert!(caller.is_closed().await);
        } else {
            caller.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
            assert_eq!(caller.reply().await.text(), "ok");
        }
    }
}

#[tokio::test]
async fn an_upload_that_nobody_answers_fails_as_ever() {
    for size in SIZES {
        let upstream = Upstream::raw(|stream, _| async move {
            let mut wire = Wire::new(stream);
            wire.head().await.unwrap();
            wire.take(1_000).await;
        })
        .await;
        let proxy = Proxy::with(&upstream);
        let mut caller = proxy.caller().await;
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n");
        caller.send(head).await;
        let content = vec![b'x'; size];
        let (mut read, mut write) = caller.stream().split();
        let (mut answer, sent) = (Vec::new(), soon(write.write_all(&content)));
        // What is not read any more may end in a reset, after the answer.
        let (_, heard) = tokio::join!(sent, soon(read.read_to_end(&mut answer)));
        let text = String::from_utf8(answer).unwrap();
        assert!(text.starts_with("HTTP/1.1 502 ") && text.contains("upstream_closed"), "{text}");
        assert!(heard.is_ok() || text.ends_with('}'), "{heard:?}");
        assert_eq!((upstream.connections(), proxy.totals().replays), (1, 0));
    }
}

#[tokio::test]
async fn what_comes_in_place_of_an_answer_to_an_upload_is_named() {
    let upstream = Upstream::raw(|stream, _| async move {
        let mut wire = Wire::new(stream);
        wire.head().await.unwrap();
        wire.write("SSH-2.0-OpenSSH_9.9\r\n\r\n").await;
    })
    .await;
    let proxy = Proxy::with(&upstream);
    let mut caller = proxy.caller().await;
    let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n";
    caller.send([head.as_bytes(), &[b'x'; 200_000]].concat()).await;
    let reply = caller.reply().await;
    assert_eq!((reply.status, reply.code().as_str()), (502, "upstream_protocol"));
}

/// A success that a reset cuts off does not look whole.
#[tokio::test]
async fn a_success_that_ends_with_a_reset_breaks_off() {
    for size in SIZES {
        let upstream = Upstream::raw(|stream, _| async move {
            let mut wire = Wire::new(stream);
            wire.head().await.unwrap();
            wire.write("HTTP/1.1 200 OK\r\n\r\nhalf").await;
            wire.take(1_000).await;
            wire.stream().set_zero_linger().unwrap();
        })
        .await;
        let proxy = Proxy::with(&upstream);
        let mut caller = proxy.caller().await;
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n");
        caller.send(head).await;
        let content = vec![b'x'; size];
        let (mut read, mut write) = caller.stream().split();
        let mut answer = Vec::new();
        let reads = soon(read.read_to_end(&mut answer));
        let (_, _) = tokio::join!(soon(write.write_all(&content)), reads);
        assert!(!answer.ends_with(b"0\r\n\r\n"), "{}", answer.escape_ascii());
    }
}

/// The rest of the content can go nowhere, and nobody waits for it for ever.
#[tokio::test]
async fn an_upstream_that_answers_and_reads_no_more_is_given_up() {
    let upstream = Upstream::raw(|stream, _| async move {
        let mut wire = Wire::new(stream);
        wire.head().await.unwrap();
        wire.write(REFUSALS[0]).await;
        wire.stream().shutdown().await.unwrap();
        std::future::pending::<()>().await;
    })
    .await;
    let mut start = Start::with(&upstream);
    start.upstream.idle_timeout = Duration::from_millis(50);
    start.serve.idle_timeout = Duration::from_secs(3_600);
    let proxy = start.go();
    let mut caller = proxy.caller().await;
    let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 33554432\r\n\r\n";
    caller.send(head).await;
    let content = vec![b'x'; 32 << 20];
    let (mut read, mut write) = caller.stream().split();
    let mut answer = Vec::new();
    // What is not read any more may end in a reset.
    let (_, _) = tokio::join!(soon(write.write_all(&content)), soon(read.read_to_end(&mut answer)));
    assert!(answer.starts_with(b"HTTP/1.1 413 "), "{}", answer.escape_ascii());
    proxy.until(|totals| totals.connections == 0).await;
}
