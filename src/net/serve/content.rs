//! The content of a caller's request, with a limit on its pauses.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

/// Content as it arrives. The limit counts only while somebody waits for the caller: a slow upstream
/// is not the caller's fault.
#[derive(Debug)]
pub struct Content {
    incoming: Incoming,
    longest_pause: Duration,
    /// Made when the first pause begins: most content is there at once.
    timer: Option<Pin<Box<Sleep>>>,
    waiting: bool,
}

/// Why content did not arrive whole.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    /// The caller paused for too long.
    #[error("the caller paused for too long in the middle of its request")]
    Paused,
    /// The caller's connection broke, or its framing did.
    #[error("the caller's request broke off")]
    Broken(#[source] hyper::Error),
}

impl Content {
    pub(super) fn new(incoming: Incoming, longest_pause: Duration) -> Self {
        Self { incoming, longest_pause, timer: None, waiting: false }
    }

    fn poll_pause(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let deadline = || Instant::now() + self.longest_pause;
        match &mut self.timer {
            Some(timer) if !self.waiting => timer.as_mut().reset(deadline()),
            Some(_) => {}
            None => self.timer = Some(Box::pin(tokio::time::sleep_until(deadline()))),
        }
        self.waiting = true;
        match &mut self.timer {
            Some(timer) => timer.as_mut().poll(cx),
            None => Poll::Pending,
        }
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = ContentError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ContentError>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(cx) else {
            ready!(self.poll_pause(cx));
            return Poll::Ready(Some(Err(ContentError::Paused)));
        };
        self.waiting = false;
        Poll::Ready(frame.map(|frame| frame.map_err(ContentError::Broken)))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
