//! The content of a response, which holds its connection until it has ended.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::connection::{Single, Stream};
use super::failure::Provenance;
use super::lease::give_back;
use super::{Pool, RequestContent};

/// Content as it arrives. Its end gives an HTTP/1.1 connection back to the pool; dropping it before
/// closes that connection, because what is left of the response is in the way of the next one. On
/// HTTP/2 dropping it resets the stream.
#[derive(Debug)]
pub struct Content<B> {
    incoming: Incoming,
    held: Held<B>,
    provenance: Provenance,
}

/// What lasts as long as the content.
#[derive(Debug)]
enum Held<B> {
    Nothing,
    /// The HTTP/1.1 connection, and where it goes afterwards.
    Single(Rc<Pool<B>>, Single<B>),
    /// The place on an HTTP/2 connection.
    Stream {
        _stream: Stream,
    },
}

impl<B: RequestContent> Content<B> {
    pub(super) fn on_single(
        incoming: Incoming,
        pool: Rc<Pool<B>>,
        single: Single<B>,
        provenance: Provenance,
    ) -> Self {
        let mut content = Self { incoming, held: Held::Single(pool, single), provenance };
        content.release_at_end();
        content
    }

    pub(super) fn on_shared(incoming: Incoming, stream: Stream, provenance: Provenance) -> Self {
        Self { incoming, held: Held::Stream { _stream: stream }, provenance }
    }

    /// Whether the connection had served before.
    pub fn provenance(&self) -> Provenance {
        self.provenance
    }

    fn release_at_end(&mut self) {
        if self.incoming.is_end_stream() {
            self.release();
        }
    }

    fn release(&mut self) {
        if let Held::Single(pool, single) = std::mem::replace(&mut self.held, Held::Nothing) {
            give_back(pool, single);
        }
    }
}

impl<B: RequestContent> Body for Content<B> {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = Pin::new(&mut self.incoming).poll_frame(cx);
        match &frame {
            Poll::Ready(None) => self.release(),
            Poll::Ready(Some(Ok(_))) => self.release_at_end(),
            Poll::Ready(Some(Err(_))) => self.held = Held::Nothing,
            Poll::Pending => {}
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
