//! An HTTP/2 connection to the upstream, shared by the requests of one core.
//!
//! It stands on the `h2` crate and not on `hyper::client::conn::http2`, because hyper hides what decides
//! whether a request may be sent again (which streams a GOAWAY covers, and whether the stream limit is
//! known yet) and takes RST_STREAM with NO_ERROR for the end of a response, so that half a response would
//! look complete.
//!
//! ```text
//! Http2Conn ──stream()──▶ Slot        one place below SETTINGS_MAX_CONCURRENT_STREAMS
//!     │ send                │ held by
//!     ▼                     ▼
//! Exchange ──▶ Upload (request content, may outlive the response) and ResponseStream (response content)
//! Driver: the task that reads and writes the connection, and pings a silent peer
//! ```

mod counting_io;
mod driver;
mod error;
mod exchange;
mod response_stream;
mod upload;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use h2::client::SendRequest;

use super::conn_age::ConnAge;
use super::failure::Provenance;
use super::signal::Signal;
use counting_io::IoCounts;
pub(super) use driver::{Limits, connect};
pub(super) use exchange::SendError;
pub(super) use response_stream::ResponseStream;

/// A connection that carries many requests at a time. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Http2Conn(Rc<State>);

#[derive(Debug)]
struct State {
    /// Only ever cloned to send: a handle that has sent a stream remembers it while it waits to be opened.
    sender: RefCell<SendRequest<Bytes>>,
    age: ConnAge,
    counts: Rc<IoCounts>,
    /// Streams in use, from the request to the end of both directions.
    streams: Cell<usize>,
    /// Streams that the upstream allows at a time. Kept by the driver, because h2 answers under a mutex.
    limit: Cell<usize>,
    /// The connection takes no further requests: it has ended, or a GOAWAY has arrived. Kept by the driver.
    is_closed: Cell<bool>,
    /// Streams at a time until the upstream has sent its SETTINGS.
    assumed: usize,
    /// Streams at a time that the upstream has shown to accept, where that is less than it announced.
    ceiling: Cell<usize>,
    retired: Cell<bool>,
    /// The connection ended with GOAWAY(HTTP_1_1_REQUIRED).
    requires_http1: Cell<bool>,
    /// Told when a stream is free again.
    capacity: Rc<Signal>,
}

/// Whether a connection takes another request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// It does.
    Free,
    /// Not before one of its streams ends.
    Full,
    /// Not before the upstream sends SETTINGS: they have not arrived yet, or they allow no stream at all.
    /// A further connection would help no better.
    Unknown,
}

/// A stream in use; dropping it frees the stream.
#[derive(Debug)]
pub(super) struct Slot(Rc<State>);

/// What h2 reports for the stream limit until SETTINGS arrive. SETTINGS without a limit make it
/// `usize::MAX`, so the two can be told apart.
const LIMIT_NOT_KNOWN: usize = usize::MAX - 1;

impl Http2Conn {
    /// Returns true if the connection takes no further requests: it has ended, or a GOAWAY has arrived.
    pub(super) fn is_closed(&self) -> bool {
        self.0.is_closed.get()
    }

    /// Returns whether a request can be sent now.
    pub(super) fn room(&self) -> Room {
        let streams = self.0.streams.get();
        match self.limit() {
            None if streams < self.0.assumed.min(self.0.ceiling.get()) => Room::Free,
            None => Room::Unknown,
            Some(limit) if streams < limit.min(self.0.ceiling.get()) => Room::Free,
            Some(_) if streams == 0 => Room::Unknown,
            Some(_) => Room::Full,
        }
    }

    /// The number of streams that the upstream allows at a time; `None` until its SETTINGS arrive.
    pub(super) fn limit(&self) -> Option<usize> {
        let limit = self.0.limit.get();
        (limit != LIMIT_NOT_KNOWN).then_some(limit)
    }

    /// Occupies a stream.
    pub(super) fn slot(&self) -> Slot {
        self.0.streams.set(self.0.streams.get() + 1);
        Slot(Rc::clone(&self.0))
    }

    pub(super) fn age(&self) -> &ConnAge {
        &self.0.age
    }

    pub(super) fn is_same(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }

    /// Takes the connection out of use. Returns true the first time.
    pub(super) fn retire(&self) -> bool {
        !self.0.retired.replace(true)
    }

    /// The upstream has refused a stream although it announced room for it: it gets no more at a time than
    /// it has accepted. Returns true if it is busy with others.
    fn refused(&self) -> bool {
        let others = self.0.streams.get().saturating_sub(1);
        self.0.ceiling.set(others.max(1));
        others > 0
    }

    /// The upstream has accepted a stream, so that a ceiling that a refusal left may rise again.
    fn accepted(&self) {
        self.0.ceiling.set(self.0.ceiling.get().saturating_add(1));
    }

    fn carry(&self) -> Provenance {
        self.0.age.carry()
    }
}

impl State {
    /// Takes over what the connection has told, and returns true if it is news.
    fn update(&self, limit: usize) -> bool {
        // h2 has no plain question for it; nothing ever waits on this waker.
        let mut cx = Context::from_waker(Waker::noop());
        let is_closed = matches!(self.sender.borrow_mut().poll_ready(&mut cx), Poll::Ready(Err(_)));
        let has_closed = is_closed && !self.is_closed.replace(is_closed);
        self.limit.replace(limit) != limit || has_closed
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let streams = &self.0.streams;
        streams.set(streams.get().saturating_sub(1));
        self.0.capacity.notify_one();
    }
}
