//! A connection to the upstream, and what the pool must know of it.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;

use hyper::client::conn::{http1, http2};
use tokio::time::Instant;

use super::failure::Provenance;
use super::progress::Outgoing;
use super::traffic::Traffic;

/// When a connection was made and last used, and whether it has served.
#[derive(Debug)]
struct Times {
    born: Instant,
    last_use: Cell<Instant>,
    served: Cell<bool>,
}

impl Times {
    fn new() -> Self {
        let born = Instant::now();
        Self { born, last_use: Cell::new(born), served: Cell::new(false) }
    }

    fn serve(&self) -> Provenance {
        if self.served.replace(true) { Provenance::Reused } else { Provenance::New }
    }
}

/// An HTTP/1.1 connection: one request at a time.
#[derive(Debug)]
pub(super) struct Single<B> {
    pub(super) sender: http1::SendRequest<Outgoing<B>>,
    pub(super) traffic: Rc<Traffic>,
    times: Times,
}

impl<B> Single<B> {
    pub(super) fn new(sender: http1::SendRequest<Outgoing<B>>, traffic: Rc<Traffic>) -> Self {
        Self { sender, traffic, times: Times::new() }
    }

    /// Whether the last exchange is over and the next one may begin.
    pub(super) fn is_ready(&self) -> bool {
        self.sender.is_ready() && !self.sender.is_closed() && !self.traffic.is_spoilt()
    }

    /// Waits for that; a connection that closes instead never becomes ready.
    pub(super) async fn ready(&mut self) -> bool {
        self.sender.ready().await.is_ok()
    }

    /// Begins to serve a request, perhaps not the first one.
    pub(super) fn serve(&self) -> Provenance {
        self.times.serve()
    }

    pub(super) fn born(&self) -> Instant {
        self.times.born
    }

    pub(super) fn last_use(&self) -> Instant {
        self.times.last_use.get()
    }

    pub(super) fn touch(&self) {
        self.times.last_use.set(Instant::now());
    }
}

/// An HTTP/2 connection: many requests at a time.
#[derive(Debug)]
pub(super) struct Shared<B> {
    pub(super) sender: http2::SendRequest<Outgoing<B>>,
    usage: Rc<Usage>,
}

/// What all who share an HTTP/2 connection know of it.
#[derive(Debug)]
struct Usage {
    times: Times,
    streams: Cell<usize>,
    limit: Limit,
    died: Cell<bool>,
}

/// Asks how many requests at a time the upstream allows now.
pub(super) struct Limit(Box<dyn Fn() -> usize>);

impl Limit {
    pub(super) fn new(ask: impl Fn() -> usize + 'static) -> Self {
        Self(Box::new(ask))
    }
}

impl fmt::Debug for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Limit({})", (self.0)())
    }
}

/// The place of one exchange on an HTTP/2 connection, from its request to the end of its response.
#[derive(Debug)]
pub(super) struct Stream(Rc<Usage>);

impl<B> Clone for Shared<B> {
    fn clone(&self) -> Self {
        Self { sender: self.sender.clone(), usage: Rc::clone(&self.usage) }
    }
}

impl<B> Shared<B> {
    pub(super) fn new(sender: http2::SendRequest<Outgoing<B>>, limit: Limit) -> Self {
        let (streams, died) = (Cell::new(0), Cell::new(false));
        Self { sender, usage: Rc::new(Usage { times: Times::new(), streams, limit, died }) }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Whether the upstream takes no further request on it before another one has ended.
    pub(super) fn is_full(&self) -> bool {
        let streams = self.usage.streams.get();
        streams > 0 && streams >= self.limit()
    }

    /// How many requests at a time the upstream allows.
    pub(super) fn limit(&self) -> usize {
        (self.usage.limit.0)()
    }

    /// The place of a new exchange.
    pub(super) fn stream(&self) -> Stream {
        self.usage.streams.set(self.usage.streams.get() + 1);
        Stream(Rc::clone(&self.usage))
    }

    /// Notes that it is of no use any more; whether this is the first time.
    pub(super) fn die(&self) -> bool {
        !self.usage.died.replace(true)
    }

    /// Begins to serve a request, perhaps not the first one.
    pub(super) fn serve(&self) -> Provenance {
        self.usage.times.serve()
    }

    pub(super) fn born(&self) -> Instant {
        self.usage.times.born
    }

    pub(super) fn last_use(&self) -> Instant {
        self.usage.times.last_use.get()
    }

    pub(super) fn touch(&self) {
        self.usage.times.last_use.set(Instant::now());
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.0.streams.set(self.0.streams.get().saturating_sub(1));
    }
}
