//! HTTP/2 servers, in their own frames: every request is processed at most once and answered, and no answer
//! looks more complete than it is.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::server::TlsStream;

use super::support::frames::*;
use super::support::{Caller, Certificate, Proxy, Start, Upstream, Wire, soon};

type Stream = TlsStream<TcpStream>;

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

fn post(content: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{content}", content.len())
}

/// How often each request was processed, by its content.
#[derive(Clone, Default)]
struct Processed(Arc<Mutex<BTreeMap<String, usize>>>);

impl Processed {
    fn note(&self, content: &str) {
        *self.0.lock().unwrap().entry(content.to_owned()).or_default() += 1;
    }

    /// Fails unless exactly these many requests were processed, each once.
    fn are(&self, requests: usize) {
        let all = self.0.lock().unwrap();
        assert!(all.values().all(|times| *times == 1), "{all:?}");
        assert_eq!(all.len(), requests);
    }
}

async fn upstream<F, R>(behave: F) -> Upstream
where
    F: Fn(Stream, usize) -> R + Clone + Send + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    Upstream::tls_raw(&Certificate::good(), &["h2"], behave).await
}

/// So many callers send so many POSTs each, all different, and each gets its own content back.
async fn post_from(proxy: &Arc<Proxy>, callers: usize, posts: usize) {
    let mut all = JoinSet::new();
    for caller in 0..callers {
        let proxy = Arc::clone(proxy);
        all.spawn(async move {
            let mut connection = proxy.caller().await;
            for number in 0..posts {
                let content = format!("{caller}/{number}");
                connection.send(post(&content)).await;
                let reply = connection.reply().await;
                assert_eq!((reply.status, reply.text()), (200, content.as_str()));
            }
        });
    }
    soon(all.join_all()).await;
}

#[tokio::test]
async fn a_complete_answer_is_read_to_its_end_and_not_reset() {
    const REQUESTS: usize = 40;
    let may_end = Arc::new(Semaphore::new(0));
    let resets = Arc::<Mutex<Vec<(u32, u32)>>>::default();
    let (waits, noted) = (Arc::clone(&may_end), Arc::clone(&resets));
    let upstream = upstream(move |stream, _| {
        let (may_end, noted) = (Arc::clone(&waits), Arc::clone(&noted));
        async move {
            let mut frames = Frames::start(stream, &[]).await;
            let mut number = 0;
            while let Some(Arrived { stream, .. }) = frames.request().await {
                match number % 4 {
                    0 => frames.headers(stream, 0, &[STATUS_204]).await,
                    // It answers HEAD, which has no content.
                    1 => frames.headers(stream, 0, &[STATUS_200, &content_length(2)]).await,
                    _ => {
                        frames.headers(stream, 0, &[STATUS_200, &content_length(2)]).await;
                        frames.data(stream, 0, b"ok").await;
                    }
                }
                // Not before the caller has all that it waits for.
                may_end.acquire().await.unwrap().forget();
                if number % 4 == 3 {
                    // "xy: z" as a trailer, without indexing.
                    let trailer = [0, 2, b'x', b'y', 1, b'z'];
                    frames.headers(stream, END_STREAM, &[&trailer]).await;
                } else {
                    frames.data(stream, END_STREAM, b"").await;
                }
                noted.lock().unwrap().append(&mut frames.resets);
                number += 1;
            }
        }
    })
    .await;
    let proxy = Proxy::with(&upstream);
    let mut caller = proxy.caller().await;
    for number in 0..REQUESTS {
        let (method, status) = match number % 4 {
            0 => ("GET", 204),
            1 => ("HEAD", 200),
            _ => ("GET", 200),
        };
        caller.send(format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        assert_eq!(caller.reply_to(method).await.status, status);
        may_end.add_permits(1);
    }
    assert_eq!(upstream.connections(), 1);
    assert_eq!(*resets.lock().unwrap(), []);
}

/// Refuses what is more than `limit` at a time, and announces that only when the first request is there.
async fn announces_late(stream: Stream, limit: usize, processed: Processed) {
    let mut frames = Frames::preface(stream).await;
    let mut open = Vec::new();
    let mut has_announced = false;
    // A round trip of its own keeps requests open until others had the time to arrive.
    const ECHO: [u8; 8] = *b"all here";
    while let Some(frame) = frames.next().await {
        match frame.kind {
            HEADERS if open.len() == limit => frames.reset(frame.stream, REFUSED_STREAM).await,
            HEADERS => open.push((frame.stream, String::new())),
            DATA => {
                let Some((stream, content)) =
                    open.iter_mut().find(|(stream, _)| *stream == frame.stream)
                else {
                    continue;
                };
                content.push_str(std::str::from_utf8(&frame.payload).unwrap());
                if frame.flags & END_STREAM != 0 {
                    processed.note(content);
                    let id = [&stream.to_be_bytes()[..], &ECHO[..4]].concat();
                    frames.write(PING, 0, 0, &id).await;
                    if !std::mem::replace(&mut has_announced, true) {
                        let limit = u32::try_from(limit).unwrap();
                        frames.settings(&[(MAX_CONCURRENT_STREAMS, limit)]).await;
                    }
                }
            }
            PING => {
                let id = u32::from_be_bytes(frame.payload[..4].try_into().unwrap());
                let at = open.iter().position(|(stream, _)| *stream == id).unwrap();
                let (stream, content) = open.swap_remove(at);
                frames.answer(stream, &content).await;
            }
            _ => {}
        }
    }
}

#[tokio::test]
async fn more_callers_than_streams_are_all_answered_once() {
    for (limit, callers) in [(1, 1), (1, 16), (2, 32), (10, 64)] {
        let processed = Processed::default();
        let noted = processed.clone();
        let upstream =
            upstream(move |stream, _| announces_late(stream, limit, noted.clone())).await;
        let proxy = Arc::new(Proxy::with(&upstream));
        post_from(&proxy, callers, 4).await;
        processed.are(callers * 4);
    }
}

/// Allows fewer streams after a while, none at all for a moment, and refuses those that are on the way.
#[tokio::test]
async fn a_shrinking_limit_delays_requests_and_loses_none() {
    let processed = Processed::default();
    let noted = processed.clone();
    let upstream = upstream(move |stream, _| {
        let processed = noted.clone();
        async move {
            let mut frames = Frames::start(stream, &[(MAX_CONCURRENT_STREAMS, 100)]).await;
            let mut served = 0;
            while let Some(Arrived { stream, content }) = frames.request().await {
                served += 1;
                match served % 5 {
                    2 => frames.settings(&[(MAX_CONCURRENT_STREAMS, 0)]).await,
                    3 => {
                        frames.reset(stream, REFUSED_STREAM).await;
                        frames.settings(&[(MAX_CONCURRENT_STREAMS, 3)]).await;
                        continue;
                    }
                    _ => {}
                }
                processed.note(&content);
                frames.answer(stream, &content).await;
                if served % 5 == 2 {
                    frames.settings(&[(MAX_CONCURRENT_STREAMS, 1)]).await;
                }
            }
        }
    })
    .await;
    let proxy = Arc::new(Proxy::with(&upstream));
    post_from(&proxy, 16, 10).await;
    processed.are(160);
}

#[tokio::test]
async fn requests_beyond_the_last_one_of_a_connection_go_to_the_next_whatever_the_code() {
    for (code, served) in [(NO_ERROR, 1), (ENHANCE_YOUR_CALM, 1), (1, 3), (2, 10), (0xf00d, 1)] {
        let processed = Processed::default();
        let noted = processed.clone();
        let upstream = upstream(move |stream, _| {
            let processed = noted.clone();
            async move {
                let mut frames = Frames::start(stream, &[]).await;
                for number in 1..=served {
                    let Some(Arrived { stream, content }) = frames.request().await else { return };
                    processed.note(&content);
                    if number == served {
                        frames.go_away(stream, code).await;
                    }
                    frames.answer(stream, &content).await;
                }
                frames.close().await;
            }
        })
        .await;
        let proxy = Arc::new(Proxy::with(&upstream));
        post_from(&proxy, 16, 5).await;
        processed.are(80);
    }
}

/// The sidecar still writes when the connection is reset, and what the upstream has said before counts.
#[tokio::test]
async fn a_go_away_before_a_reset_is_heard() {
    const CONNECTIONS: usize = 8;
    let processed = Processed::default();
    let noted = processed.clone();
    let upstream = upstream(move |stream, number| {
        let processed = noted.clone();
        async move {
            let mut frames = Frames::start(stream, &[]).await;
            if number < CONNECTIONS {
                while frames.next().await.is_some_and(|frame| frame.kind != HEADERS) {}
                frames.go_away(u32::MAX >> 1, NO_ERROR).await;
                frames.go_away(0, 2).await;
                return frames.stream().get_ref().0.set_zero_linger().unwrap();
            }
            while let Some(Arrived { stream, content }) = frames.request().await {
                processed.note(&content);
                frames.answer(stream, &content).await;
            }
        }
    })
    .await;
    let proxy = Arc::new(Proxy::with(&upstream));
    post_from(&proxy, 16, 5).await;
    processed.are(80);
}

/// An upstream that refuses every request serves it as soon as it stops doing so, and until then is not
/// asked without a pause.
#[tokio::test]
async fn a_refusal_of_everything_is_waited_out() {
    let attempts = Arc::<AtomicUsize>::default();
    let count = Arc::clone(&attempts);
    let upstream = upstream(move |stream, _| {
        let attempts = Arc::clone(&count);
        async move {
            let mut frames = Frames::start(stream, &[]).await;
            while let Some(Arrived { stream, content }) = frames.request().await {
                match attempts.fetch_add(1, Ordering::SeqCst) {
                    0..7 => frames.reset(stream, REFUSED_STREAM).await,
                    7 => frames.go_away(0, ENHANCE_YOUR_CALM).await,
                    _ => frames.answer(stream, &content).await,
                }
            }
        }
    })
    .await;
    let proxy = Proxy::with(&upstream);
    let reply = soon(proxy.ask(&post("again"))).await;
    assert_eq!((reply.status, reply.text()), (200, "again"));
    assert_eq!(attempts.load(Ordering::SeqCst), 9);
}

/// What was processed, or may have been, is not sent again.
#[tokio::test]
async fn a_reset_that_is_no_refusal_is_the_last_word_on_a_post() {
    for code in [NO_ERROR, 1, 2, CANCEL, ENHANCE_YOUR_CALM] {
        let processed = Processed::default();
        let noted = processed.clone();
        let upstream = upstream(move |stream, _| {
            let processed = noted.clone();
            async move {
                let mut frames = Frames::start(stream, &[]).await;
                while let Some(Arrived { stream, content }) = frames.request().await {
                    processed.note(&content);
                    frames.reset(stream, code).await;
                }
            }
        })
        .await;
        let proxy = Proxy::with(&upstream);
        let reply = proxy.ask(&post("once")).await;
        assert_eq!((reply.status, reply.code().as_str()), (502, "upstream_closed"), "{code}");
        processed.are(1);
    }
}

#[tokio::test]
async fn an_upstream_that_requires_http1_gets_it_from_then_on() {
    for by_go_away in [false, true] {
        let processed = Processed::default();
        let noted = processed.clone();
        let over_http2 = Arc::<AtomicUsize>::default();
        let counted = Arc::clone(&over_http2);
        let behave = move |stream: Stream, _| {
            let (processed, over_http2) = (noted.clone(), Arc::clone(&counted));
            async move {
                if stream.get_ref().1.alpn_protocol() != Some(b"h2") {
                    let mut wire = Wire::new(stream);
                    while let Some((_, fields)) = wire.head().await {
                        let (content, _) = wire.content(&fields).await.unwrap();
                        let content = String::from_utf8(content).unwrap();
                        processed.note(&content);
                        let length = content.len();
                        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
                        wire.write(head + &content).await;
                    }
                    return;
                }
                over_http2.fetch_add(1, Ordering::SeqCst);
                let mut frames = Frames::start(stream, &[]).await;
                while let Some(Arrived { stream, .. }) = frames.request().await {
                    if by_go_away {
                        frames.go_away(stream, HTTP_1_1_REQUIRED).await;
                        return frames.close().await;
                    }
                    frames.reset(stream, HTTP_1_1_REQUIRED).await;
                }
            }
        };
        let certificate = Certificate::good();
        let upstream = Upstream::tls_raw(&certificate, &["h2", "http/1.1"], behave).await;
        let proxy = Arc::new(Proxy::with(&upstream));
        post_from(&proxy, 8, 5).await;
        processed.are(40);
        assert_eq!(over_http2.load(Ordering::SeqCst), 1);
    }
}

/// How an answer breaks off.
#[derive(Clone, Copy, Debug)]
enum Break {
    Reset(u32),
    GoAway,
    Close,
    TcpReset,
}

const BREAKS: [Break; 6] = [
    Break::Reset(NO_ERROR),
    Break::Reset(CANCEL),
    Break::Reset(2),
    Break::GoAway,
    Break::Close,
    Break::TcpReset,
];

impl Break {
    async fn apply(self, mut frames: Frames<Stream>, stream: u32) {
        match self {
            Self::Reset(code) => frames.reset(stream, code).await,
            Self::GoAway => frames.go_away(0, 2).await,
            Self::Close => {}
            Self::TcpReset => return frames.stream().get_ref().0.set_zero_linger().unwrap(),
        }
        frames.close().await;
    }
}

/// Reads an answer that must break off: its head, and less than all of its content.
async fn breaks_off(mut caller: Caller<TcpStream>, content: &str, end: Break) {
    let (line, fields) = caller.head().await;
    if matches!(end, Break::TcpReset) && line == "HTTP/1.1 502 Bad Gateway" {
        // The reset has overtaken the head.
        return;
    }
    assert_eq!(line, "HTTP/1.1 200 OK");
    let rest = String::from_utf8(caller.rest().await).unwrap();
    match fields.get("content-length") {
        Some(length) => assert!(rest.len() < length.to_str().unwrap().parse().unwrap(), "{rest}"),
        None => assert!(!rest.contains("0\r\n\r\n"), "it looks complete: {rest}"),
    }
    assert!(content.starts_with(&rest) || rest.contains(content), "{rest}");
}

#[tokio::test]
async fn half_an_answer_is_never_a_whole_one() {
    for end in BREAKS {
        for known_length in [false, true] {
            for content in ["", "half"] {
                let upstream = upstream(move |stream, _| async move {
                    let mut frames = Frames::start(stream, &[]).await;
                    let Some(Arrived { stream, .. }) = frames.request().await else { return };
                    let length = content_length(9);
                    let length: &[u8] = if known_length { &length } else { &[] };
                    frames.headers(stream, 0, &[STATUS_200, length]).await;
                    frames.data(stream, 0, content.as_bytes()).await;
                    end.apply(frames, stream).await;
                })
                .await;
                let proxy = Proxy::with(&upstream);
                let mut caller = proxy.caller().await;
                caller.send(post("data")).await;
                breaks_off(caller, content, end).await;
            }
        }
    }
}

/// The head comes before the content of the request, which is small and comes at last.
#[tokio::test]
async fn content_that_comes_after_the_answer_leaves_the_connection_usable() {
    let processed = Processed::default();
    let noted = processed.clone();
    let upstream = upstream(move |stream, _| {
        let processed = noted.clone();
        async move {
            let mut frames = Frames::start(stream, &[]).await;
            let mut contents = BTreeMap::<u32, String>::new();
            while let Some(frame) = frames.next().await {
                match frame.kind {
                    HEADERS => {
                        contents.insert(frame.stream, String::new());
                        frames.answer(frame.stream, "early").await;
                    }
                    DATA => {
                        let content = contents.get_mut(&frame.stream).unwrap();
                        content.push_str(std::str::from_utf8(&frame.payload).unwrap());
                        if frame.flags & END_STREAM != 0 {
                            processed.note(content);
                        }
                    }
                    _ => {}
                }
            }
        }
    })
    .await;
    let proxy = Proxy::with(&upstream);
    let mut caller = proxy.caller().await;
    for number in 10..30 {
        caller.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n").await;
        let reply = caller.reply().await;
        assert_eq!((reply.status, reply.text()), (200, "early"));
        assert!(!reply.fields.contains_key("connection"));
        caller.send(number.to_string()).await;
    }
    caller.send(GET).await;
    assert_eq!(caller.reply().await.text(), "early");
    processed.are(20);
}

/// Much will come, and the upstream has refused it: the answer says that the connection closes. Where it is not
/// known how much, it is read.
#[tokio::test]
async fn content_that_is_not_read_to_its_end_is_announced_as_a_close() {
    for (framing, rest) in [
        ("Transfer-Encoding: chunked", Some("4\r\nlate\r\n0\r\n\r\n")),
        ("Content-Length: 1000000", None),
    ] {
        let upstream = upstream(|stream, _| async move {
            let mut frames = Frames::start(stream, &[]).await;
            while let Some(frame) = frames.next().await {
                if frame.kind == HEADERS {
                    frames.headers(frame.stream, 0, &[STATUS_413]).await;
                    frames.data(frame.stream, END_STREAM, b"early").await;
                    frames.reset(frame.stream, NO_ERROR).await;
                }
            }
        })
        .await;
        let proxy = Proxy::with(&upstream);
        let mut caller = proxy.caller().await;
        caller.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n")).await;
        let reply = caller.reply().await;
        assert_eq!(reply.text(), "early");
        assert_eq!(reply.fields.contains_key("connection"), rest.is_none(), "{framing}");
        if let Some(rest) = rest {
            caller.send(format!("{rest}{GET}")).await;
            assert_eq!(caller.reply().await.text(), "early");
        }
    }
}

/// Flow control that hardly flows, and what else a correct peer may do.
#[tokio::test]
async fn narrow_windows_and_unusual_frames_are_taken() {
    for window in [0, 1] {
        let upstream = upstream(move |stream, _| async move {
            let mut frames = Frames::start(stream, &[(INITIAL_WINDOW_SIZE, window)]).await;
            while let Some(frame) = frames.next().await {
                let stream = frame.stream;
                match frame.kind {
                    HEADERS if window == 0 => frames.window(stream, 1).await,
                    DATA if frame.flags & END_STREAM == 0 => frames.window(stream, 1).await,
                    DATA => {
                        for number in 0..200_u64 {
                            frames.write(PING, 0, 0, &number.to_be_bytes()).await;
                        }
                        frames.headers(stream, END_HEADERS, &[STATUS_103]).await;
                        // A head in two frames, then padded content, then an empty frame.
                        frames.write(HEADERS, 0, stream, STATUS_200).await;
                        frames.write(CONTINUATION, END_HEADERS, stream, &content_length(4)).await;
                        frames.write(DATA, PADDED, stream, b"\x03wide\0\0\0").await;
                        frames.data(stream, END_STREAM, b"").await;
                    }
                    _ => {}
                }
            }
        })
        .await;
        let proxy = Proxy::with(&upstream);
        let mut caller = proxy.caller().await;
        for _ in 0..3 {
            caller.send(post("a little at a time")).await;
            let reply = caller.reply().await;
            assert_eq!((reply.status, reply.text()), (200, "wide"));
        }
        assert_eq!(upstream.connections(), 1);
    }
}

#[tokio::test]
async fn a_window_that_never_opens_is_a_timeout_and_hurts_no_other_request() {
    let upstream = upstream(|stream, _| async move {
        let mut frames = Frames::start(stream, &[(INITIAL_WINDOW_SIZE, 0)]).await;
        while let Some(frame) = frames.next().await {
            if frame.kind == HEADERS && frame.flags & END_STREAM != 0 {
                frames.answer(frame.stream, "ok").await;
            }
        }
    })
    .await;
    let mut start = Start::with(&upstream);
    start.upstream.response_timeout = Duration::from_millis(50);
    let proxy = start.go();
    let reply = proxy.ask(&post("stuck")).await;
    assert_eq!((reply.status, reply.code().as_str()), (504, "upstream_timeout"));
    assert_eq!(proxy.get("/").await.text(), "ok");
    assert_eq!(upstream.connections(), 1);
}

/// A caller that pauses in its content has its own limit; that of the response starts with the whole request.
#[tokio::test]
async fn a_caller_that_pauses_does_not_use_up_the_time_for_the_response() {
    let http2 = upstream(|stream, _| async move {
        let mut frames = Frames::start(stream, &[]).await;
        while let Some(Arrived { stream, content }) = frames.request().await {
            if !content.is_empty() {
                frames.answer(stream, &content).await;
            }
        }
    });
    let http1 = Upstream::raw(|stream, _| async move {
        let mut wire = Wire::new(stream);
        while let Some((_, fields)) = wire.head().await {
            let Some((content, _)) = wire.content(&fields).await else { return };
            if !content.is_empty() {
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", content.len());
                wire.write([head.as_bytes(), &content].concat()).await;
            }
        }
    });
    for upstream in [http2.await, http1.await] {
        let mut start = Start::with(&upstream);
        start.upstream.response_timeout = Duration::from_millis(20);
        let proxy = start.go();
        let mut caller = proxy.caller().await;
        caller.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nda").await;
        // Each of these takes the whole limit.
        for _ in 0..3 {
            assert_eq!(proxy.get("/").await.code(), "upstream_timeout");
        }
        caller.send("ta").await;
        let reply = caller.reply().await;
        assert_eq!((reply.status, reply.text()), (200, "data"));
    }
}
