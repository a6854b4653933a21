//! The content of a response, which holds its connection until it has ended.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::failure::Provenance;
use super::http1::Http1Conn;
use super::http2::ResponseStream;
use super::{Pool, RequestContent};

/// Content as it arrives. Its end gives an HTTP/1.1 connection back to the pool; dropping it before
/// closes that connection, because what is left of the response is in the way of the next one. On
/// HTTP/2 dropping it resets the stream.
#[derive(Debug)]
pub struct Content<B> {
    source: Source<B>,
    provenance: Provenance,
}

#[derive(Debug)]
enum Source<B> {
    /// The content, and the connection with the pool that it goes back to.
    Http1(Incoming, Option<(Rc<Pool<B>>, Http1Conn<B>)>),
    Http2(ResponseStream),
}

/// Why content ended early.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    /// Over HTTP/1.1.
    #[error(transparent)]
    Http1(#[from] hyper::Error),
    /// Over HTTP/2.
    #[error(transparent)]
    Http2(#[from] h2::Error),
}

impl<B: RequestContent> Content<B> {
    pub(super) fn http1(
        incoming: Incoming,
        pool: Rc<Pool<B>>,
        connection: Http1Conn<B>,
        provenance: Provenance,
    ) -> Self {
        let source = Source::Http1(incoming, Some((pool, connection)));
        let mut content = Self { source, provenance };
        if content.is_end_stream() {
            content.give_back();
        }
        content
    }

    pub(super) fn http2(stream: ResponseStream, provenance: Provenance) -> Self {
        Self { source: Source::Http2(stream), provenance }
    }

    /// Whether the connection had served before.
    pub fn provenance(&self) -> Provenance {
        self.provenance
    }

    fn give_back(&mut self) {
        if let Source::Http1(_, held) = &mut self.source
            && let Some((pool, connection)) = held.take()
        {
            connection.give_back(pool);
        }
    }
}

impl<B: RequestContent> Body for Content<B> {
    type Data = Bytes;
    type Error = ContentError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ContentError>>> {
        let frame = match &mut self.source {
            Source::Http2(stream) => {
                return Pin::new(stream).poll_frame(cx).map_err(ContentError::Http2);
            }
            Source::Http1(incoming, _) => Pin::new(incoming).poll_frame(cx),
        };
        match &frame {
            Poll::Ready(None) => self.give_back(),
            Poll::Ready(Some(Ok(_))) if self.is_end_stream() => self.give_back(),
            Poll::Ready(Some(Err(_))) => {
                if let Source::Http1(_, held) = &mut self.source {
                    *held = None;
                }
            }
            Poll::Ready(Some(Ok(_))) | Poll::Pending => {}
        }
        frame.map_err(ContentError::Http1)
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Http1(incoming, _) => incoming.is_end_stream(),
            Source::Http2(stream) => stream.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Http1(incoming, _) => incoming.size_hint(),
            Source::Http2(stream) => stream.size_hint(),
        }
    }
}
