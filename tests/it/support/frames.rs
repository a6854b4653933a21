//! HTTP/2 in its own frames, over a real socket: an upstream that does what no library would let it do.

use tokio::io::{AsyncRead, AsyncWrite};

use super::Wire;

/// Types of frames: RFC 9113 §6.
pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

/// Flags.
pub(crate) const ACK: u8 = 1;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
pub(crate) const PADDED: u8 = 8;

/// Settings: RFC 9113 §6.5.2.
pub(crate) const MAX_CONCURRENT_STREAMS: u16 = 3;
pub(crate) const INITIAL_WINDOW_SIZE: u16 = 4;

/// Error codes: RFC 9113 §7.
pub(crate) const NO_ERROR: u32 = 0;
pub(crate) const REFUSED_STREAM: u32 = 7;
pub(crate) const CANCEL: u32 = 8;
pub(crate) const ENHANCE_YOUR_CALM: u32 = 11;
pub(crate) const HTTP_1_1_REQUIRED: u32 = 13;

/// Field lines of responses: RFC 7541, appendix A.
pub(crate) const STATUS_200: &[u8] = &[0x88];
pub(crate) const STATUS_204: &[u8] = &[0x89];
/// ":status: 413" without indexing.
pub(crate) const STATUS_413: &[u8] = &[0x08, 0x03, b'4', b'1', b'3'];
/// ":status: 103" without indexing.
pub(crate) const STATUS_103: &[u8] = &[0x08, 0x03, b'1', b'0', b'3'];

/// "content-length" of one digit, without indexing.
pub(crate) fn content_length(digit: u8) -> [u8; 4] {
    [0x0f, 0x0d, 0x01, b'0' + digit]
}

/// A frame that has arrived.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

/// A request that has arrived whole.
#[derive(Debug)]
pub(crate) struct Arrived {
    pub(crate) stream: u32,
    pub(crate) content: String,
}

/// The upstream's end of an HTTP/2 connection.
pub(crate) struct Frames<S> {
    wire: Wire<S>,
    /// Content of requests that have not arrived whole.
    partial: std::collections::BTreeMap<u32, Vec<u8>>,
    /// Streams that the sidecar has reset, with the code.
    pub(crate) resets: Vec<(u32, u32)>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Frames<S> {
    /// Reads the client's preface. No SETTINGS are sent.
    pub(crate) async fn preface(stream: S) -> Self {
        let mut wire = Wire::new(stream);
        wire.take(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".len()).await;
        Self { wire, partial: Default::default(), resets: Vec::new() }
    }

    /// Reads the preface and sends these settings.
    pub(crate) async fn start(stream: S, settings: &[(u16, u32)]) -> Self {
        let mut frames = Self::preface(stream).await;
        frames.settings(settings).await;
        frames
    }

    pub(crate) async fn settings(&mut self, settings: &[(u16, u32)]) {
        let payload: Vec<u8> = settings
            .iter()
            .flat_map(|(name, value)| [&name.to_be_bytes()[..], &value.to_be_bytes()].concat())
            .collect();
        self.write(SETTINGS, 0, 0, &payload).await;
    }

    /// Writes a frame. The other side may have gone.
    pub(crate) async fn write(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let frame = [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat();
        self.wire.try_write(&frame).await;
    }

    pub(crate) async fn headers(&mut self, stream: u32, flags: u8, fields: &[&[u8]]) {
        self.write(HEADERS, flags | END_HEADERS, stream, &fields.concat()).await;
    }

    pub(crate) async fn data(&mut self, stream: u32, flags: u8, data: &[u8]) {
        self.write(DATA, flags, stream, data).await;
    }

    /// A 200 with this content.
    pub(crate) async fn answer(&mut self, stream: u32, content: &str) {
        self.headers(stream, 0, &[STATUS_200]).await;
        self.data(stream, END_STREAM, content.as_bytes()).await;
    }

    pub(crate) async fn reset(&mut self, stream: u32, code: u32) {
        self.write(RST_STREAM, 0, stream, &code.to_be_bytes()).await;
    }

    pub(crate) async fn go_away(&mut self, last: u32, code: u32) {
        let payload = [last.to_be_bytes(), code.to_be_bytes()].concat();
        self.write(GOAWAY, 0, 0, &payload).await;
    }

    /// Grants flow control; stream 0 is the connection.
    pub(crate) async fn window(&mut self, stream: u32, bytes: u32) {
        self.write(WINDOW_UPDATE, 0, stream, &bytes.to_be_bytes()).await;
    }

    /// The next frame. Settings and pings are acknowledged, resets noted.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        let head = self.wire.take(9).await?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let payload = self.wire.take(usize::try_from(length).unwrap()).await?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let frame = Frame { kind: head[3], flags: head[4], stream, payload };
        match (frame.kind, frame.flags & ACK) {
            (SETTINGS, 0) => self.write(SETTINGS, ACK, 0, &[]).await,
            (PING, 0) => self.write(PING, ACK, 0, &frame.payload).await,
            (RST_STREAM, _) => {
                let code = u32::from_be_bytes(frame.payload[..4].try_into().unwrap());
                self.resets.push((stream, code));
                self.partial.remove(&stream);
            }
            _ => {}
        }
        Some(frame)
    }

    /// The next request that arrives whole. Flow control is granted as content arrives.
    pub(crate) async fn request(&mut self) -> Option<Arrived> {
        loop {
            let frame = self.next().await?;
            let stream = frame.stream;
            match frame.kind {
                HEADERS => drop(self.partial.insert(stream, Vec::new())),
                DATA => {
                    let length = u32::try_from(frame.payload.len()).unwrap();
                    if length > 0 {
                        self.window(0, length).await;
                    }
                    if let Some(content) = self.partial.get_mut(&stream) {
                        content.extend(frame.payload);
                    }
                }
                _ => continue,
            }
            if frame.flags & END_STREAM != 0
                && let Some(content) = self.partial.remove(&stream)
            {
                return Some(Arrived { stream, content: String::from_utf8(content).unwrap() });
            }
        }
    }

    /// Closes this side in good order and reads on to the end of the other one.
    pub(crate) async fn close(mut self) {
        self.wire.shut_down().await;
        while self.next().await.is_some() {}
    }

    pub(crate) fn stream(&mut self) -> &mut S {
        self.wire.stream()
    }
}
