//! `/api/v2/_simulator`: answers that say what arrived, for the tests of a proxy. The paths stand in
//! the documentation of [`crate::simulator`]. Nothing here holds content in memory.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, Request};
use axum::http::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue, TRAILER,
};
use axum::http::{HeaderMap, Method, Response, StatusCode};
use axum::routing::{any, get};
use http_body::Frame;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::secret::Fingerprint;
use crate::simulator::api::caller::{Caller, bearer};
use crate::simulator::api::pattern::{Framing, Pattern};
use crate::simulator::laravel;
use crate::simulator::world::World;

const CHECKSUM: HeaderName = HeaderName::from_static("x-checksum");
const ECHO_METHOD: HeaderName = HeaderName::from_static("x-echo-method");
const ECHO_TARGET: HeaderName = HeaderName::from_static("x-echo-target");

/// `{"success":true,"message":"This was compressed by the simulator."}`
#[rustfmt::skip]
const GZIP: [u8; 83] = [
    0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0xff, 0xab, 0x56, 0x2a, 0x2e, 0x4d, 0x4e,
    0x4e, 0x2d, 0x2e, 0x56, 0xb2, 0x2a, 0x29, 0x2a, 0x4d, 0xd5, 0x51, 0xca, 0x05, 0xb2, 0x13, 0xd3,
    0x53, 0x95, 0xac, 0x94, 0x42, 0x32, 0x32, 0x8b, 0x15, 0xca, 0x13, 0x8b, 0x15, 0x92, 0xf3, 0x73,
    0x0b, 0x8a, 0x80, 0xc2, 0xa9, 0x29, 0x0a, 0x49, 0x95, 0x0a, 0x25, 0x19, 0xa9, 0x0a, 0xc5, 0x99,
    0xb9, 0xa5, 0x39, 0x89, 0x25, 0xf9, 0x45, 0x7a, 0x4a, 0xb5, 0x00, 0x0b, 0xa2, 0x1b, 0xe4, 0x42,
    0x00, 0x00, 0x00,
];

pub(super) fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/api/v2/_simulator/echo", any(echo))
        .route("/api/v2/_simulator/bytes", get(bytes))
        .route("/api/v2/_simulator/gzip", get(gzip))
        .route("/api/v2/_simulator/status/{code}", any(status))
        .route("/api/v2/_simulator/trailers", get(trailers))
}

async fn echo(_caller: Caller, request: Request) -> Response<Body> {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return report(&request);
    }
    let method = HeaderValue::from_str(request.method().as_str());
    let target = HeaderValue::from_str(&request.uri().to_string());
    let (head, content) = request.into_parts();
    let mut response = Response::new(content);
    let fields = response.headers_mut();
    if let Some(media_type) = head.headers.get(CONTENT_TYPE) {
        fields.insert(CONTENT_TYPE, media_type.clone());
    }
    for (name, value) in [(ECHO_METHOD, method), (ECHO_TARGET, target)] {
        if let Ok(value) = value {
            fields.insert(name, value);
        }
    }
    response
}

fn report(request: &Request) -> Response<Body> {
    let fields = request.headers();
    let headers: Vec<(String, Value)> = fields
        .iter()
        .map(|(name, value)| {
            let shown = match *name {
                AUTHORIZATION => json!(bearer(fields).map(Fingerprint::of)),
                _ => Value::from(String::from_utf8_lossy(value.as_bytes())),
            };
            (name.as_str().to_owned(), shown)
        })
        .collect();
    let target = request.uri().path_and_query().map(ToString::to_string);
    let content =
        json!({"method": request.method().as_str(), "target": target, "headers": headers});
    laravel::content_of(StatusCode::OK, "application/json", content.to_string())
}

#[derive(Deserialize)]
struct Wanted {
    n: u64,
    #[serde(default)]
    chunked: u8,
}

async fn bytes(_caller: Caller, Query(wanted): Query<Wanted>) -> Response<Body> {
    let framing = if wanted.chunked == 0 { Framing::Length } else { Framing::Chunked };
    let content = Body::new(Pattern::new(wanted.n, framing));
    laravel::content_of(StatusCode::OK, "application/octet-stream", content)
}

async fn gzip(_caller: Caller) -> Response<Body> {
    let content = Bytes::from_static(&GZIP);
    let mut response = laravel::content_of(StatusCode::OK, "application/json", content);
    response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    response
}

async fn status(_caller: Caller, Path(code): Path<u16>) -> Response<Body> {
    match StatusCode::from_u16(code) {
        Ok(status) if matches!(code, 204 | 205 | 304) => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = status;
            response
        }
        Ok(status) if (200..600).contains(&code) => {
            let content =
                json!({"success": status.is_success(), "message": format!("Status {code}.")});
            laravel::content_of(status, "application/json", content.to_string())
        }
        _ => laravel::page(StatusCode::BAD_REQUEST),
    }
}

async fn trailers(_caller: Caller) -> Response<Body> {
    let mut fields = HeaderMap::new();
    fields.insert(CHECKSUM, HeaderValue::from_static("c0ffee"));
    let frames = [
        Frame::data(Bytes::from_static(b"{\"success\":true,")),
        Frame::data(Bytes::from_static(b"\"data\":[]}")),
        Frame::trailers(fields),
    ];
    let content = Body::new(Frames(frames.into()));
    let mut response = laravel::content_of(StatusCode::OK, "application/json", content);
    response.headers_mut().insert(TRAILER, HeaderValue::from_static("x-checksum"));
    response
}

/// Ready-made frames, whose total length is not announced.
struct Frames(VecDeque<Frame<Bytes>>);

impl http_body::Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(Ok))
    }
}
