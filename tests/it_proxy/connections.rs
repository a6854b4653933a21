//! Upstream connections: reused, shared, found dead, and never the reason for a second POST.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::Response;
use tokio::sync::Barrier;

use super::support::{Certificate, Sidecar, Start, Upstream, Wire, full, soon};

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
    let sidecar = Sidecar::with(&upstream);
    for _ in 0..10 {
        assert_eq!(sidecar.get("/").await.text(), "ok");
    }
    let mut caller = sidecar.caller().await;
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
        let sidecar = Sidecar::with(&upstream);
        assert_eq!(sidecar.get("/").await.status, 200);
        let request = POST.replacen("POST", method, 1);
        assert_eq!(sidecar.ask(&request).await.text(), "ok", "{method}");
        assert_eq!((seen.load(Ordering::SeqCst), upstream.connections()), (3, 2));
        assert_eq!(sidecar.totals().replays, 1);
    }
}

#[tokio::test]
async fn a_post_is_never_sent_twice() {
    for method in ["POST", "PATCH"] {
        let seen = Arc::<AtomicUsize>::default();
        let upstream = dies_over_the_second_request(Arc::clone(&seen)).await;
        let sidecar = Sidecar::with(&upstream);
        assert_eq!(sidecar.get("/").await.status, 200);
        let reply = sidecar.ask(&POST.replacen("POST", method, 1)).await;
        assert_eq!((reply.status, reply.code().as_str()), (502, "upstream_closed"));
        assert_eq!(seen.load(Ordering::SeqCst), 2, "{method}");
        assert_eq!(sidecar.get("/").await.status, 200);
    }
}

#[tokio::test]
async fn a_new_connection_that_dies_is_not_tried_again() {
    let upstream = Upstream::raw(|stream, _| async move {
        Wire::new(stream).head().await.unwrap();
    })
    .await;
    let reply = Sidecar::with(&upstream).get("/").await;
    assert_eq!((reply.status, upstream.connections()), (502, 1));
}

#[tokio::test]
async fn a_post_finds_out_that_a_resting_connection_was_closed() {
    // The upstream closes each connection right after its answer, without saying so.
    let (closed, mut closings) = tokio::sync::mpsc::unbounded_channel();
    let upstream = Upstream::raw(move |stream, _| {
        let closed = closed.clone();
        async move {
            let mut wire = Wire::new(stream);
            let Some((_, fields)) = wire.head().await else { return };
            wire.content(&fields).await.unwrap();
            wire.write(OK).await;
            drop(wire);
            closed.send(()).unwrap();
        }
    })
    .await;
    let sidecar = Sidecar::with(&upstream);
    for round in 0..50 {
        assert_eq!(sidecar.ask(POST).await.status, 200, "round {round}");
        soon(closings.recv()).await.unwrap();
    }
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
    let sidecar = Sidecar::with(&upstream);
    assert_eq!(sidecar.get("/").await.status, 200);
    assert_eq!(sidecar.get("/").await.status, 502);
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
    let reply = Sidecar::with(&upstream).get("/").await;
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
    let sidecar = Sidecar::with(&upstream);
    let mut caller = sidecar.caller().await;
    caller.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    caller.head().await;
    assert_eq!(caller.rest().await, b"half");
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
    let sidecar = Sidecar::with(&upstream);
    let mut caller = sidecar.caller().await;
    caller.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    caller.head().await;
    drop(caller);
    assert!(soon(ends.recv()).await.unwrap());
    sidecar.until(|totals| totals.in_flight == 0 && totals.connections == 0).await;
}

#[tokio::test]
async fn a_cold_burst_opens_one_http2_connection() {
    const BURST: usize = 200;
    let together = Arc::new(Barrier::new(BURST));
    let upstream = Upstream::tls(&["h2", "http/1.1"], move |_| {
        let together = Arc::clone(&together);
        async move {
            together.wait().await;
            Response::new(full("ok"))
        }
    })
    .await;
    let sidecar = Arc::new(Sidecar::with(&upstream));
    let mut burst = tokio::task::JoinSet::new();
    for _ in 0..BURST {
        let sidecar = Arc::clone(&sidecar);
        burst.spawn(async move { assert_eq!(sidecar.get("/").await.text(), "ok") });
    }
    soon(burst.join_all()).await;
    assert_eq!(upstream.connections(), 1);
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
    let sidecar = Arc::new(Sidecar::with(&upstream));
    let mut burst = tokio::task::JoinSet::new();
    for _ in 0..BURST {
        let sidecar = Arc::clone(&sidecar);
        burst.spawn(async move { assert_eq!(sidecar.get("/").await.text(), "ok") });
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
        let sidecar = start.go();
        assert_eq!(sidecar.get("/").await.text(), "ok");
        soon(async {
            while upstream.connections() < 2 {
                assert_eq!(sidecar.get("/").await.text(), "ok");
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
    let sidecar = Sidecar::with(&upstream);
    assert_eq!(sidecar.ask(POST).await.status, 200);
    assert_eq!((sidecar.totals().replays, upstream.connections()), (1, 2));
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
    let sidecar = Arc::new(Sidecar::with(&upstream));
    let mut posts = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let sidecar = Arc::clone(&sidecar);
        posts.spawn(async move {
            let mut caller = sidecar.caller().await;
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
