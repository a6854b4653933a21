//! What one caller does to itself, it does to nobody else; and no answer is lost on the way out.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body_util::BodyExt;
use tokio::io::AsyncWriteExt;
use tokio::sync::Semaphore;
use webwork_sidecar::answer::Code;

use super::support::frames::{Arrived, END_STREAM, Frames, STATUS_200};
use super::support::{Certificate, Proxy, Start, Upstream, full, refusing, soon};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const POST: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\ndata";

/// Answers with what it was sent.
async fn echo() -> Upstream {
    Upstream::plain(|request| async move {
        match request.into_body().collect().await {
            Ok(content) => Response::new(full(content.to_bytes())),
            Err(_) => Response::new(full("cut off")),
        }
    })
    .await
}

/// An upstream that never answers, and tells when it was asked.
async fn silent() -> (Arc<Semaphore>, Upstream) {
    let asked = Arc::new(Semaphore::new(0));
    let told = Arc::clone(&asked);
    let upstream = Upstream::plain(move |_| {
        told.add_permits(1);
        std::future::pending()
    })
    .await;
    (asked, upstream)
}

#[tokio::test]
async fn a_thousand_spoilt_exchanges_leave_their_connection_alone() {
    const EXCHANGES: usize = 1_100;
    // "content-length: x" without indexing, which spoils the stream alone.
    const SPOILT: &[u8] = &[0x0f, 0x0d, 0x01, b'x'];
    let upstream = Upstream::tls_raw(&Certificate::good(), &["h2"], |stream, _| async move {
        let mut frames = Frames::start(stream, &[]).await;
        while let Some(Arrived { stream, .. }) = frames.request().await {
            frames.headers(stream, END_STREAM, &[STATUS_200, SPOILT]).await;
        }
    })
    .await;
    let sidecar = Proxy::with(&upstream);
    let mut caller = sidecar.caller().await;
    for _ in 0..EXCHANGES {
        caller.send(GET).await;
        let reply = caller.reply().await;
        assert_eq!((reply.status, reply.code().as_str()), (502, "upstream_protocol"));
    }
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn callers_who_stop_reading_stop_nobody_else() {
    const STALLED: usize = 48;
    let much = Bytes::from(vec![b'x'; 8 << 20]);
    let upstream = Upstream::tls(&["h2"], move |request| {
        let much = much.clone();
        async move {
            Response::new(full(if request.uri().path() == "/little" { "ok".into() } else { much }))
        }
    })
    .await;
    let sidecar = Proxy::with(&upstream);
    let mut stalled = Vec::new();
    for _ in 0..STALLED {
        let mut caller = sidecar.caller().await;
        caller.send(GET).await;
        caller.head().await;
        stalled.push(caller);
    }
    for _ in 0..20 {
        assert_eq!(sidecar.get("/little").await.text(), "ok");
    }
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn a_caller_who_takes_nothing_loses_its_place() {
    let much = Bytes::from(vec![b'x'; 32 << 20]);
    let upstream = Upstream::plain(move |_| {
        let much = much.clone();
        async move { Response::new(full(much)) }
    })
    .await;
    let mut start = Start::with(&upstream);
    start.serve.write_timeout = Duration::from_millis(50);
    let sidecar = start.go();
    let mut caller = sidecar.caller().await;
    caller.send(GET).await;
    caller.head().await;
    sidecar.until(|totals| totals.connections == 0 && totals.in_flight == 0).await;
    assert!(caller.rest().await.len() < 32 << 20);
}

#[tokio::test]
async fn a_caller_who_sends_no_more_gets_its_answer() {
    let upstream = echo().await;
    let sidecar = Proxy::with(&upstream);
    for (request, content) in [(GET, ""), (POST, "data")] {
        let mut caller = sidecar.caller().await;
        caller.send(request).await;
        caller.stream().shutdown().await.unwrap();
        assert_eq!(caller.reply().await.text(), content);
        assert!(caller.is_closed().await);
    }
}

#[tokio::test]
async fn a_caller_who_is_gone_is_noticed_while_its_answer_is_awaited() {
    let (asked, upstream) = silent().await;
    let mut start = Start::with(&upstream);
    // The sweep looks as often as the shortest limit asks for; a request has no part in this one.
    start.serve.idle_timeout = Duration::from_millis(50);
    let sidecar = start.go();
    let mut caller = sidecar.caller().await;
    caller.send(GET).await;
    soon(asked.acquire()).await.unwrap().forget();
    socket2::SockRef::from(&*caller.stream()).set_linger(Some(Duration::ZERO)).unwrap();
    drop(caller);
    sidecar.until(|totals| totals.connections == 0 && totals.in_flight == 0).await;
}

#[tokio::test]
async fn a_caller_who_is_refused_early_hears_why() {
    let upstream = echo().await;
    let mut start = Start::with(&upstream);
    start.admission = refusing(Code::Policy);
    let sidecar = start.go();
    let mut caller = sidecar.caller().await;
    caller.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 20000000\r\n\r\n").await;
    soon(caller.send(vec![0; 20_000_000])).await;
    let reply = caller.reply().await;
    assert_eq!((reply.status, reply.code().as_str()), (403, "policy"));
    assert!(caller.is_closed().await);
}

#[tokio::test]
async fn a_caller_who_goes_on_after_its_refusal_is_not_heard_for_long() {
    let upstream = echo().await;
    let mut start = Start::with(&upstream);
    start.admission = refusing(Code::Policy);
    let sidecar = start.go();
    let mut caller = sidecar.caller().await;
    caller.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 20000000\r\n\r\npart").await;
    assert_eq!(caller.reply().await.status, 403);
    sidecar.until(|totals| totals.connections == 0).await;
}

#[tokio::test]
async fn a_drain_answers_what_is_on_the_way() {
    const CALLERS: usize = 20;
    let upstream = echo().await;
    let mut sidecar = Proxy::with(&upstream);
    let mut callers = Vec::new();
    for _ in 0..CALLERS {
        let mut caller = sidecar.caller().await;
        caller.send(GET).await;
        assert_eq!(caller.reply().await.status, 200);
        callers.push(caller);
    }
    sidecar.drain(Duration::from_secs(15));
    for mut caller in callers {
        loop {
            caller.send(GET).await;
            let reply = caller.reply().await;
            assert_eq!(reply.status, 200);
            if reply.fields.get("connection").is_some_and(|value| value == "close") {
                break;
            }
        }
        assert!(caller.is_closed().await);
    }
    sidecar.ended().await;
}

#[tokio::test]
async fn a_drain_serves_who_waits_in_the_queue() {
    let upstream = echo().await;
    let mut sidecar = Proxy::with(&upstream);
    let mut queued = Vec::new();
    for _ in 0..20 {
        let mut caller = sidecar.caller().await;
        caller.send(GET).await;
        queued.push(caller);
    }
    sidecar.drain(Duration::from_secs(15));
    for mut caller in queued {
        assert_eq!(caller.reply().await.status, 200);
    }
    sidecar.ended().await;
}
