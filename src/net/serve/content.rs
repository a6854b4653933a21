//! The content of a caller's request, with a limit on its pauses.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use tokio::runtime::Handle;
use tokio::time::{Instant, Sleep, timeout};

use crate::net::framing::Flaw;
use crate::telemetry::Counters;

/// Content as it arrives. The limit counts only while somebody waits for the caller: a slow upstream
/// is not the caller's fault.
#[derive(Debug)]
pub struct Content {
    /// Taken when it is dropped.
    incoming: Option<Incoming>,
    longest_pause: Duration,
    /// Made when the first pause begins: most content is there at once.
    timer: Option<Pin<Box<Sleep>>>,
    waiting: bool,
    ended: bool,
    reads_rest: bool,
    leftover: Arc<Leftover>,
    counters: Arc<Counters>,
}

/// Whether content of the last request on a connection was left unread, or is being read for nobody. Atomic
/// because content may go to another thread before it is dropped.
#[derive(Debug, Default)]
pub(super) struct Leftover {
    is_left: AtomicBool,
    is_being_read: AtomicBool,
}

impl Leftover {
    pub(super) fn leave(&self) {
        self.is_left.store(true, Ordering::Relaxed);
    }

    pub(super) fn forget(&self) {
        self.is_left.store(false, Ordering::Relaxed);
    }

    pub(super) fn is_there(&self) -> bool {
        self.is_left.load(Ordering::Relaxed) || self.is_being_read.load(Ordering::Relaxed)
    }

    fn set_being_read(&self, reading: bool) {
        self.is_being_read.store(reading, Ordering::Relaxed);
    }
}

/// Bytes of unwanted content that are read without a second thought: a new connection costs a local caller more.
const LONG_REST: u64 = 64 << 10;

/// Bytes that are read at most where no close was announced.
const LONGEST_REST: usize = 64 << 20;

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
        Self {
            incoming: Some(incoming),
            longest_pause,
            timer: None,
            waiting: false,
            ended: false,
            reads_rest: false,
            leftover,
            counters,
        }
    }

    /// The response has begun before the content has ended. From now on, dropping this reads the rest, so that
    /// the connection can carry the next request.
    pub fn read_rest_when_dropped(&mut self) {
        self.reads_rest = true;
    }

    /// Returns true if more content is known to follow than is worth reading where the upstream has refused it.
    pub fn has_long_rest(&self) -> bool {
        self.size_hint().exact().is_some_and(|rest| rest > LONG_REST)
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
        let Some(incoming) = &mut self.incoming else { return Poll::Ready(None) };
        let Poll::Ready(frame) = Pin::new(incoming).poll_frame(cx) else {
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
        self.incoming.as_ref().is_none_or(Incoming::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.as_ref().map(Incoming::size_hint).unwrap_or_default()
    }
}

impl Drop for Content {
    fn drop(&mut self) {
        if self.ended || self.is_end_stream() {
            return;
        }
        match (self.reads_rest, self.incoming.take(), Handle::try_current()) {
            (true, Some(incoming), Ok(runtime)) => {
                let (leftover, longest_pause) = (Arc::clone(&self.leftover), self.longest_pause);
                leftover.set_being_read(true);
                runtime.spawn(read_rest(incoming, longest_pause, leftover));
            }
            _ => self.leftover.leave(),
        }
    }
}

/// Reads unwanted content, as long as the caller does not pause for longer than `limit`.
async fn read_rest(incoming: Incoming, limit: Duration, leftover: Arc<Leftover>) {
    let mut rest = Limited::new(incoming, LONGEST_REST);
    let has_ended = loop {
        match timeout(limit, rest.frame()).await {
            Ok(Some(Ok(_))) => {}
            Ok(None) => break true,
            Ok(Some(Err(_))) | Err(_) => break false,
        }
    };
    if !has_ended {
        leftover.leave();
    }
    leftover.set_being_read(false);
}
