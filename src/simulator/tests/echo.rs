//! The answers that say what arrived.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Bytes;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, TE};
use axum::http::{Method, Request};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::secret::Fingerprint;
use crate::simulator::Simulator;
use crate::simulator::tests::peer::{address, call, fetch, quiet, request, send, start};

async fn simulation() -> (Simulator, String) {
    let simulator = start(quiet()).await;
    let token = simulator.issue_personal_access_token(&"read".parse().unwrap());
    (simulator, token)
}

/// Content that is written while the answer is read.
struct Drip(mpsc::Receiver<Bytes>);

impl Body for Drip {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}

#[tokio::test]
async fn a_get_reports_what_arrived_and_hides_the_token() {
    let (simulator, token) = simulation().await;
    let target = "/api/v2/_simulator/echo?a=%2F&b=c%20d";
    let report = fetch(&simulator, &token, target).await.json();
    assert_eq!((&report["method"], &report["target"]), (&json!("GET"), &json!(target)));
    let headers = report["headers"].as_array().unwrap();
    let fingerprint = Fingerprint::of(&token).to_string();
    assert!(headers.contains(&json!(["authorization", fingerprint])), "{headers:?}");
    assert!(headers.contains(&json!(["host", "api.webwork-tracker.com"])));
    assert!(!report.to_string().contains(&token));
}

#[tokio::test]
async fn other_methods_get_their_content_back() {
    let (simulator, token) = simulation().await;
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
        let mut request = request(method.clone(), "/api/v2/_simulator/echo?x=1");
        let fields = request.headers_mut();
        fields.insert(AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
        fields.insert(CONTENT_TYPE, "text/x-test".parse().unwrap());
        *request.body_mut() = Full::new("content".into());
        let answer = send(&simulator, request).await.unwrap();
        assert_eq!(
            (answer.text().as_str(), answer.field("content-length")),
            ("content", Some("7"))
        );
        assert_eq!(answer.field("content-type"), Some("text/x-test"));
        assert_eq!(answer.field("x-echo-method"), Some(method.as_str()));
        assert_eq!(answer.field("x-echo-target"), Some("/api/v2/_simulator/echo?x=1"));
    }
}

#[tokio::test]
async fn the_echo_streams() {
    let (simulator, token) = simulation().await;
    let stream = TcpStream::connect(address(&simulator)).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let (drip, receiver) = mpsc::channel(1);
    let request = Request::post("/api/v2/_simulator/echo")
        .header(HOST, "x")
        .header(AUTHORIZATION, format!("Bearer {token}"))
        .body(Drip(receiver))
        .unwrap();
    let mut answer = sender.send_request(request).await.unwrap().into_body();
    for piece in ["one", "two", "three"] {
        drip.send(piece.into()).await.unwrap();
        let echoed = answer.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(echoed, piece, "before the next piece is sent");
    }
    drop(drip);
    assert!(answer.frame().await.is_none());
}

#[tokio::test]
async fn bytes_come_with_a_length_or_in_chunks() {
    let (simulator, token) = simulation().await;
    let sized = fetch(&simulator, &token, "/api/v2/_simulator/bytes?n=100000").await;
    assert_eq!(sized.field("content-length"), Some("100000"));
    let chunked = fetch(&simulator, &token, "/api/v2/_simulator/bytes?n=100000&chunked=1").await;
    assert_eq!(chunked.field("transfer-encoding"), Some("chunked"));
    assert_eq!(sized.content, chunked.content);
    let mut expected = (0..=250_u8).cycle();
    assert!(sized.content.iter().all(|byte| Some(*byte) == expected.next()));
    assert_eq!(sized.content.len(), 100_000);
}

#[tokio::test]
async fn coded_content_says_so() {
    let (simulator, token) = simulation().await;
    let answer = fetch(&simulator, &token, "/api/v2/_simulator/gzip").await;
    assert_eq!(answer.field("content-encoding"), Some("gzip"));
    // RFC 1952 §2.3.1: magic number, deflate.
    assert_eq!(answer.content[..3], [0x1f, 0x8b, 8]);
}

#[tokio::test]
async fn any_status_can_be_had() {
    let (simulator, token) = simulation().await;
    for code in [200, 204, 304, 401, 404, 503, 599] {
        let target = format!("/api/v2/_simulator/status/{code}");
        let answer = fetch(&simulator, &token, &target).await;
        assert_eq!(answer.status, code);
        assert_eq!(answer.content.is_empty(), matches!(code, 204 | 304), "{code}");
    }
    assert_eq!(fetch(&simulator, &token, "/api/v2/_simulator/status/101").await.status, 400);
}

#[tokio::test]
async fn trailers_follow_the_content() {
    let (simulator, token) = simulation().await;
    let stream = TcpStream::connect(address(&simulator)).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("/api/v2/_simulator/trailers")
        .header(HOST, "x")
        .header(TE, "trailers")
        .header(AUTHORIZATION, format!("Bearer {token}"))
        .body(Full::<Bytes>::default())
        .unwrap();
    let answer = sender.send_request(request).await.unwrap();
    assert_eq!(answer.headers()["trailer"], "x-checksum");
    let collected = answer.into_body().collect().await.unwrap();
    assert_eq!(collected.trailers().unwrap()["x-checksum"], "c0ffee");
    assert_eq!(collected.to_bytes(), "{\"success\":true,\"data\":[]}");
}

#[tokio::test]
async fn strangers_get_no_echo() {
    let (simulator, _) = simulation().await;
    let answer = call(&simulator, "x", Method::POST, "/api/v2/_simulator/echo", Some(json!({})));
    assert_eq!(answer.await.status, 401);
}
