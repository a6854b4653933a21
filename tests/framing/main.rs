//! Our verdicts on framing against a parser that shares no code with them, on messages made to confuse.
//!
//! Each case is a few requests on one connection, most of them spoilt in some place, and cut into pieces
//! anywhere. The reference reads all of it at once and says which requests are there and whether
//! something is wrong with what follows. Our reader must say the same; and hyper's server, shown what our
//! reader lets pass, must see exactly these requests.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed, and one that can may show its figures"
)]

mod answers;
mod cases;
mod reference;

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use fastrand::Rng;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use webwork_sidecar::net::framing::{Flaw, Limits, Reader, Requests, repaired};

use reference::{Message, Reading, Rest};

/// Small enough that the cases go over them.
const LIMITS: Limits = Limits { head: 512, fields: 12, target: 64 };

const CASES: u64 = 30_000;

#[test]
fn we_agree_with_a_strict_reference_and_hyper_sees_the_same() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (mut refused, mut requests, mut flaws) = (0, 0, std::collections::HashSet::new());
    for seed in 0..CASES {
        let mut rng = Rng::with_seed(seed);
        let bytes = cases::connection(&mut rng);
        let shown = format!("case {seed}: {}", bytes.escape_ascii());
        let expected = reference::read(&bytes);
        let (clear, flaw) = judged(&bytes, &mut rng);
        let is_refused = matches!(expected.rest, Rest::Refused);
        assert_eq!(flaw.is_some(), is_refused, "{flaw:?} {:?}\n{shown}", expected.rest);
        let seen = runtime.block_on(served(clear));
        let heard: Vec<_> = expected.heard().cloned().collect();
        assert_eq!(seen, heard, "{shown}");
        flaws.extend(flaw);
        refused += usize::from(is_refused);
        requests += seen.len();
    }
    println!(
        "{CASES} connections, {requests} requests, {refused} refused with {} flaws",
        flaws.len()
    );
    // The cases are worth something: most kinds of flaws occur, and many requests pass.
    assert!(flaws.len() >= 20, "{flaws:?}");
    assert!(requests > 10_000 && refused > 10_000);
}

/// What our reader lets pass of bytes that arrive in pieces of any size.
fn judged(bytes: &[u8], rng: &mut Rng) -> (Vec<u8>, Option<Flaw>) {
    let mut reader = Requests::new(LIMITS);
    let (mut clear, mut window) = (Vec::new(), Vec::new());
    let longest = 1 + rng.usize(..bytes.len() + 1);
    let mut rest = bytes;
    while !rest.is_empty() {
        let (piece, tail) = rest.split_at(rng.usize(1..=longest).min(rest.len()));
        rest = tail;
        window.extend_from_slice(piece);
        let verdict = reader.judge(&window);
        let repairs = reader.repairs();
        let went: Vec<u8> = window.drain(..verdict.clear).collect();
        clear.extend(repaired(&went, &repairs));
        if let Some(objection) = verdict.objection {
            return (clear, Some(objection.flaw));
        }
    }
    (clear, None)
}

/// The requests that hyper's server sees in their entirety.
async fn served(bytes: Vec<u8>) -> Vec<Message> {
    let seen = Arc::<Mutex<Vec<Message>>>::default();
    let (mut caller, server) = tokio::io::duplex(64 << 10);
    let answer = |request: Request<Incoming>| {
        let seen = Arc::clone(&seen);
        async move {
            let (head, content) = request.into_parts();
            if let Ok(content) = content.collect().await {
                seen.lock().unwrap().push(Message {
                    method: head.method.to_string(),
                    target: head.uri.to_string(),
                    content: content.to_bytes().to_vec(),
                });
            }
            // A success would turn CONNECT into a tunnel.
            let mut response = Response::new(Empty::<Bytes>::new());
            *response.status_mut() = StatusCode::NOT_FOUND;
            Ok::<_, Infallible>(response)
        }
    };
    let mut http = http1::Builder::new();
    http.half_close(true).max_header_size(LIMITS.head).max_headers(LIMITS.fields);
    let serving = http.serve_connection(TokioIo::new(server), service_fn(answer));
    let sending = async {
        caller.write_all(&bytes).await.unwrap();
        caller.shutdown().await.unwrap();
        let mut answers = Vec::new();
        caller.read_to_end(&mut answers).await.unwrap();
    };
    let (served, ()) = tokio::join!(serving, sending);
    // What breaks off is an error, and hyper must have no other objection.
    if let Err(error) = served {
        assert!(!error.is_parse(), "{error:?} {}", bytes.escape_ascii());
    }
    let seen = seen.lock().unwrap();
    seen.clone()
}

#[test]
fn the_reference_knows_good_from_bad() {
    let read = |text: &str| -> Reading { reference::read(text.as_bytes()) };
    let good = read(
        "GET /a HTTP/1.1\r\nHost: a\r\n\r\n\r\nPOST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nok",
    );
    assert_eq!((good.messages.len(), good.rest), (2, Rest::Nothing));
    let open = read("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n");
    assert_eq!((open.messages.len(), open.rest), (0, Rest::Incomplete));
    let bad = read("GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\nX : 1\r\n\r\n");
    assert_eq!((bad.messages.len(), bad.rest), (1, Rest::Refused));
}
