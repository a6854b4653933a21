//! A connection for one request alone.
//!
//! A pooled connection may be dead without our knowing, and then nobody can say whether a request was
//! processed. A new one for each exchange leaves two clear cases: not one byte has left, or some have.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;

use crate::net::connect::{ConnectError, Dial, connect};
use crate::net::tls::Alpn;

/// The largest answer that is read. DESIGN's limit; a real one has 2 KiB.
const MAX_ANSWER: usize = 256 << 10;

/// A connection on which nothing was sent yet; TLS stands.
#[derive(Debug)]
pub struct Line(SendRequest<Full<Bytes>>);

/// An answer whose head has arrived.
#[derive(Debug)]
pub struct Reply {
    /// The status code.
    pub status: StatusCode,
    /// The fields.
    pub fields: HeaderMap,
    /// The content; `None` if it was cut off or is too large.
    pub content: Option<Bytes>,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// Not one byte of the request has left.
    #[error("the connection was closed before anything was sent")]
    NotSent,
    /// The request, or some of it, has left.
    #[error("{0}")]
    NoAnswer(&'static str),
}

impl Line {
    /// Connects, TLS included.
    pub async fn open(dial: &Dial) -> Result<Self, ConnectError> {
        let connection = connect(dial, Alpn::Http1).await?;
        // `handshake` only sets up state: it neither reads nor writes.
        let (line, driver) =
            handshake(TokioIo::new(connection)).await.map_err(|error| ConnectError::Connect {
                host: dial.origin.host().to_owned(),
                port: dial.origin.port(),
                reason: error.to_string(),
            })?;
        // Its errors come back through the request that it breaks.
        tokio::spawn(async move { driver.await.ok() });
        Ok(Self(line))
    }

    /// Sends the request and reads the whole answer within `limit`.
    pub async fn send(
        mut self,
        request: Request<Full<Bytes>>,
        limit: Duration,
    ) -> Result<Reply, LineError> {
        let answer = async {
            let response =
                self.0.try_send_request(request).await.map_err(|mut error| {
                    match error.take_message() {
                        Some(_) => LineError::NotSent,
                        None => LineError::NoAnswer("the connection broke before an answer came"),
                    }
                })?;
            let (head, body) = response.into_parts();
            let content = Limited::new(body, MAX_ANSWER).collect().await;
            let content = content.ok().map(http_body_util::Collected::to_bytes);
            Ok(Reply { status: head.status, fields: head.headers, content })
        };
        match tokio::time::timeout(limit, answer).await {
            Ok(reply) => reply,
            Err(_) => Err(LineError::NoAnswer("no answer came in time")),
        }
    }
}
