//! Content of any length that is made while it is sent.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Poll};

use axum::body::Bytes;
use http_body::{Frame, SizeHint};

/// A prime, so that no buffer size of anybody hides a lost or doubled piece.
const PERIOD: u64 = 251;

/// Bytes in a frame.
const PIECE: u64 = 16 << 10;

static PIECES: LazyLock<Bytes> = LazyLock::new(|| (0..PIECE + PERIOD).map(byte_at).collect());

/// The byte at this offset.
fn byte_at(offset: u64) -> u8 {
    // Below 251, so it fits.
    (offset % PERIOD) as u8
}

/// How the receiver learns where the content ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    Length,
    Chunked,
}

/// Deterministic content: the byte at offset `i` is `i % 251`.
#[derive(Debug)]
pub(super) struct Pattern {
    offset: u64,
    length: u64,
    framing: Framing,
}

impl Pattern {
    pub(super) fn new(length: u64, framing: Framing) -> Self {
        Self { offset: 0, length, framing }
    }
}

impl http_body::Body for Pattern {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let size = (self.length - self.offset).min(PIECE);
        if size == 0 {
            return Poll::Ready(None);
        }
        // Both are below 2^15.
        let (start, size_here) = ((self.offset % PERIOD) as usize, size as usize);
        self.offset += size;
        Poll::Ready(Some(Ok(Frame::data(PIECES.slice(start..start + size_here)))))
    }

    fn is_end_stream(&self) -> bool {
        self.offset == self.length
    }

    fn size_hint(&self) -> SizeHint {
        match self.framing {
            Framing::Length => SizeHint::with_exact(self.length - self.offset),
            Framing::Chunked => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn the_pattern_runs_on_over_the_borders_of_frames() {
        let length = 3 * PIECE + 17;
        let content = Pattern::new(length, Framing::Chunked).collect().await.unwrap().to_bytes();
        assert_eq!(content.len() as u64, length);
        assert!(content.iter().zip(0..).all(|(byte, offset)| *byte == byte_at(offset)));
    }
}
