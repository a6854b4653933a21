//! The content of a response, which holds its connection until it has ended.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::lease::{Single, give_back};
use super::{Pool, RequestContent};

/// Content as it arrives. Its end gives an HTTP/1.1 connection back to the pool; dropping it before
/// closes that connection, because what is left of the response is in the way of the next one. On
/// HTTP/2 dropping it resets the stream.
#[derive(Debug)]
pub struct Content<B> {
    incoming: Incoming,
    held: Option<(Rc<Pool<B>>, Single<B>)>,
}

impl<B: RequestContent> Content<B> {
    pub(super) fn on_single(incoming: Incoming, pool: Rc<Pool<B>>, single: Single<B>) -> Self {
        let mut content = Self { incoming, held: Some((pool, single)) };
        content.release_at_end();
        content
    }

    pub(super) fn on_shared(incoming: Incoming) -> Self {
        Self { incoming, held: None }
    }

    fn release_at_end(&mut self) {
        if self.incoming.is_end_stream() {
            self.release();
        }
    }

    fn release(&mut self) {
        if let Some((pool, single)) = self.held.take() {
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
            Poll::Ready(Some(Err(_))) => self.held = None,
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
