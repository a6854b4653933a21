//! The token of a request: waited for, and replaced when it is refused.

use std::time::Duration;

use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use webwork_sidecar::net::login_redirect::LoginPages;
use webwork_sidecar::token::current::{Access, Generation, Unavailable, Verdict};

use super::support::{Content, Proxy, Start, Upstream, Wire, bearer, full, soon};

/// Takes `token-<accepted>` alone, and tells what it got.
async fn strict(request: Request<Incoming>, accepted: u64) -> Response<Content> {
    let token = request.headers()["authorization"].clone();
    let content = request.into_body().collect().await.unwrap().to_bytes();
    if token == format!("Bearer token-{accepted}").as_str() {
        Response::new(full(content))
    } else {
        let mut response = Response::new(full("{\"success\":false}"));
        *response.status_mut() = StatusCode::UNAUTHORIZED;
        response
    }
}

fn post(length: usize) -> String {
    let content = "x".repeat(length);
    format!("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{content}")
}

#[tokio::test]
async fn a_held_request_waits_for_the_new_token() {
    let upstream = Upstream::plain(|request| strict(request, 2)).await;
    let proxy = Proxy::with(&upstream);
    proxy.publisher.publish(Access::Hold);
    let mut caller = proxy.caller().await;
    caller.send(post(4)).await;
    proxy.until(|totals| totals.in_flight == 1).await;
    assert_eq!(upstream.connections(), 0);
    proxy.publisher.publish(Access::Ready(bearer(2)));
    assert_eq!(caller.reply().await.text(), "xxxx");
}

#[tokio::test]
async fn holding_has_an_end() {
    let upstream = Upstream::plain(|request| strict(request, 1)).await;
    let mut start = Start::with(&upstream);
    start.proxy.hold = Duration::from_millis(50);
    let proxy = start.go();
    proxy.publisher.publish(Access::Hold);
    let reply = proxy.get("/").await;
    assert_eq!((reply.status, reply.code().as_str()), (503, "token_pending"));
    assert_eq!(reply.fields["retry-after"], "1");
}

#[tokio::test]
async fn without_a_token_the_answer_says_why() {
    let upstream = Upstream::plain(|request| strict(request, 1)).await;
    let proxy = Proxy::with(&upstream);
    for (why, code, waits) in [
        (Unavailable::SignInRequired, "sign_in_required", false),
        (Unavailable::Pending, "token_pending", true),
        (Unavailable::Expired, "token_expired", true),
    ] {
        proxy.publisher.publish(Access::Unavailable(why));
        let reply = proxy.get("/").await;
        assert_eq!((reply.status, reply.code().as_str()), (503, code));
        assert_eq!(reply.fields.contains_key("retry-after"), waits);
    }
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn a_refused_post_is_replayed_with_its_content() {
    for alpn in ["h2", "http/1.1"] {
        let upstream = Upstream::tls(&[alpn], |request| strict(request, 2)).await;
        let mut proxy = Proxy::with(&upstream);
        let mut caller = proxy.caller().await;
        caller.send(post(60_000)).await;
        let rejection = soon(proxy.rejections.recv()).await.unwrap();
        assert_eq!(rejection.generation, Generation(1));
        proxy.publisher.publish(Access::Ready(bearer(2)));
        rejection.reply.send(Verdict::Replay(bearer(2))).unwrap();
        let reply = caller.reply().await;
        assert_eq!((reply.status, reply.content.len()), (200, 60_000));
        assert_eq!((proxy.totals().replays, proxy.totals().unauthorized), (1, 0));
    }
}

#[tokio::test]
async fn a_token_that_is_already_old_costs_no_exchange() {
    let (told, wait) = tokio::sync::watch::channel(false);
    let upstream = Upstream::plain(move |request| {
        let mut wait = wait.clone();
        async move {
            let _ = wait.wait_for(|go| *go).await;
            strict(request, 2).await
        }
    })
    .await;
    let mut proxy = Proxy::with(&upstream);
    let mut caller = proxy.caller().await;
    caller.send(post(4)).await;
    soon(async {
        while upstream.connections() == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    proxy.publisher.publish(Access::Ready(bearer(2)));
    told.send_replace(true);
    assert_eq!(caller.reply().await.text(), "xxxx");
    assert!(proxy.rejections.try_recv().is_err());
}

/// What tells a token that lives shortly from a path that always says 401.
#[tokio::test]
async fn a_replay_that_is_taken_proves_its_token_and_one_that_is_refused_does_not() {
    for (accepted, proved) in [(2, Generation(2)), (9, Generation(0))] {
        let upstream = Upstream::plain(move |request| strict(request, accepted)).await;
        let mut proxy = Proxy::with(&upstream);
        let mut caller = proxy.caller().await;
        caller.send(post(4)).await;
        let rejection = soon(proxy.rejections.recv()).await.unwrap();
        proxy.publisher.publish(Access::Ready(bearer(2)));
        rejection.reply.send(Verdict::Replay(bearer(2))).unwrap();
        caller.reply().await;
        assert_eq!(proxy.publisher.accepted(), proved);
    }
}

#[tokio::test]
async fn a_fresh_token_that_is_refused_too_is_the_callers_401() {
    let upstream = Upstream::plain(|request| strict(request, 9)).await;
    let mut proxy = Proxy::with(&upstream);
    let mut caller = proxy.caller().await;
    caller.send(post(4)).await;
    let rejection = soon(proxy.rejections.recv()).await.unwrap();
    proxy.publisher.publish(Access::Ready(bearer(2)));
    rejection.reply.send(Verdict::Replay(bearer(2))).unwrap();
    let reply = caller.reply().await;
    assert_eq!((reply.status, reply.text()), (401, "{\"success\":false}"));
    assert!(proxy.rejections.try_recv().is_err());
}

/// Takes `token-2` alone, and answers any other with a redirect.
async fn redirecting(
    request: Request<Incoming>,
    status: u16,
    location: &'static str,
) -> Response<Content> {
    let mut response = strict(request, 2).await;
    if response.status() == StatusCode::UNAUTHORIZED {
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        response.headers_mut().insert("location", location.parse().unwrap());
    }
    response
}

fn knowing_login_pages(upstream: &Upstream) -> Proxy {
    let mut start = Start::with(upstream);
    let authorize = "https://webwork-tracker.com/oauth/authorize".parse().unwrap();
    start.proxy.login_pages = LoginPages::new(authorize, None);
    start.go()
}

#[tokio::test]
async fn a_redirect_to_the_login_page_is_answered_like_a_401() {
    for (alpn, status, location) in [
        ("http/1.1", 302, "/login"),
        ("http/1.1", 303, "/login?next=%2Fa"),
        ("h2", 307, "https://webwork-tracker.com/login"),
        ("h2", 302, "https://webwork-tracker.com/oauth/authorize?client_id=1"),
    ] {
        let alpn = [alpn];
        let answer = move |request| redirecting(request, status, location);
        let upstream = Upstream::tls(&alpn, answer).await;
        let mut proxy = knowing_login_pages(&upstream);
        let mut caller = proxy.caller().await;
        // A 303 and a 307 say that a POST was carried out, or is to be.
        let method = if status == 302 { "POST" } else { "PUT" };
        caller.send(post(60_000).replacen("POST", method, 1)).await;
        let rejection = soon(proxy.rejections.recv()).await.unwrap();
        assert_eq!(rejection.generation, Generation(1), "{location}");
        proxy.publisher.publish(Access::Ready(bearer(2)));
        rejection.reply.send(Verdict::Replay(bearer(2))).unwrap();
        let reply = caller.reply().await;
        assert_eq!((reply.status, reply.content.len()), (200, 60_000), "{location}");
    }
}

#[tokio::test]
async fn a_redirect_to_the_login_page_that_stays_is_the_callers() {
    let upstream = Upstream::plain(|request| redirecting(request, 302, "/login")).await;
    let mut proxy = knowing_login_pages(&upstream);
    let mut caller = proxy.caller().await;
    caller.send(post(4)).await;
    let rejection = soon(proxy.rejections.recv()).await.unwrap();
    rejection.reply.send(Verdict::Pass).unwrap();
    let reply = caller.reply().await;
    assert_eq!((reply.status, reply.text()), (302, "{\"success\":false}"));
    assert_eq!(reply.fields["location"], "/login");
    assert_eq!(proxy.totals().replays, 0);
}

#[tokio::test]
async fn a_redirect_elsewhere_passes_and_says_nothing_about_the_token() {
    for (status, location) in [
        (302, "/api/v2/workspaces/1"),
        (302, "https://webwork-tracker.com/storage/screenshot.png"),
        (302, "https://files.example/login"),
        (301, "/login"),
        (308, "/login"),
    ] {
        let upstream = Upstream::plain(move |request| redirecting(request, status, location)).await;
        let mut proxy = knowing_login_pages(&upstream);
        let reply = proxy.get("/a").await;
        assert_eq!((reply.status, reply.fields["location"].to_str().unwrap()), (status, location));
        assert!(proxy.rejections.try_recv().is_err(), "{location}");
    }
}

#[tokio::test]
async fn a_rotation_during_the_replay_is_followed() {
    let upstream = Upstream::plain(|request| strict(request, 3)).await;
    let mut proxy = Proxy::with(&upstream);
    let mut caller = proxy.caller().await;
    caller.send(post(4)).await;
    let rejection = soon(proxy.rejections.recv()).await.unwrap();
    // The next exchange is on the wire before the replay has been answered.
    proxy.publisher.publish(Access::Hold);
    rejection.reply.send(Verdict::Replay(bearer(2))).unwrap();
    proxy.until(|totals| totals.replays == 1).await;
    proxy.publisher.publish(Access::Ready(bearer(3)));
    assert_eq!(caller.reply().await.text(), "xxxx");
    assert_eq!(proxy.totals().replays, 2);
}

#[tokio::test]
async fn a_401_that_no_token_helps_passes_unchanged() {
    let upstream = Upstream::plain(|request| strict(request, 9)).await;
    let mut proxy = Proxy::with(&upstream);
    let mut caller = proxy.caller().await;
    caller.send(post(4)).await;
    soon(proxy.rejections.recv()).await.unwrap().reply.send(Verdict::Pass).unwrap();
    let reply = caller.reply().await;
    assert_eq!((reply.status, reply.text()), (401, "{\"success\":false}"));
    assert!(!reply.fields.contains_key("proxy-status"));
}

#[tokio::test]
async fn a_grant_that_is_lost_over_a_401_is_our_503() {
    let upstream = Upstream::plain(|request| strict(request, 9)).await;
    let mut proxy = Proxy::with(&upstream);
    let mut caller = proxy.caller().await;
    caller.send(post(4)).await;
    let rejection = soon(proxy.rejections.recv()).await.unwrap();
    rejection.reply.send(Verdict::Unavailable(Unavailable::SignInRequired)).unwrap();
    assert_eq!(caller.reply().await.code(), "sign_in_required");
}

#[tokio::test]
async fn a_401_over_content_that_was_not_kept_passes_and_says_so() {
    let upstream = Upstream::plain(|request| strict(request, 2)).await;
    let mut proxy = Proxy::with(&upstream);
    let mut caller = proxy.caller().await;
    caller.send(post(65_537)).await;
    let reply = caller.reply().await;
    assert_eq!(reply.status, 401);
    let why = reply.fields["proxy-status"].to_str().unwrap();
    assert!(why.starts_with("webwork-sidecar; details=\"not replayed"), "{why}");
    // The refresher hears of it all the same: the next request should not meet that token.
    assert_eq!(soon(proxy.rejections.recv()).await.unwrap().generation, Generation(1));
}

#[tokio::test]
async fn an_early_401_is_replayed_with_the_kept_beginning_and_the_unread_rest() {
    let upstream = Upstream::raw(|stream, number| async move {
        let mut wire = Wire::new(stream);
        let (_, fields) = wire.head().await.unwrap();
        if number == 0 {
            assert_eq!(wire.take(4).await.unwrap(), b"0123");
            wire.write("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n").await;
            // Nothing more of the content comes here, it is needed elsewhere.
            assert!(wire.take(1).await.is_none());
            return;
        }
        assert_eq!(fields["content-length"], "8");
        assert_eq!(wire.content(&fields).await.unwrap().0, b"01234567");
        wire.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    })
    .await;
    let mut proxy = Proxy::with(&upstream);
    let mut caller = proxy.caller().await;
    caller.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\n0123").await;
    let rejection = soon(proxy.rejections.recv()).await.unwrap();
    rejection.reply.send(Verdict::Replay(bearer(2))).unwrap();
    caller.send("4567").await;
    assert_eq!(caller.reply().await.text(), "ok");
}

#[tokio::test]
async fn an_early_401_with_much_content_passes() {
    let upstream = Upstream::raw(|stream, _| async move {
        let mut wire = Wire::new(stream);
        wire.head().await.unwrap();
        wire.take(200_000).await.unwrap();
        wire.write("HTTP/1.1 401 Unauthorized\r\nContent-Length: 4\r\n\r\nnope").await;
        wire.take(usize::MAX).await;
    })
    .await;
    let proxy = Proxy::with(&upstream);
    let mut caller = proxy.caller().await;
    caller.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\n").await;
    caller.send(vec![b'x'; 200_000]).await;
    let reply = caller.reply().await;
    assert_eq!((reply.status, reply.text()), (401, "nope"));
    assert!(reply.fields.contains_key("proxy-status"));
}
