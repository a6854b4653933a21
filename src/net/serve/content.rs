//! The content of a caller's request, with a limit on its pauses.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

use crate::net::framing::Flaw;
use crate::telemetry::Counters;

/// Content as it arrives. The limit counts only while somebody waits for the caller: a slow upstream
/// is not the caller's fault.
#[derive(Debug)]
pub struct Content {
    incoming: Incoming,
    longest_pause: Duration,
    /// Made when the first pause begins: most content is there at once.
    timer: Option<Pin<Box<Sleep>>>,
    waiting: bool,
    ended: bool,
    leftover: Arc<Leftover>,
    counters: Arc<Counters>,
}

/// Whether content of the last request on a connection was left unread. Atomic because content may go
/// to another thread before it is dropped.
#[derive(Debug, Default)]
pub(super) struct Leftover(AtomicBool);

impl Leftover {
    pub(super) fn leave(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(super) fn forget(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    pub(super) fn is_there(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Why content did not arrive whole.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    /// The caller paused for too long.
    #[error("the caller paused for too long in the middle of its request")]
    Paused,
    /// The caller's connection broke.
    #[error("the caller's request broke off")]
    Broken(#[source] hyper::Error),
    /// The framing of the content is not acceptable.
    #[error("the caller's request is malformed: {0}")]
    Malformed(Flaw),
}

impl From<hyper::Error> for ContentError {
    fn from(error: hyper::Error) -> Self {
        Flaw::behind(&error).map_or(Self::Broken(error), Self::Malformed)
    }
}

impl Content {
    pub(super) fn new(
        incoming: Incoming,
        longest_pause: Duration,
        leftover: Arc<Leftover>,
        counters: Arc<Counters>,
    ) -> Self {
        let (timer, waiting, ended) = (None, false, false);
        Self { incoming, longest_pause, timer, waiting, ended, leftover, counters }
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
        self.ended = frame.is_none();
        if let Some(data) = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref()) {
            self.counters.received(data.len());
        }
        Poll::Ready(frame.map(|frame| frame.map_err(ContentError::from)))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl Drop for Content {
    fn drop(&mut self) {
        if !self.ended && !self.incoming.is_end_stream() {
            self.leftover.leave();
        }
    }
}
