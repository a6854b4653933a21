//! Answers: the same comparison as for requests, with hyper's client behind our reader.

use bytes::Bytes;
use fastrand::Rng;
use http::{Method, Request};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use webwork_sidecar::net::framing::{Asked, Flaw, Reader, Responses, Surplus, repaired};

use super::reference::{self, Answer, Brought};
use super::{LIMITS, cases};

const CASES: u64 = 30_000;

#[test]
fn we_agree_with_the_reference_on_answers_and_hyper_sees_the_same() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (mut refused, mut whole, mut flaws) = (0, 0, std::collections::HashSet::new());
    for seed in 0..CASES {
        let mut rng = Rng::with_seed(seed);
        let bytes = cases::answer(&mut rng);
        let asked = if rng.usize(..6) == 0 { "HEAD" } else { "GET" };
        let shown = format!("case {seed}, {asked}: {}", bytes.escape_ascii());
        let expected = reference::answer(&bytes, asked);
        let (went, surplus, flaw) = judged(&bytes, asked, &mut rng);
        let is_refused = matches!(expected, Brought::Refused | Brought::Surplus(_));
        assert_eq!(flaw.is_some(), is_refused, "{flaw:?} {expected:?}\n{shown}");
        let seen = runtime.block_on(received(went, asked, surplus));
        match expected {
            Brought::Whole(answer) | Brought::Surplus(answer) => {
                assert_eq!(seen, Some(answer), "{shown}");
                whole += 1;
            }
            Brought::Incomplete | Brought::Refused => assert_eq!(seen, None, "{shown}"),
        }
        flaws.extend(flaw);
        refused += usize::from(is_refused);
    }
    println!("{CASES} answers, {whole} whole, {refused} refused with {} flaws", flaws.len());
    assert!(flaws.len() >= 15, "{flaws:?}");
    assert!(whole > 10_000 && refused > 3_000, "{whole} {refused}");
}

/// What our reader lets pass of bytes that arrive in pieces of any size, and the fields beside it.
fn judged(bytes: &[u8], asked: &str, rng: &mut Rng) -> (Vec<u8>, Vec<Surplus>, Option<Flaw>) {
    let mut reader = Responses::new(LIMITS);
    reader.expect(if asked == "HEAD" { Asked::Head } else { Asked::Other });
    let (mut went, mut window) = (Vec::new(), Vec::new());
    let longest = 1 + rng.usize(..bytes.len() + 1);
    let mut rest = bytes;
    while !rest.is_empty() {
        let (piece, tail) = rest.split_at(rng.usize(1..=longest).min(rest.len()));
        rest = tail;
        window.extend_from_slice(piece);
        let verdict = reader.judge(&window);
        let clear: Vec<u8> = window.drain(..verdict.clear).collect();
        went.extend(repaired(&clear, &reader.repairs()));
        if let Some(objection) = verdict.objection {
            return (went, reader.surplus(), Some(objection.flaw));
        }
    }
    (went, reader.surplus(), None)
}

/// The answer that hyper's client sees, if that is whole.
async fn received(bytes: Vec<u8>, asked: &str, surplus: Vec<Surplus>) -> Option<Answer> {
    let (client, mut server) = tokio::io::duplex(64 << 10);
    let answering = async {
        while !server.read_u8().await.is_ok_and(|byte| byte == b'\n') {}
        server.write_all(&bytes).await.unwrap();
        server.shutdown().await.unwrap();
    };
    let asking = async {
        let (mut sender, connection) = http1::handshake(TokioIo::new(client)).await.unwrap();
        let method = Method::from_bytes(asked.as_bytes()).unwrap();
        let request = Request::builder().method(method).uri("/").body(Empty::<Bytes>::new());
        let exchange = async move {
            let (head, content) = sender.send_request(request.unwrap()).await.ok()?.into_parts();
            Some((head, content.collect().await.ok()?.to_bytes()))
        };
        tokio::join!(exchange, connection).0
    };
    let ((), answer) = tokio::join!(answering, asking);
    let (mut head, content) = answer?;
    for (name, value) in surplus {
        head.headers.append(name, value);
    }
    let mut fields: Vec<_> =
        head.headers.iter().map(|(name, value)| written(name, value)).collect();
    fields.sort();
    Some(Answer { status: head.status.as_u16(), fields, content: content.to_vec() })
}

/// A character for each byte; a length as a number.
fn written(name: &http::HeaderName, value: &http::HeaderValue) -> (String, String) {
    let text: String = value.as_bytes().iter().map(|byte| char::from(*byte)).collect();
    match name.as_str() {
        "content-length" => (name.to_string(), text.parse::<u64>().unwrap().to_string()),
        _ => (name.to_string(), text),
    }
}
