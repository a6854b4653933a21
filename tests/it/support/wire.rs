//! HTTP/1.1 in its own bytes, over a real socket.

use http::HeaderMap;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// One end of a connection, in HTTP/1.1's own bytes.
pub(crate) struct Wire<S> {
    pub(super) stream: S,
    pub(super) buffer: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    pub(crate) fn stream(&mut self) -> &mut S {
        &mut self.stream
    }

    /// Everything up to the end of the connection, be it orderly or not.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        while self.fill().await {}
        std::mem::take(&mut self.buffer)
    }

    /// The connection; what was read ahead is lost.
    pub(crate) fn into_stream(self) -> S {
        self.stream
    }

    pub(crate) async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// Writes to a peer that may have gone.
    pub(super) async fn try_write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.ok();
        self.stream.flush().await.ok();
    }

    pub(super) async fn shut_down(&mut self) {
        self.stream.shutdown().await.ok();
    }

    /// The first line and the fields; `None` when the connection has ended.
    pub(crate) async fn head(&mut self) -> Option<(String, HeaderMap)> {
        let end = loop {
            if let Some(at) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            if !self.fill().await {
                assert!(self.buffer.is_empty(), "cut off: {:?}", self.buffer);
                return None;
            }
        };
        let head: Vec<u8> = self.buffer.drain(..end).collect();
        let head = String::from_utf8(head).unwrap();
        let (line, fields) = head.split_once("\r\n").unwrap();
        Some((line.to_owned(), parsed(fields)))
    }

    /// The content, and the trailers if it is chunked; `None` when it was cut off.
    pub(crate) async fn content(&mut self, fields: &HeaderMap) -> Option<(Vec<u8>, HeaderMap)> {
        if fields.get("transfer-encoding").is_some_and(|value| value == "chunked") {
            return self.chunks().await;
        }
        let length = fields.get("content-length").map(|value| value.to_str().unwrap().parse());
        match length {
            Some(length) => Some((self.take(length.unwrap()).await?, HeaderMap::new())),
            None => Some((Vec::new(), HeaderMap::new())),
        }
    }

    async fn chunks(&mut self) -> Option<(Vec<u8>, HeaderMap)> {
        let mut content = Vec::new();
        loop {
            let size = usize::from_str_radix(&self.line().await?, 16).unwrap();
            if size == 0 {
                break;
            }
            content.extend(self.take(size).await?);
            assert_eq!(self.line().await?, "");
        }
        let mut trailers = String::new();
        loop {
            let line = self.line().await?;
            if line.is_empty() {
                return Some((content, parsed(&trailers)));
            }
            trailers.push_str(&line);
            trailers.push_str("\r\n");
        }
    }

    async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(at) = self.buffer.windows(2).position(|two| two == b"\r\n") {
                let line = self.buffer.drain(..at + 2).take(at).collect();
                return Some(String::from_utf8(line).unwrap());
            }
            if !self.fill().await {
                return None;
            }
        }
    }

    pub(crate) async fn take(&mut self, length: usize) -> Option<Vec<u8>> {
        while self.buffer.len() < length {
            if !self.fill().await {
                return None;
            }
        }
        let rest = self.buffer.split_off(length);
        Some(std::mem::replace(&mut self.buffer, rest))
    }

    /// Whether there was more. A reset is an end too.
    pub(super) async fn fill(&mut self) -> bool {
        matches!(self.stream.read_buf(&mut self.buffer).await, Ok(read) if read > 0)
    }
}

fn parsed(lines: &str) -> HeaderMap {
    let mut fields = HeaderMap::new();
    for (name, value) in lines.lines().filter_map(|line| line.split_once(": ")) {
        fields.append(
            http::HeaderName::try_from(name).unwrap(),
            http::HeaderValue::try_from(value).unwrap(),
        );
    }
    fields
}
