//! Targets as clients send them: what `http::Uri` can hold arrives as it is, and the rest percent-encoded.

use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;
use webwork_sidecar::answer::Answer;
use webwork_sidecar::guard::{Config, Door, Guard, Pages};

use super::support::{Content, Proxy, Reply, Start, Upstream, full};

async fn target_of(request: Request<Incoming>) -> Response<Content> {
    let target = request.uri().path_and_query().unwrap().as_str().to_owned();
    Response::new(full(target))
}

/// Behind the guard of the configuration, for callers of port 80.
fn guarded(upstream: &Upstream, config: &Config) -> Proxy {
    let bound = ["127.0.0.1:80".parse().unwrap()];
    let guard = Guard::new(config, Door::Tcp(&bound), Pages::None).unwrap();
    let mut start = Start::with(upstream);
    start.admission =
        Arc::new(move |head, account| guard.admit(head, account).map_err(Answer::from));
    start.go()
}

fn get(target: &[u8]) -> Vec<u8> {
    [b"GET ", target, b" HTTP/1.1\r\nHost: localhost\r\n\r\n"].concat()
}

async fn ask(proxy: &Proxy, target: &[u8]) -> Reply {
    let mut caller = proxy.caller().await;
    caller.send(get(target)).await;
    caller.reply().await
}

/// What goes out, and what arrives.
const TARGETS: [(&[u8], &str); 10] = [
    (b"/api/v2/x?q=`a`", "/api/v2/x?q=`a`"),
    (b"/api/v2/{\"a\":[1]}|b^c", "/api/v2/{\"a\":[1]}|b^c"),
    (b"/api/v2/x?q={\"a\":\"<b>\"}", "/api/v2/x?q={%22a%22:%22%3Cb%3E%22}"),
    (b"/api/v2/<a>`b`", "/api/v2/%3Ca%3E%60b%60"),
    (b"/api/v2/x?q=a\\b|c^d", "/api/v2/x?q=a\\b|c^d"),
    ("/api/v2/größe?q=größe".as_bytes(), "/api/v2/größe?q=größe"),
    ("/api/v2/😀?q=<😀>".as_bytes(), "/api/v2/😀?q=%3C😀%3E"),
    (b"/api/v2/gr\xf6\xdfe?q=gr\xf6\xdfe", "/api/v2/gr%F6%DFe?q=gr%F6%DFe"),
    (b"/api/v2/x?q=\xc0\xaf\xff", "/api/v2/x?q=%C0%AF%FF"),
    (b"/api/v2/x?q=%zz&r=%3c", "/api/v2/x?q=%zz&r=%3c"),
];

#[tokio::test]
async fn what_clients_send_arrives_as_it_is_or_encoded() {
    for upstream in [Upstream::plain(target_of).await, Upstream::tls(&["h2"], target_of).await] {
        let proxy = guarded(&upstream, &Config::default());
        for (sent, arrived) in TARGETS {
            let reply = ask(&proxy, sent).await;
            assert_eq!((reply.status, reply.text()), (200, arrived), "{}", sent.escape_ascii());
        }
    }
}

#[tokio::test]
async fn they_may_come_in_pieces_and_one_behind_the_other() {
    let upstream = Upstream::plain(target_of).await;
    let proxy = guarded(&upstream, &Config::default());
    let post =
        b"POST /api/<p>?\xe9 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n\0<\xff>GET /";
    let all: Vec<u8> =
        TARGETS.iter().flat_map(|(sent, _)| [&get(sent)[..], post].concat()).collect();
    for size in [1, 7, 64, all.len()] {
        let mut caller = proxy.caller().await;
        for piece in all.chunks(size) {
            caller.send(piece).await;
        }
        for (sent, arrived) in TARGETS {
            let reply = caller.reply().await;
            assert_eq!((reply.status, reply.text()), (200, arrived), "{}", sent.escape_ascii());
            assert_eq!(caller.reply().await.text(), "/api/%3Cp%3E?%E9");
        }
    }
}

#[tokio::test]
async fn the_guard_judges_what_is_sent() {
    let upstream = Upstream::plain(target_of).await;
    let rules = vec!["GET /api/v2/tasks/*".parse().unwrap()];
    let proxy = guarded(&upstream, &Config { rules, ..Config::default() });
    for (target, arrived) in [
        (&b"/api/v2/tasks/<1>"[..], "/api/v2/tasks/%3C1%3E"),
        (b"/api/v2/tasks/caf\xe9", "/api/v2/tasks/caf%E9"),
    ] {
        assert_eq!(ask(&proxy, target).await.text(), arrived);
    }
    for (target, status, code) in [
        (&b"/api/v2/tasks/1/\xe9"[..], 403, "policy"),
        (b"/api/v2/<tasks>/1", 403, "policy"),
        (b"/api/v2/tasks/1?_method=DELETE&\xe9=<", 403, "policy"),
        (b"/api/v2/tasks/1?<=\xe9&%5fmethod=DELETE", 403, "policy"),
        (b"/\xe9/api/v2/tasks/1", 403, "policy"),
        (b"/<api>/v2/tasks/1", 403, "policy"),
        (b"/api/<\xe9>/oauth/token", 403, "policy"),
        (b"/api/v2/tasks/<\xe9>/../x", 400, "bad_request"),
        (b"/api/v2/tasks/\xe9\\x", 400, "bad_request"),
        (b"/api/v2/tasks/<%2f>", 400, "bad_request"),
        (b"/api/v2/tasks/..\xc0\xafx", 400, "bad_request"),
        (b"/api/v2/tasks/\xc0\xae\xc0\xae", 400, "bad_request"),
        (b"/api/v2/tasks/\xe0\x80\xaf", 400, "bad_request"),
        (b"/api/v2/tasks/\xff", 400, "bad_request"),
        (b"/api/v2/tasks/<1>#x", 400, "bad_request"),
        (b"/api/v2/tasks/\xe9\x7f", 400, "bad_request"),
    ] {
        let reply = ask(&proxy, target).await;
        let seen = (reply.status, reply.code());
        assert_eq!(seen, (status, code.to_owned()), "{}", target.escape_ascii());
    }
}

#[tokio::test]
async fn the_limits_are_for_the_target_that_is_sent() {
    let upstream = Upstream::plain(target_of).await;
    let proxy = guarded(&upstream, &Config::default());
    let target = |odd: usize| format!("/api/{}{}", "<".repeat(odd), "a".repeat(8192 - 5 - 3 * odd));
    for odd in [0, 1, 2_000] {
        let longest = target(odd);
        assert_eq!(ask(&proxy, longest.as_bytes()).await.status, 200, "{odd}");
        let reply = ask(&proxy, format!("{longest}a").as_bytes()).await;
        assert_eq!((reply.status, reply.code().as_str()), (431, "too_large"), "{odd}");
    }
}
