//! Upstreams that send content where there must be none, at once or late: no later request fails because of
//! it, and no POST is sent twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::watch;

use super::support::{Proxy, Upstream, Wire};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const POST: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\ndata";

/// Answers without content, by a method or a status that has none.
const ANSWERS: [(&str, &str); 4] = [
    ("GET", "HTTP/1.1 204 No Content\r\n\r\n"),
    ("DELETE", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n"),
    ("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\n"),
    ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"),
];

/// What comes late. The first looks like nothing, the second like the beginning of an answer.
const LATE: [&str; 3] = ["0\r\n\r\n", "HTTP", "{}\r\n\r\n"];

fn request(method: &str) -> String {
    format!("{method} /none HTTP/1.1\r\nHost: a\r\n\r\n")
}

/// A request for `/none` gets the answer and, once another request is there on the same connection, what is
/// late; the first connection alone does that. Counts the requests for anything else.
async fn late(answer: &'static str, late: &'static str) -> (Upstream, Arc<AtomicUsize>) {
    let asked = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&asked);
    let upstream = Upstream::raw(move |stream, number| {
        let asked = Arc::clone(&counted);
        async move {
            let mut wire = Wire::new(stream);
            let mut owes = false;
            while let Some((line, fields)) = wire.head().await {
                wire.content(&fields).await.unwrap();
                if std::mem::take(&mut owes) {
                    wire.write(late).await;
                }
                if line.contains(" /none ") {
                    owes = number == 0;
                    wire.write(answer).await;
                } else {
                    asked.fetch_add(1, Ordering::SeqCst);
                    wire.write(OK).await;
                }
            }
        }
    })
    .await;
    (upstream, asked)
}

#[tokio::test]
async fn a_get_that_meets_late_content_is_sent_once_more() {
    for (method, answer) in ANSWERS {
        for content in LATE {
            let (upstream, asked) = late(answer, content).await;
            let proxy = Proxy::with(&upstream);
            let mut caller = proxy.caller().await;
            caller.send(request(method)).await;
            caller.reply_to(method).await;
            caller.send(GET).await;
            let reply = caller.reply().await;
            assert_eq!((reply.status, reply.text()), (200, "ok"), "{answer:?} {content:?}");
            assert_eq!((asked.load(Ordering::SeqCst), upstream.connections()), (2, 2));
            assert_eq!(proxy.totals().replays, 1);
        }
    }
}

#[tokio::test]
async fn a_post_meets_no_late_content() {
    for (method, answer) in ANSWERS {
        for content in LATE {
            let (upstream, asked) = late(answer, content).await;
            let proxy = Proxy::with(&upstream);
            let mut caller = proxy.caller().await;
            caller.send(request(method)).await;
            caller.reply_to(method).await;
            caller.send(POST).await;
            let reply = caller.reply().await;
            assert_eq!((reply.status, reply.text()), (200, "ok"), "{answer:?} {content:?}");
            assert_eq!((asked.load(Ordering::SeqCst), upstream.connections()), (1, 2));
        }
    }
}

#[tokio::test]
async fn a_post_for_each_answer_without_content_costs_few_connections() {
    const POSTS: usize = 100;
    let upstream = Upstream::raw(|stream, _| async move {
        let mut wire = Wire::new(stream);
        while let Some((_, fields)) = wire.head().await {
            wire.content(&fields).await.unwrap();
            wire.write("HTTP/1.1 204 No Content\r\n\r\n").await;
        }
    })
    .await;
    let proxy = Proxy::with(&upstream);
    let mut caller = proxy.caller().await;
    for _ in 0..POSTS {
        caller.send(POST).await;
        assert_eq!(caller.reply().await.status, 204);
    }
    assert!(upstream.connections() <= 8, "{}", upstream.connections());
    // A request that may be sent again makes them usable for all others.
    let connections = upstream.connections();
    for _ in 0..10 {
        caller.send(GET).await;
        assert_eq!(caller.reply().await.status, 204);
    }
    assert_eq!(upstream.connections(), connections);
}

#[tokio::test]
async fn a_garbled_answer_is_the_last_word_as_long_as_nothing_can_be_late() {
    let upstream = Upstream::raw(|stream, number| async move {
        let mut wire = Wire::new(stream);
        wire.head().await.unwrap();
        wire.write(OK).await;
        if number == 0 && wire.head().await.is_some() {
            wire.write("garbage\r\n\r\n").await;
        }
    })
    .await;
    let proxy = Proxy::with(&upstream);
    assert_eq!(proxy.get("/").await.status, 200);
    let reply = proxy.get("/").await;
    assert_eq!((reply.status, reply.code().as_str()), (502, "upstream_protocol"));
    assert_eq!((upstream.connections(), proxy.totals().replays), (1, 0));
}

#[tokio::test]
async fn late_content_on_a_resting_connection_ends_it() {
    for (method, answer) in ANSWERS {
        let (go, wait) = watch::channel(false);
        let (ended, mut ends) = tokio::sync::mpsc::unbounded_channel();
        let upstream = Upstream::raw(move |stream, number| {
            let (mut wait, ended) = (wait.clone(), ended.clone());
            async move {
                let mut wire = Wire::new(stream);
                while let Some((line, fields)) = wire.head().await {
                    wire.content(&fields).await.unwrap();
                    wire.write(if line.contains(" /none ") { answer } else { OK }).await;
                    if number == 0 {
                        wait.wait_for(|go| *go).await.unwrap();
                        wire.write("late").await;
                    }
                }
                ended.send(number).unwrap();
            }
        })
        .await;
        let proxy = Proxy::with(&upstream);
        let mut caller = proxy.caller().await;
        caller.send(request(method)).await;
        caller.reply_to(method).await;
        go.send_replace(true);
        assert_eq!(super::support::soon(ends.recv()).await, Some(0), "{answer:?}");
        caller.send(POST).await;
        assert_eq!((caller.reply().await.text(), upstream.connections()), ("ok", 2));
        assert_eq!(proxy.totals().replays, 0);
    }
}
