//! A connection for one request alone.
//!
//! A pooled connection may be dead without our knowing, and then nobody can say whether a request was
//! processed. A new one for each exchange leaves two clear cases: not one byte has left, or some have.

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use secrecy::zeroize::Zeroizing;

use crate::net::connect::{ConnectError, Dial, connect};
use crate::net::tls::Alpn;

/// The largest answer that is read. DESIGN's limit; a real one has 2 KiB.
pub(super) const MAX_ANSWER: usize = 256 << 10;

/// Room for an answer that need not move, which would leave a copy behind.
const USUAL_ANSWER: usize = 8 << 10;

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
    /// The content as far as it came, or as far as it is read. Whether it is whole is for its reader
    /// to see: an answer that breaks off after its last brace has brought the tokens all the same.
    /// It is wiped with the reply, for there may be tokens in it.
    pub content: Zeroizing<Vec<u8>>,
}

impl Reply {
    /// Head and content, as they came, for people who look for tokens in it.
    pub(super) fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let fields = self.fields.iter();
        let head: usize = fields.map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
        let mut bytes = Zeroizing::new(Vec::with_capacity(head + self.content.len() + 64));
        bytes.extend_from_slice(b"HTTP/1.1 ");
        bytes.extend_from_slice(self.status.as_str().as_bytes());
        bytes.extend_from_slice(b"\r\n");
        for (name, value) in &self.fields {
            for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
                bytes.extend_from_slice(part);
            }
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&self.content);
        bytes
    }
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
            handshake(TokioIo::new(connection.into_stream())).await.map_err(|error| {
                ConnectError::Connect {
                    host: dial.origin.host().to_owned(),
                    port: dial.origin.port(),
                    reason: error.to_string(),
                }
            })?;
        // Its errors come back through the request that it breaks.
        tokio::spawn(async move { driver.await.ok() });
        Ok(Self(line))
    }

    /// Sends the request and reads the answer within `limit` of time in which this process runs.
    pub async fn send(
        mut self,
        request: Request<Full<Bytes>>,
        limit: Duration,
    ) -> Result<Reply, LineError> {
        let mut patience = pin!(patience(limit));
        let response = tokio::select! {
            biased;
            response = self.0.try_send_request(request) => response,
            () = &mut patience => return Err(LineError::NoAnswer("no answer came in time")),
        };
        let response = response.map_err(|mut error| match error.take_message() {
            Some(_) => LineError::NotSent,
            None => LineError::NoAnswer("the connection broke before an answer came"),
        })?;
        let (head, mut body) = response.into_parts();
        let mut content = Zeroizing::new(Vec::with_capacity(USUAL_ANSWER));
        loop {
            let frame = tokio::select! {
                biased;
                frame = body.frame() => frame,
                () = &mut patience => break,
            };
            let Some(Ok(frame)) = frame else { break };
            content.extend_from_slice(&frame.into_data().unwrap_or_default());
            if content.len() > MAX_ANSWER {
                content.truncate(MAX_ANSWER);
                break;
            }
        }
        Ok(Reply { status: head.status, fields: head.headers, content })
    }
}

/// Waits for `limit` of time in which this process runs. One that stood still meanwhile (SIGSTOP, a
/// paused container) finds its timer over, and in the socket the answer that cannot be had again; so
/// the time is counted in short naps, and whatever was slept through counts as one of them.
async fn patience(limit: Duration) {
    let mut left = limit;
    while !left.is_zero() {
        tokio::time::sleep(left.min(NAP)).await;
        left = left.saturating_sub(NAP);
    }
    tokio::time::sleep(NAP).await;
}

/// Short against every limit, long against the time that reading an answer takes.
const NAP: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use url::Url;

    use super::*;
    use crate::net::descriptors::Slots;
    use crate::net::memory::Budget;
    use crate::net::origin::Origin;
    use crate::net::tls::Trust;
    use crate::net::tunnel::Route;

    const JSON: &str = r#"{"access_token":"a","refresh_token":"b"}"#;

    /// What is read of an answer that ends after `sent`, by its connection or by our patience.
    async fn reply_to(sent: String, end: End) -> Result<Reply, LineError> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                request.push(byte[0]);
            }
            // Whoever has had enough closes in the middle.
            stream.write_all(sent.as_bytes()).ok();
            // Until the other side has had enough.
            (end == End::Silence).then(|| stream.read(&mut [0]).ok())
        });
        let dial = Dial {
            origin: Origin::of(&url).unwrap(),
            route: Route::Direct,
            trust: Trust::load(None).unwrap(),
            connect_timeout: Duration::from_secs(10),
            tls_timeout: Duration::from_secs(10),
            slots: Slots::default(),
            memory: Budget::default(),
        };
        let request = Request::post("/").header("host", "a").body(Full::default()).unwrap();
        let limit = if end == End::Silence { NAP } else { Duration::from_secs(60) };
        let reply = Line::open(&dial).await.unwrap().send(request, limit).await;
        // It ends when the connection does, which the runtime must be free to drop.
        tokio::task::spawn_blocking(|| server.join()).await.unwrap().unwrap();
        reply
    }

    #[derive(Clone, Copy, PartialEq, Eq)]
    enum End {
        Close,
        Silence,
    }

    #[tokio::test]
    async fn an_answer_that_breaks_off_is_read_as_far_as_it_came() {
        for (head, text) in [
            ("Content-Length: 4000", JSON.to_owned()),
            ("Transfer-Encoding: chunked", format!("{:x}\r\n{JSON}\r\n", JSON.len())),
        ] {
            for end in [End::Close, End::Silence] {
                let sent = format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{text}");
                let reply = reply_to(sent, end).await.unwrap();
                assert_eq!(reply.content.as_slice(), JSON.as_bytes(), "{head}");
            }
        }
    }

    #[tokio::test]
    async fn an_answer_that_never_comes_is_none_and_one_without_end_is_cut() {
        let silent = reply_to(String::new(), End::Silence).await.map(drop);
        assert_eq!(silent, Err(LineError::NoAnswer("no answer came in time")));
        let cut = reply_to("HTTP/1.1 200 OK\r\nContent-".into(), End::Close).await.map(drop);
        assert_eq!(cut, Err(LineError::NoAnswer("the connection broke before an answer came")));
        let endless = format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(MAX_ANSWER + 1));
        let read = reply_to(endless, End::Close).await.unwrap().content;
        assert_eq!(read.len(), MAX_ANSWER);
    }
}
