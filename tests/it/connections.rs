//! Upstream connections: reused, shared, found dead, and never the reason for a second POST.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Response;
use tokio::sync::Barrier;
use webwork_sidecar::guard::Admitted;

use super::support::frames::{Arrived, Frames, NO_ERROR};
use super::support::{Certificate, Proxy, Start, Upstream, Wire, full, soon};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const POST: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\ndata";

/// Answers the first request of its first connection, reads the second one and dies over it.
async fn dies_over_the_second_request(seen: Arc<AtomicUsize>) -> Upstream {
    Upstream::raw(move |stream, number| {
        let seen = Arc::clone(&seen);
        async move {
            let mut wire = Wire::new(stream);
            while let Some((_, fields)) = wire.head().await {
                wire.content(&fields).await.unwrap();
                if seen.fetch_add(1, Ordering::SeqCst) == 1 && number == 0 {
                    return;
                }
                wire.write(OK).await;
            }
        }
    })
    .await
}

#[tokio::test]
async fn connections_are_reused() {
    let upstream = Upstream::plain(|_| async { Response::new(full("ok")) }).await;
    let proxy = Proxy::with(&upstream);
    for _ in 0..10 {
        assert_eq!(proxy.get("/").await.text(), "ok");
    }
    let mut caller = proxy.caller().await;
    for _ in 0..10 {
        caller.send(POST).await;
        assert_eq!(caller.reply().await.text(), "ok");
    }
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn a_get_on_a_dying_connection_is_sent_once_more() {
    for method in ["GET", "PUT", "DELETE"] {
        let seen = Arc::<AtomicUsize>::default();
        let upstream = dies_over_the_second_request(Arc::clone(&seen)).await;
        let proxy = Proxy::with(&upstream);
        assert_eq!(proxy.get("/").await.status, 200);
        let request = POST.replacen("POST", method, 1);
        assert_eq!(proxy.ask(&request).await.text(), "ok", "{method}");
        assert_eq!((seen.load(Ordering::SeqCst), upstream.connections()), (3, 2));
        assert_eq!(proxy.totals().replays, 1);
    }
}

#[tokio::test]
async fn a_post_is_never_sent_twice() {
    for method in ["POST", "PATCH"] {
        let seen = Arc::<AtomicUsize>::default();
        let upstream = dies_over_the_second_request(Arc::clone(&seen)).await;
        let proxy = Proxy::with(&upstream);
        assert_eq!(proxy.get("/").await.status, 200);
        let reply = proxy.ask(&POST.replacen("POST", method, 1)).await;
        assert_eq!((reply.status, reply.code().as_str()), (502, "upstream_closed"));
        assert_eq!(seen.load(Ordering::SeqCst), 2, "{method}");
        assert_eq!(proxy.get("/").await.status, 200);
    }
}

#[tokio::test]
async fn a_new_connection_that_dies_is_not_tried_again() {
    let upstream = Upstream::raw(|stream, _| async move {
        Wire::new(stream).head().await.unwrap();
    })
    .await;
    let reply = Proxy::with(&upstream).get("/").await;
    assert_eq!((reply.status, upstream.connections()), (502, 1));
}

#[tokio::test]
async fn a_post_finds_out_that_a_resting_connection_was_closed() {
    let (close, wait) = tokio::sync::watch::channel(false);
    let (closed, closing) = std::sync::mpsc::channel();
    let upstream = Upstream::raw(move |stream, number| {
        let (mut wait, closed) = (wait.clone(), closed.clone());
        async move {
            let mut wire = Wire::new(stream);
            let (_, fields) = wire.head().await.unwrap();
            wire.content(&fields).await.unwrap();
            wire.write(OK).await;
            if number == 0 {
                wait.wait_for(|close| *close).await.unwrap();
                drop(wire);
                closed.send(()).unwrap();
            }
        }
    })
    .await;
    let mut start = Start::with(&upstream);
    let closing = Mutex::new(closing);
    // The core itself is kept busy while the connection is closed: the kernel knows, it does not.
    start.admission = Arc::new(move |head, _| {
        if head.method == http::Method::POST {
            close.send_replace(true);
            closing.lock().unwrap().recv().unwrap();
        }
        Ok(Admitted::Request)
    });
    let proxy = start.go();
    assert_eq!(proxy.get("/").await.status, 200);
    assert_eq!(proxy.ask(POST).await.status, 200);
    assert_eq!((proxy.totals().replays, upstream.connections()), (0, 2));
}

#[tokio::test]
async fn a_post_finds_out_that_a_shared_connection_was_closed() {
    let (close, wait) = tokio::sync::watch::channel(false);
    let (closed, closing) = std::sync::mpsc::channel();
    let upstream = Upstream::tls_raw(&Certificate::good(), &["h2"], move |stream, number| {
        let (mut wait, closed) = (wait.clone(), closed.clone());
        async move {
            let mut connection = h2::server::handshake(stream).await.unwrap();
            loop {
                tokio::select! {
                    request = connection.accept() => {
                        let Some(Ok((_, mut answer))) = request else { return };
                        answer.send_response(Response::new(()), true).unwrap();
                    }
                    _ = wait.wait_for(|close| *close), if number == 0 => {
                        drop(connection);
                        return closed.send(()).unwrap();
                    }
                }
            }
        }
    })
    .await;
    let mut start = Start::with(&upstream);
    let closing = Mutex::new(closing);
    // The core itself is kept busy while the connection is closed: the kernel knows, it does not.
    start.admission = Arc::new(move |head, _| {
        if head.method == http::Method::POST {
            close.send_replace(true);
            closing.lock().unwrap().recv().unwrap();
        }
        Ok(Admitted::Request)
    });
    let proxy = start.go();
    assert_eq!(proxy.get("/").await.status, 200);
    assert_eq!(proxy.ask(POST).await.status, 200);
    assert_eq!((proxy.totals().replays, upstream.connections()), (0, 2));
}

#[tokio::test]
async fn half_an_answer_is_not_asked_for_again() {
    let upstream = Upstream::raw(|stream, number| async move {
        let mut wire = Wire::new(stream);
        wire.head().await.unwrap();
        wire.write(OK).await;
        if number == 0 {
            wire.head().await.unwrap();
            wire.write("HTTP/1.1 200 O").await;
        }
    })
    .await;
    let proxy = Proxy::with(&upstream);
    assert_eq!(proxy.get("/").await.status, 200);
    assert_eq!(proxy.get("/").await.status, 502);
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn garbage_is_told_apart() {
    let upstream = Upstream::raw(|stream, _| async move {
        let mut wire = Wire::new(stream);
        wire.head().await.unwrap();
        wire.write("SSH-2.0-OpenSSH_9.9\r\n\r\n").await;
    })
    .await;
    let reply = Proxy::with(&upstream).get("/").await;
    assert_eq!((reply.status, reply.code().as_str()), (502, "upstream_protocol"));
}

#[tokio::test]
async fn an_answer_that_breaks_off_breaks_off_for_the_caller() {
    let upstream = Upstream::raw(|stream, _| async move {
        let mut wire = Wire::new(stream);
        wire.head().await.unwrap();
        wire.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf").await;
    })
    .await;
    let proxy = Proxy::with(&upstream);
    let mut caller = proxy.caller().await;
    caller.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    caller.head().await;
    assert_eq!(caller.rest().await, b"half");
}

/// Some clients repeat a POST whose connection ends without a byte.
#[tokio::test]
async fn an_answer_that_breaks_after_its_head_is_never_nothing() {
    for framing in ["Content-Length: 9", "Transfer-Encoding: chunked"] {
        for (content, resets) in [("", false), ("", true), ("4\r\nha", false), ("4\r\nha", true)] {
            let upstream = Upstream::raw(move |stream, _| async move {
                let mut wire = Wire::new(stream);
                let (_, fields) = wire.head().await.unwrap();
                wire.content(&fields).await.unwrap();
                wire.write(format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n{content}")).await;
                if resets {
                    wire.stream().set_zero_linger().unwrap();
                }
            })
            .await;
            let proxy = Proxy::with(&upstream);
            let mut caller = proxy.caller().await;
            caller.send(POST).await;
            let got = String::from_utf8(caller.rest().await).unwrap();
            if got.starts_with("HTTP/1.1 200 OK\r\n") {
                assert!(!got.ends_with("\r\n0\r\n\r\n"), "it looks complete: {got}");
            } else {
                // A reset can take along what was said before it.
                assert!(resets && got.contains("upstream_closed"), "{got}");
            }
        }
    }
}

#[tokio::test]
async fn an_upstream_that_never_answers_is_a_timeout() {
    let plain = Upstream::raw(|stream, _| async move {
        let mut wire = Wire::new(stream);
        while wire.head().await.is_some() {}
    })
    .await;
    let h2 = Upstream::tls(&["h2"], |_| std::future::pending()).await;
    for upstream in [plain, h2] {
        let mut start = Start::with(&upstream);
        start.upstream.response_timeout = Duration::from_millis(100);
        let reply = start.go().get("/").await;
        assert_eq!((reply.status, reply.code().as_str()), (504, "upstream_timeout"));
        assert_eq!(upstream.connections(), 1);
    }
}

#[tokio::test]
async fn a_caller_who_leaves_takes_the_upstream_connection_along() {
    let (gone, mut ends) = tokio::sync::mpsc::unbounded_channel();
    let upstream = Upstream::raw(move |stream, _| {
        let gone = gone.clone();
        async move {
            let mut wire = Wire::new(stream);
            wire.head().await.unwrap();
            wire.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart").await;
            gone.send(wire.head().await.is_none()).unwrap();
        }
    })
    .await;
    let mut start = Start::with(&upstream);
    // Until it is sent something, a caller who has left looks like one that has closed its side.
    start.serve.write_timeout = Duration::from_millis(50);
    let proxy = start.go();
    let mut caller = proxy.caller().await;
    caller.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    caller.head().await;
    drop(caller);
    assert!(soon(ends.recv()).await.unwrap());
    proxy.until(|totals| totals.in_flight == 0 && totals.connections == 0).await;
}

#[tokio::test]
async fn a_cold_burst_opens_one_http2_connection() {
    const BURST: usize = 100;
    let together = Arc::new(Barrier::new(BURST));
    let upstream = Upstream::tls(&["h2", "http/1.1"], move |_| {
        let together = Arc::clone(&together);
        async move {
            together.wait().await;
            Response::new(full("ok"))
        }
    })
    .await;
    let proxy = Arc::new(Proxy::with(&upstream));
    let mut burst = tokio::task::JoinSet::new();
    for _ in 0..BURST {
        let proxy = Arc::clone(&proxy);
        burst.spawn(async move { assert_eq!(proxy.get("/").await.text(), "ok") });
    }
    soon(burst.join_all()).await;
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn when_all_streams_are_in_use_another_connection_is_made() {
    const LIMIT: u32 = 10;
    const BURST: usize = 35;
    let together = Arc::new(Barrier::new(BURST));
    let upstream = Upstream::tls_raw(&Certificate::good(), &["h2"], move |stream, _| {
        let together = Arc::clone(&together);
        async move {
            let mut server = h2::server::Builder::new();
            server.max_concurrent_streams(LIMIT);
            let mut connection = server.handshake::<_, bytes::Bytes>(stream).await.unwrap();
            let mut answers = tokio::task::JoinSet::new();
            while let Some(Ok((request, mut answer))) = connection.accept().await {
                let together = Arc::clone(&together);
                answers.spawn(async move {
                    if request.uri().path() == "/together" {
                        together.wait().await;
                    }
                    answer.send_response(Response::new(()), true).unwrap();
                });
            }
        }
    })
    .await;
    let mut start = Start::with(&upstream);
    start.upstream.response_timeout = Duration::from_secs(10);
    let proxy = Arc::new(start.go());
    // The first answer tells how many requests may run at a time.
    assert_eq!(proxy.get("/").await.status, 200);
    let mut burst = tokio::task::JoinSet::new();
    for _ in 0..BURST {
        let proxy = Arc::clone(&proxy);
        burst.spawn(async move { assert_eq!(proxy.get("/together").await.status, 200) });
    }
    soon(burst.join_all()).await;
    assert_eq!((upstream.connections(), proxy.totals().replays), (4, 0));
    // Afterwards one is enough again.
    for _ in 0..20 {
        assert_eq!(proxy.get("/").await.status, 200);
    }
    assert_eq!(upstream.connections(), 4);
}

#[tokio::test]
async fn a_cold_burst_over_http1_connects_side_by_side() {
    const BURST: usize = 20;
    let together = Arc::new(Barrier::new(BURST));
    let upstream = Upstream::tls(&["http/1.1"], move |_| {
        let together = Arc::clone(&together);
        async move {
            together.wait().await;
            Response::new(full("ok"))
        }
    })
    .await;
    let proxy = Arc::new(Proxy::with(&upstream));
    let mut burst = tokio::task::JoinSet::new();
    for _ in 0..BURST {
        let proxy = Arc::clone(&proxy);
        burst.spawn(async move { assert_eq!(proxy.get("/").await.text(), "ok") });
    }
    soon(burst.join_all()).await;
    assert!((BURST..=BURST + 1).contains(&upstream.connections()));
}

#[tokio::test]
async fn an_unreachable_upstream_fails_everybody_who_waits() {
    let upstream = Upstream::raw(|_, _| async {}).await;
    let mut start = Start::with(&upstream);
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = url::Url::parse(&format!("http://{closed}")).unwrap();
    start.upstream.origin = webwork_sidecar::net::origin::Origin::of(&url).unwrap();
    let reply = start.go().get("/").await;
    assert_eq!((reply.status, reply.code().as_str()), (502, "upstream_connect"));
    assert!(reply.text().contains(&closed.port().to_string()), "{}", reply.text());
}

#[tokio::test]
async fn an_old_connection_is_replaced() {
    for alpn in ["h2", "http/1.1"] {
        let upstream = Upstream::tls(&[alpn], |_| async { Response::new(full("ok")) }).await;
        let mut start = Start::with(&upstream);
        start.upstream.max_age = Duration::ZERO;
        let proxy = start.go();
        assert_eq!(proxy.get("/").await.text(), "ok");
        soon(async {
            while upstream.connections() < 2 {
                assert_eq!(proxy.get("/").await.text(), "ok");
            }
        })
        .await;
    }
}

#[tokio::test]
async fn a_post_that_the_upstream_has_not_touched_is_sent_once_more() {
    let upstream = Upstream::tls_raw(&Certificate::good(), &["h2"], |stream, number| async move {
        let mut connection = h2::server::handshake(stream).await.unwrap();
        while let Some(Ok((_, mut answer))) = connection.accept().await {
            if number == 0 {
                answer.send_reset(h2::Reason::REFUSED_STREAM);
            } else {
                answer.send_response(Response::new(()), true).unwrap();
            }
        }
    })
    .await;
    let proxy = Proxy::with(&upstream);
    assert_eq!(proxy.ask(POST).await.status, 200);
    assert_eq!((proxy.totals().replays, upstream.connections()), (1, 2));
}

#[tokio::test]
async fn an_upstream_that_ends_its_connections_in_good_order_loses_no_post() {
    const POSTS: usize = 200;
    let taken = Arc::<AtomicUsize>::default();
    let count = Arc::clone(&taken);
    let upstream = Upstream::tls_raw(&Certificate::good(), &["h2"], move |stream, _| {
        let taken = Arc::clone(&count);
        async move {
            let mut connection = h2::server::handshake(stream).await.unwrap();
            let mut served = 0;
            while let Some(Ok((_, mut answer))) = connection.accept().await {
                taken.fetch_add(1, Ordering::SeqCst);
                answer.send_response(Response::new(()), true).unwrap();
                served += 1;
                if served == 10 {
                    connection.graceful_shutdown();
                }
            }
        }
    })
    .await;
    let proxy = Arc::new(Proxy::with(&upstream));
    let mut posts = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let proxy = Arc::clone(&proxy);
        posts.spawn(async move {
            let mut caller = proxy.caller().await;
            for _ in 0..POSTS / 8 {
                caller.send(POST).await;
                assert_eq!(caller.reply().await.status, 200);
            }
        });
    }
    soon(posts.join_all()).await;
    assert_eq!(taken.load(Ordering::SeqCst), POSTS);
    assert!(upstream.connections() > 5);
}

#[tokio::test]
async fn a_post_beyond_the_last_one_of_a_connection_is_sent_on_the_next() {
    let upstream = Upstream::tls_raw(&Certificate::good(), &["h2"], |stream, number| async move {
        let mut frames = Frames::start(stream, &[]).await;
        if number > 0 {
            while let Some(Arrived { stream, .. }) = frames.request().await {
                frames.answer(stream, "").await;
            }
            return;
        }
        let first = frames.request().await.unwrap();
        frames.request().await.unwrap();
        frames.go_away(first.stream, NO_ERROR).await;
        frames.answer(first.stream, "").await;
        frames.close().await;
    })
    .await;
    let proxy = Proxy::with(&upstream);
    let (one, two) = tokio::join!(proxy.ask(POST), proxy.ask(POST));
    assert_eq!((one.status, two.status), (200, 200));
    assert_eq!((proxy.totals().replays, upstream.connections()), (1, 2));
}
