//! Connections that die at every stage: no GET fails because one was stale, no POST is sent twice.
//!
//! Every connection of these upstreams serves one request well and is then ended in one of many ways,
//! so that nearly every request first meets a connection that dies over it, or has just died.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Barrier;
use tokio_rustls::server::TlsStream;

use super::support::frames::{
    Arrived, END_STREAM, ENHANCE_YOUR_CALM, Frames, NO_ERROR, REFUSED_STREAM, STATUS_200,
};
use super::support::{Certificate, Proxy, Upstream, Wire, soon};

/// Requests of each method at each stage.
const REQUESTS: usize = 200;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// How far a connection gets after its first exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It ends at once.
    Idle,
    /// It ends after one byte of the second request.
    Byte,
    /// It ends after the head.
    Head,
    /// It ends after the content.
    Content,
}

/// How it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// In good order, over TLS with its close_notify.
    Close,
    /// Only the server's direction is closed; it goes on reading.
    HalfClose,
    /// Without a word to TLS.
    Cut,
    /// By a TCP reset.
    Reset,
}

/// How connections fare.
#[derive(Clone, Copy, Debug)]
struct Fate {
    stage: Stage,
    /// What the server still says.
    last_words: &'static str,
    end: End,
}

/// A TCP connection, with TLS or without.
trait Line: AsyncRead + AsyncWrite + Unpin + Send {
    fn tcp(&self) -> &TcpStream;
}

impl Line for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Line for TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

/// How often a request was seen, by its target.
type Journal = Arc<Mutex<BTreeMap<String, usize>>>;

fn note(journal: &Journal, line: &str) {
    let target = line.split(' ').nth(1).unwrap().to_owned();
    *journal.lock().unwrap().entry(target).or_default() += 1;
}

/// Reads a request whole and notes it; `None` at the end of the connection.
async fn whole<S: Line>(wire: &mut Wire<S>, journal: &Journal) -> Option<()> {
    let (line, fields) = wire.head().await?;
    note(journal, &line);
    wire.content(&fields).await.map(drop)
}

async fn fare<S: Line>(stream: S, fate: Fate, journal: Journal) {
    let mut wire = Wire::new(stream);
    if whole(&mut wire, &journal).await.is_none() {
        return;
    }
    wire.write(OK).await;
    match fate.stage {
        Stage::Idle => {}
        Stage::Byte => drop(wire.take(1).await),
        Stage::Head => {
            if let Some((line, _)) = wire.head().await {
                note(&journal, &line);
            }
        }
        Stage::Content => drop(whole(&mut wire, &journal).await),
    }
    // From here on the other side may have ended the connection, too.
    wire.stream().write_all(fate.last_words.as_bytes()).await.ok();
    match fate.end {
        End::Close => drop(wire.stream().shutdown().await),
        End::HalfClose => {
            wire.stream().shutdown().await.ok();
            let late = String::from_utf8(wire.rest().await).unwrap();
            late.lines().filter(|line| line.ends_with(" HTTP/1.1")).for_each(|line| {
                note(&journal, line);
            });
        }
        End::Cut => {}
        End::Reset => wire.stream().tcp().set_zero_linger().unwrap(),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Security {
    Plain,
    Tls,
}

async fn upstream(security: Security, fate: Fate) -> (Upstream, Journal) {
    let journal = Journal::default();
    let noted = Arc::clone(&journal);
    let upstream = match security {
        Security::Plain => {
            Upstream::raw(move |stream, _| fare(stream, fate, Arc::clone(&noted))).await
        }
        Security::Tls => {
            let certificate = Certificate::good();
            let behave = move |stream, _| fare(stream, fate, Arc::clone(&noted));
            Upstream::tls_raw(&certificate, &["http/1.1"], behave).await
        }
    };
    (upstream, journal)
}

/// Sends that many requests, over one connection as long as that is kept, and returns their statuses.
async fn statuses(proxy: &Proxy, method: &str, content: &str) -> Vec<u16> {
    let framing = match method {
        "GET" | "HEAD" if content.len() < 100 => String::new(),
        _ => format!("Content-Length: {}\r\n", content.len()),
    };
    let content = if framing.is_empty() { "" } else { content };
    let mut caller = proxy.caller().await;
    let mut statuses = Vec::new();
    for number in 0..REQUESTS {
        let head = format!("{method} /{number} HTTP/1.1\r\nHost: a\r\n{framing}\r\n");
        caller.send(head + content).await;
        let reply = caller.reply_to(method).await;
        if reply.fields.get("connection").is_some_and(|value| value == "close") {
            caller = proxy.caller().await;
        }
        statuses.push(reply.status);
    }
    statuses
}

/// Waits until no connection notes anything any more: each that could owns what it notes in.
async fn settled<T>(noted: &Arc<T>, owners: usize) {
    soon(async {
        while Arc::strong_count(noted) > owners {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

fn fates() -> Vec<Fate> {
    let mut fates = Vec::new();
    for stage in [Stage::Idle, Stage::Byte, Stage::Head, Stage::Content] {
        for end in [End::Close, End::HalfClose, End::Cut, End::Reset] {
            fates.push(Fate { stage, last_words: "", end });
        }
    }
    let last_words =
        "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    for stage in [Stage::Idle, Stage::Content] {
        fates.push(Fate { stage, last_words, end: End::Close });
    }
    fates
}

async fn survives_every_fate(security: Security) {
    for fate in fates() {
        for method in ["GET", "PUT"] {
            let (upstream, _) = upstream(security, fate).await;
            let statuses = statuses(&Proxy::with(&upstream), method, "data").await;
            assert_eq!(statuses, [200; REQUESTS], "{method} {security:?} {fate:?}");
        }
    }
}

#[tokio::test]
async fn no_idempotent_request_fails_because_a_connection_was_stale() {
    survives_every_fate(Security::Plain).await;
}

#[tokio::test]
async fn no_idempotent_request_fails_because_a_connection_with_tls_was_stale() {
    survives_every_fate(Security::Tls).await;
}

/// Content that could not be sent again meets no connection that may have died at rest.
#[tokio::test]
async fn no_large_idempotent_request_fails_because_a_connection_was_stale() {
    let content = "x".repeat(100_000);
    for method in ["GET", "PUT"] {
        let fate = Fate { stage: Stage::Content, last_words: "", end: End::Close };
        let (upstream, _) = upstream(Security::Plain, fate).await;
        let statuses = statuses(&Proxy::with(&upstream), method, &content).await;
        assert_eq!(statuses, [200; REQUESTS], "{method}");
    }
}

#[tokio::test]
async fn no_post_is_ever_sent_twice() {
    for security in [Security::Plain, Security::Tls] {
        for fate in fates() {
            for method in ["POST", "PATCH"] {
                let (upstream, journal) = upstream(security, fate).await;
                let owners = Arc::strong_count(&journal);
                let proxy = Proxy::with(&upstream);
                let statuses = statuses(&proxy, method, "data").await;
                let case = format!("{method} {security:?} {fate:?}: {statuses:?}");
                drop(proxy);
                settled(&journal, owners).await;
                let journal = journal.lock().unwrap();
                for (number, status) in statuses.iter().enumerate() {
                    let seen = journal.get(&format!("/{number}")).copied().unwrap_or_default();
                    assert!(seen <= 1, "{number}: {seen} times; {case}");
                    assert!(*status != 200 || seen == 1, "{number}: answered by nobody; {case}");
                    assert!([200, 408, 502].contains(status), "{case}");
                }
                let failed = statuses.iter().filter(|status| **status != 200).count();
                match fate.stage {
                    // Most of them notice in time that the connection has gone.
                    Stage::Idle => {}
                    // Every second one meets its end, and is not sent again.
                    _ => assert_eq!(failed, REQUESTS / 2, "{case}"),
                }
            }
        }
    }
}

#[tokio::test]
async fn content_that_is_not_kept_is_sent_once_and_on_a_new_connection() {
    const KEPT: usize = 64 << 10;
    for (length, sent) in [(KEPT, 2), (KEPT + 1, 1)] {
        let fate = Fate { stage: Stage::Content, last_words: "", end: End::Close };
        let (upstream, journal) = upstream(Security::Plain, fate).await;
        let proxy = Proxy::with(&upstream);
        assert_eq!(proxy.get("/first").await.status, 200);
        let content = "a".repeat(length);
        let request =
            format!("PUT /second HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{content}");
        assert_eq!(proxy.ask(&request).await.status, 200, "{length} bytes");
        let times = journal.lock().unwrap()["/second"];
        assert_eq!((times, upstream.connections()), (sent, 2), "{length} bytes");
    }
}

#[tokio::test]
async fn half_an_answer_is_the_last_word() {
    for last_words in ["H", "HTTP/1.1 200 O", "HTTP/1.1 200 OK\r\nContent-Le", "HTTP/1.1 103 Early"]
    {
        for end in [End::Close, End::Reset] {
            let fate = Fate { stage: Stage::Content, last_words, end };
            let (upstream, journal) = upstream(Security::Plain, fate).await;
            let proxy = Proxy::with(&upstream);
            assert_eq!(proxy.get("/first").await.status, 200);
            let reply = proxy.get("/second").await;
            // A reset can take what was said before along; then there was no answer.
            if end == End::Close || reply.status == 502 {
                assert_eq!((reply.status, journal.lock().unwrap()["/second"]), (502, 1));
            }
        }
    }
}

#[tokio::test]
async fn the_second_attempt_tells_why_it_failed() {
    let upstream = Upstream::raw(|stream, number| async move {
        let mut wire = Wire::new(stream);
        if number > 0 {
            wire.head().await;
            wire.write("SSH-2.0-OpenSSH_9.9\r\n\r\n").await;
        } else if wire.head().await.is_some() {
            wire.write(OK).await;
            wire.head().await;
        }
    })
    .await;
    let proxy = Proxy::with(&upstream);
    assert_eq!(proxy.get("/").await.status, 200);
    let reply = proxy.get("/").await;
    assert_eq!((reply.status, reply.code().as_str()), (502, "upstream_protocol"));
    assert_eq!((upstream.connections(), proxy.totals().replays), (2, 1));
}

#[tokio::test]
async fn a_request_timeout_or_a_misdirected_request_on_a_new_connection_passes_unchanged() {
    for line in ["408 Request Timeout", "421 Misdirected Request"] {
        let upstream = Upstream::raw(move |stream, _| async move {
            let mut wire = Wire::new(stream);
            wire.head().await;
            let fields = "Content-Length: 4\r\nConnection: close";
            wire.write(format!("HTTP/1.1 {line}\r\n{fields}\r\n\r\ntold")).await;
        })
        .await;
        let proxy = Proxy::with(&upstream);
        let reply = proxy.get("/").await;
        assert_eq!((reply.status.to_string().as_str(), reply.text()), (&line[..3], "told"));
        assert_eq!((upstream.connections(), proxy.totals().replays), (1, 0));
    }
}

/// How an HTTP/2 connection ends, or one request on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Finish {
    /// The connection ends after the first answer.
    IdleClose,
    /// … and says so.
    IdleGoAway,
    /// It ends when the second request has arrived.
    Close,
    Reset,
    /// The second request is refused unread.
    Refused,
    /// The connection ends in good order; the first request was the last one that it served.
    GoAwayBefore,
    /// … the second one may have been served, but there is no answer.
    GoAwayAfter,
    /// The connection ends with an error code; the first request was the last one that it served.
    GoAwayError,
}

impl Finish {
    const ALL: [Self; 8] = [
        Self::IdleClose,
        Self::IdleGoAway,
        Self::Close,
        Self::Reset,
        Self::Refused,
        Self::GoAwayBefore,
        Self::GoAwayAfter,
        Self::GoAwayError,
    ];

    /// Whether the upstream says for sure that it has not processed the second request.
    fn is_refusal(self) -> bool {
        matches!(self, Self::Refused | Self::GoAwayBefore | Self::GoAwayError)
    }
}

/// Answers one request and lets the second one meet its end. Counts those that it may have processed.
async fn finish(stream: TlsStream<TcpStream>, finish: Finish, processed: Arc<AtomicUsize>) {
    let mut frames = Frames::start(stream, &[]).await;
    let Some(Arrived { stream: first, .. }) = frames.request().await else { return };
    processed.fetch_add(1, Ordering::SeqCst);
    if finish == Finish::IdleGoAway {
        frames.go_away(first, NO_ERROR).await;
    }
    frames.headers(first, END_STREAM, &[STATUS_200]).await;
    if matches!(finish, Finish::IdleClose | Finish::IdleGoAway) {
        drop(frames.stream().shutdown().await);
        return;
    }
    let Some(Arrived { stream: second, .. }) = frames.request().await else { return };
    if !finish.is_refusal() {
        processed.fetch_add(1, Ordering::SeqCst);
    }
    match finish {
        Finish::Refused => {
            frames.reset(second, REFUSED_STREAM).await;
            return frames.close().await;
        }
        Finish::GoAwayBefore => frames.go_away(first, NO_ERROR).await,
        Finish::GoAwayAfter => frames.go_away(second, NO_ERROR).await,
        Finish::GoAwayError => frames.go_away(first, ENHANCE_YOUR_CALM).await,
        Finish::Reset => return frames.stream().tcp().set_zero_linger().unwrap(),
        Finish::Close | Finish::IdleClose | Finish::IdleGoAway => {}
    }
    drop(frames.stream().shutdown().await);
}

async fn http2(end: Finish) -> (Upstream, Arc<AtomicUsize>) {
    let processed = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&processed);
    let upstream = Upstream::tls_raw(&Certificate::good(), &["h2"], move |stream, _| {
        finish(stream, end, Arc::clone(&counted))
    })
    .await;
    (upstream, processed)
}

#[tokio::test]
async fn no_idempotent_request_fails_because_a_shared_connection_was_stale() {
    for end in Finish::ALL {
        for method in ["GET", "PUT"] {
            let (upstream, _) = http2(end).await;
            let statuses = statuses(&Proxy::with(&upstream), method, "data").await;
            assert_eq!(statuses, [200; REQUESTS], "{method} {end:?}");
        }
    }
}

#[tokio::test]
async fn no_post_on_a_shared_connection_is_sent_twice_unless_it_was_refused_unread() {
    for end in Finish::ALL {
        let (upstream, processed) = http2(end).await;
        let owners = Arc::strong_count(&processed);
        let proxy = Proxy::with(&upstream);
        let statuses = statuses(&proxy, "POST", "data").await;
        drop(proxy);
        settled(&processed, owners).await;
        let failed = statuses.iter().filter(|status| **status == 502).count();
        let answered = statuses.iter().filter(|status| **status == 200).count();
        let processed = processed.load(Ordering::SeqCst);
        assert_eq!(failed + answered, REQUESTS, "{end:?}: {statuses:?}");
        match end {
            Finish::IdleClose | Finish::IdleGoAway => {
                assert!((answered..=REQUESTS).contains(&processed), "{end:?}: {processed}");
            }
            _ if end.is_refusal() => assert_eq!((failed, processed), (0, REQUESTS), "{end:?}"),
            _ => assert_eq!((failed, processed), (REQUESTS / 2, REQUESTS), "{end:?}"),
        }
    }
}

#[tokio::test]
async fn a_second_attempt_does_not_meet_another_dead_connection() {
    const CONNECTIONS: usize = 3;
    let together = Arc::new(Barrier::new(CONNECTIONS));
    let upstream = Upstream::tls_raw(&Certificate::good(), &["h2"], move |stream, number| {
        let together = Arc::clone(&together);
        async move {
            let mut server = h2::server::Builder::new();
            server.max_concurrent_streams(1);
            let mut connection = server.handshake::<_, bytes::Bytes>(stream).await.unwrap();
            let mut answers = tokio::task::JoinSet::new();
            while let Some(Ok((request, mut answer))) = connection.accept().await {
                if request.uri().path() == "/last" && number < CONNECTIONS {
                    return;
                }
                let together = Arc::clone(&together);
                answers.spawn(async move {
                    if request.uri().path() == "/together" {
                        together.wait().await;
                    }
                    answer.send_response(http::Response::new(()), true).unwrap();
                });
            }
        }
    })
    .await;
    let proxy = Proxy::with(&upstream);
    assert_eq!(proxy.get("/first").await.status, 200);
    let together = || proxy.get("/together");
    let replies = soon(async { tokio::join!(together(), together(), together()) }).await;
    assert_eq!((replies.0.status, replies.1.status, replies.2.status), (200, 200, 200));
    assert_eq!(upstream.connections(), CONNECTIONS);
    // All of them have died, and nobody knows.
    assert_eq!(proxy.get("/last").await.status, 200);
    assert_eq!((upstream.connections(), proxy.totals().replays), (CONNECTIONS + 1, 1));
}
