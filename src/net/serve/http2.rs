//! The answer to a caller that speaks HTTP/2 unasked ("with prior knowledge", RFC 9113 §3.3).
//!
//! To such a caller an answer in HTTP/1.1 is a broken frame, and it reports no word of it. So its first request is
//! answered with a few frames, and GOAWAY with HTTP_1_1_REQUIRED, whose debug data is the message. Nothing that it
//! sends is understood beyond the number of that request, and without a request the answer is in HTTP/1.1.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONNECTION;
use http::{HeaderMap, Response};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

/// Answers the first request of a caller that has `sent` this much, and says that there is no other.
pub(super) async fn turn_away<T: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut T,
    mut sent: Vec<u8>,
    answer: Response<Bytes>,
) {
    let first = timeout(PATIENCE, first_stream(stream, &mut sent)).await;
    let bytes = match first {
        Ok(Ok(Some(number))) => frames(number, &answer),
        _ => message(&answer),
    };
    // If the caller is gone, nobody misses the answer.
    stream.write_all(&bytes).await.ok();
}

/// How long the first request may take to arrive behind the preface.
const PATIENCE: Duration = Duration::from_secs(1);

/// Bytes that may stand before the first request.
const MOST: usize = 16 << 10;

/// RFC 9113 §3.4.
const PREFACE: usize = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".len();

/// Reads until the number of the first request is known, or there is none.
async fn first_stream<T: AsyncRead + Unpin>(
    stream: &mut T,
    sent: &mut Vec<u8>,
) -> io::Result<Option<u32>> {
    loop {
        match look(sent) {
            First::Is(number) => return Ok(Some(number)),
            First::Missing => return Ok(None),
            First::ToCome if sent.len() > MOST || stream.read_buf(sent).await? == 0 => {
                return Ok(None);
            }
            First::ToCome => {}
        }
    }
}

/// The first request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum First {
    /// On this stream.
    Is(u32),
    /// Not among the frames so far.
    ToCome,
    /// A caller that resets streams at once, or that opens none that exists, asks for nothing.
    Missing,
}

fn look(sent: &[u8]) -> First {
    let mut first = First::ToCome;
    let mut rest = sent.get(PREFACE..).unwrap_or_default();
    while let Some((&[high, middle, low, kind, _, stream @ ..], payload)) =
        rest.split_first_chunk::<9>()
    {
        let number = u32::from_be_bytes(stream) & LAST;
        match kind {
            RST_STREAM => return First::Missing,
            HEADERS if number == 0 => return First::Missing,
            HEADERS if first == First::ToCome => first = First::Is(number),
            _ => {}
        }
        let length = usize::try_from(u32::from_be_bytes([0, high, middle, low]));
        rest = length.ok().and_then(|length| payload.get(length..)).unwrap_or_default();
    }
    first
}

/// RFC 9113 §6.
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const HTTP_1_1_REQUIRED: u32 = 13;

/// The largest number of a stream.
const LAST: u32 = u32::MAX >> 1;

/// SETTINGS, which come first, the answer on this stream, and the end.
fn frames(number: u32, answer: &Response<Bytes>) -> Vec<u8> {
    let body = answer.body();
    let told = serde_json::from_slice::<Value>(body).unwrap_or_default();
    let told = told["message"].as_str().unwrap_or_default();
    let (last, error) = (number.to_be_bytes(), HTTP_1_1_REQUIRED.to_be_bytes());
    [
        frame(SETTINGS, 0, 0, &[]),
        frame(HEADERS, END_HEADERS, number, &block(answer)),
        frame(DATA, END_STREAM, number, body),
        frame(GOAWAY, 0, 0, &[&last[..], &error, told.as_bytes()].concat()),
    ]
    .concat()
}

/// The same in HTTP/1.1.
fn message(answer: &Response<Bytes>) -> Vec<u8> {
    let (status, body) = (answer.status(), answer.body());
    let mut bytes = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n", body.len()).into_bytes();
    for (name, value) in answer.headers() {
        bytes.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    bytes
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    // Nothing here is longer than three bytes can say.
    let [_, length @ ..] = u32::try_from(payload.len()).unwrap_or(0).to_be_bytes();
    [&length[..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Status and fields as literals without an index, RFC 7541 §6.2.2. Those of an answer of ours are short.
fn block(answer: &Response<Bytes>) -> Vec<u8> {
    let mut block = Vec::new();
    literal(":status", answer.status().as_str().as_bytes(), &mut block);
    let fields: &HeaderMap = answer.headers();
    for (name, value) in fields.iter().filter(|(name, _)| **name != CONNECTION) {
        literal(name.as_str(), value.as_bytes(), &mut block);
    }
    block
}

/// Lengths of more than seven bits would take more than a byte.
fn literal(name: &str, value: &[u8], block: &mut Vec<u8>) {
    let lengths = (u8::try_from(name.len()), u8::try_from(value.len()));
    if let (Ok(name_length @ ..0x7f), Ok(value_length @ ..0x7f)) = lengths {
        block.extend([0, name_length]);
        block.extend_from_slice(name.as_bytes());
        block.push(value_length);
        block.extend_from_slice(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRI: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

    #[test]
    fn the_first_request_is_found_behind_whatever_comes_before() {
        let settings = frame(SETTINGS, 0, 0, &[0; 18]);
        let update = frame(8, 0, 0, &[0; 4]);
        let headers = frame(HEADERS, 5, 3, &[0x82]);
        let sent = [PRI, &settings, &update, &headers, &frame(HEADERS, 5, 5, &[0x82])].concat();
        assert_eq!(look(&sent), First::Is(3));
        let begins = sent.len() - 20 + 9;
        for length in 0..sent.len() {
            let expected = if length < begins { First::ToCome } else { First::Is(3) };
            assert_eq!(look(&sent[..length]), expected, "{length}");
        }
    }

    #[test]
    fn who_resets_its_streams_asks_for_nothing() {
        let headers = frame(HEADERS, 5, 1, &[0x82]);
        let reset = frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]);
        assert_eq!(look(&[PRI, &headers, &reset].concat()), First::Missing);
        assert_eq!(look(&[PRI, &frame(HEADERS, 5, 0, &[0x82])].concat()), First::Missing);
    }

    #[test]
    fn both_protocols_have_status_and_message() {
        let mut answer = Response::new(Bytes::from_static(br#"{"message":"why"}"#));
        *answer.status_mut() = http::StatusCode::HTTP_VERSION_NOT_SUPPORTED;
        answer.headers_mut().insert(CONNECTION, http::HeaderValue::from_static("close"));
        let text = String::from_utf8(message(&answer)).unwrap();
        let head =
            "HTTP/1.1 505 HTTP Version Not Supported\r\ncontent-length: 17\r\nconnection: close";
        assert_eq!(text, format!("{head}\r\n\r\n{{\"message\":\"why\"}}"));
        let end = [&[0, 0, 0, 3][..], &[0, 0, 0, 13], b"why"].concat();
        let block = [&[0, 7][..], b":status", &[3], b"505"].concat();
        let expected = [
            frame(SETTINGS, 0, 0, &[]),
            frame(HEADERS, END_HEADERS, 3, &block),
            frame(DATA, END_STREAM, 3, answer.body()),
            frame(GOAWAY, 0, 0, &end),
        ];
        assert_eq!(frames(3, &answer), expected.concat());
    }
}
