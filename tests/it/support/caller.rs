//! A caller that writes what it likes, and what it gets.

use http::HeaderMap;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{Wire, examine_reply, soon};

/// A caller that writes what it likes.
pub(crate) struct Caller<S>(Wire<S>);

/// What a caller got.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) fields: HeaderMap,
    pub(crate) content: Vec<u8>,
    pub(crate) trailers: HeaderMap,
}

impl Reply {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.content).unwrap()
    }

    /// `error.code` of an answer of the sidecar's own.
    pub(crate) fn code(&self) -> String {
        let body: serde_json::Value = serde_json::from_slice(&self.content).unwrap();
        body["error"]["code"].as_str().unwrap().to_owned()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Caller<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self(Wire::new(stream))
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write(bytes).await;
    }

    pub(crate) async fn reply(&mut self) -> Reply {
        self.reply_to("GET").await
    }

    pub(crate) async fn reply_to(&mut self, method: &str) -> Reply {
        let (line, fields) = soon(self.0.head()).await.expect("an answer");
        let status = line.split(' ').nth(1).unwrap().parse().unwrap();
        let bodiless = method == "HEAD" || status < 200 || status == 204 || status == 304;
        let (content, trailers) = match bodiless {
            true => Default::default(),
            false => soon(self.0.content(&fields)).await.unwrap(),
        };
        let reply = Reply { status, fields, content, trailers };
        examine_reply(&reply);
        reply
    }

    /// Reads a head, and none of the content.
    pub(crate) async fn head(&mut self) -> (String, HeaderMap) {
        soon(self.0.head()).await.expect("an answer")
    }

    /// The next bytes, whatever they are.
    pub(crate) async fn take(&mut self, length: usize) -> Vec<u8> {
        self.0.take(length).await.expect("more bytes")
    }

    pub(crate) async fn is_closed(&mut self) -> bool {
        soon(self.0.head()).await.is_none()
    }

    /// Everything up to the end of the connection, be it orderly or not.
    pub(crate) async fn rest(mut self) -> Vec<u8> {
        soon(async { while self.0.fill().await {} }).await;
        self.0.buffer
    }

    pub(crate) fn stream(&mut self) -> &mut S {
        &mut self.0.stream
    }
}
