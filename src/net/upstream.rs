//! The way to the upstream: one pool of connections for each core, without a lock.
//!
//! Two facts decide whether a request may be sent again, and only a pool can know them: was the
//! connection used before, and did a byte of the request leave? `hyper_util::client::pool` (a cache,
//! a singleton and a negotiator of tower services) can be asked for neither, shares through
//! `Arc<Mutex>` what never leaves its core here, and keeps no times. So this pool stands directly on
//! `hyper::client::conn` for HTTP/1.1 and on `h2` for HTTP/2.
//!
//! Idle HTTP/1.1 connections are kept in a stack: the one used last is the least likely to be closed.
//! HTTP/2, where ALPN gives it, is one connection that all requests of the core share, and a further one
//! only when the upstream takes no more requests at a time on it. The first connection is made by one
//! request for everybody, because until ALPN has spoken nobody knows whether a thousand waiting
//! requests need a thousand connections or one.

mod checkout;
mod config;
mod conn_age;
mod content;
mod counted;
mod failure;
mod http1;
mod http2;
mod idle;
mod open;
mod progress;
mod signal;
mod traffic;

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::sync::Arc;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{Request, Response, Uri};
use http_body::Body;
use tokio::sync::watch;
use tokio::task::spawn_local;

use super::connect::{ConnectError, Dial, Protocol};
use super::origin::Origin;
use super::tls::{Alpn, Trust};
use crate::telemetry::Counters;
use checkout::Checkout;
pub use config::Config;
pub use content::{Content, ContentError};
pub use failure::{Cause, Exposure, Failure, Provenance};
use http1::{Http1Conn, SendOutcome};
use http2::{Http2Conn, SendError};
use idle::Idle;
use progress::Outgoing;
use signal::Signal;

/// What requests may carry as their content.
pub trait RequestContent:
    Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Unpin + 'static
{
}

impl<B> RequestContent for B
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
}

/// Which connections a request may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// Any that seems alive: a request that may be sent again loses little by a dead one.
    Any,
    /// One that the kernel still holds to be alive at this moment: for a request that may not.
    Checked,
    /// None that was used before: the second attempt of a request.
    New,
}

/// The connections of one core to the upstream; `B` is the content of requests.
#[derive(Debug)]
pub struct Pool<B> {
    config: Config,
    dial: Dial,
    counters: Arc<Counters>,
    /// What the upstream spoke last; unknown before the first connection.
    protocol: Cell<Option<Protocol>>,
    /// The upstream has asked for HTTP/1.1.
    requires_http1: Cell<bool>,
    idle: RefCell<Idle<B>>,
    /// The first one that takes requests gets them, so that the others are closed when they are not
    /// needed any more.
    shared: RefCell<Vec<Http2Conn>>,
    /// Requests at a time on a new HTTP/2 connection until the upstream announces its limit: one, or what it
    /// allowed on another connection.
    stream_limit: Cell<usize>,
    /// Told when a stream is free.
    capacity: Rc<Signal>,
    /// Requests over HTTP/2 that got a response.
    answered: Cell<u64>,
    introduction: RefCell<Option<Introduction>>,
    reaping: Cell<bool>,
}

/// A connection being made for everybody who waits: `None` until it is known how it went.
type Introduction = watch::Receiver<Option<Result<(), ConnectError>>>;

/// Largest head of a response, in bytes.
const MAX_RESPONSE_HEAD: usize = 64 << 10;

/// How often a request that an HTTP/1.1 connection gave back untouched is tried.
const ATTEMPTS: usize = 5;

impl<B: RequestContent> Pool<B> {
    /// A pool without a connection; the first request makes one.
    pub fn new(config: Config, trust: Trust, counters: Arc<Counters>) -> Rc<Self> {
        Rc::new(Self {
            dial: config.dial(trust),
            config,
            counters,
            protocol: Cell::new(None),
            requires_http1: Cell::new(false),
            idle: RefCell::default(),
            shared: RefCell::default(),
            stream_limit: Cell::new(1),
            capacity: Rc::default(),
            answered: Cell::new(0),
            introduction: RefCell::default(),
            reaping: Cell::new(false),
        })
    }

    /// Where the requests go.
    pub fn origin(&self) -> &Origin {
        &self.config.origin
    }

    /// Sends a request to the origin and waits for the head of the response.
    ///
    /// The request's target is in origin-form; the origin is added here and nowhere else. A request
    /// that a dead HTTP/1.1 connection gave back untouched is sent on another one, whatever its method.
    ///
    /// # Errors
    ///
    /// [`Failure`] tells whether the upstream may have seen the request.
    pub async fn forward(
        self: &Rc<Self>,
        request: Request<B>,
        mut freshness: Freshness,
    ) -> Result<Response<Content<B>>, Failure> {
        let (mut request, progress) = Outgoing::wrap(request);
        let limit = self.config.response_timeout;
        let mut last = None;
        for _ in 0..ATTEMPTS {
            let checkout = self.checkout(freshness).await?;
            let provenance = checkout.provenance();
            if provenance == Provenance::Reused {
                self.counters.reused();
            }
            let connection = match checkout {
                Checkout::Http1(connection) => connection,
                Checkout::Http2(connection, slot) => {
                    let origin = &self.config.origin;
                    let sent = connection.send(slot, request, origin, progress, limit).await;
                    return match sent {
                        Ok(response) => {
                            self.answered.set(self.answered.get() + 1);
                            Ok(response)
                        }
                        Err(error) => Err(self.failed(&connection, error)),
                    };
                }
            };
            match connection.send(Rc::clone(self), request, progress.as_deref(), limit).await? {
                SendOutcome::Answered(response) => return Ok(response),
                SendOutcome::NotSent(returned, failure) if provenance == Provenance::Reused => {
                    request = returned;
                    last = Some(failure);
                    // Where one idle connection was dead, its neighbours are likely to be.
                    freshness = Freshness::New;
                }
                SendOutcome::NotSent(_, failure) => return Err(failure),
            }
        }
        Err(last.unwrap_or_else(|| Failure::closed(ATTEMPTS)))
    }

    /// Keeps other requests from a connection over which this one has failed.
    fn failed(&self, connection: &Http2Conn, error: SendError) -> Failure {
        if error.requires_http1() && !self.requires_http1.replace(true) {
            tracing::info!("upstream requires HTTP/1.1; HTTP/2 is no longer offered");
        }
        if self.requires_http1.get() {
            self.protocol.set(Some(Protocol::Http1));
            self.shared.borrow_mut().clear();
        }
        // Where one connection is dead, its neighbours are likely to be, and a second attempt must not meet
        // another one. Requests on them go on.
        if error.is_of_connection() && connection.retire() {
            self.shared.borrow_mut().clear();
        }
        if error.is_useless() {
            self.shared.borrow_mut().retain(|shared| !shared.is_same(connection));
        }
        error.into_failure().after(self.answered.get())
    }

    /// Which protocols to offer on a new connection.
    fn alpn(&self) -> Alpn {
        if self.requires_http1.get() { Alpn::Http1 } else { Alpn::Http2OrHttp1 }
    }

    /// Waits for the one connection that is being made for everybody, making it if nobody does.
    async fn connected(self: &Rc<Self>) -> Result<(), Failure> {
        let mut introduction = self.introduce();
        match introduction.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(Err(error))) => Err(error.clone().into()),
            Ok(_) => Ok(()),
            Err(_) => Err(Failure::closed(1)),
        }
    }

    /// The connection being made; made in a task of its own, so that no caller who leaves takes it
    /// away from the others.
    fn introduce(self: &Rc<Self>) -> Introduction {
        let mut slot = self.introduction.borrow_mut();
        // One whose task has ended without a word, by a panic, is no longer being made.
        if let Some(running) = &*slot
            && running.has_changed().is_ok()
        {
            return running.clone();
        }
        let (done, introduction) = watch::channel(None);
        *slot = Some(introduction.clone());
        let pool = Rc::clone(self);
        spawn_local(async move {
            let outcome = pool.open().await;
            pool.introduction.borrow_mut().take();
            done.send_replace(Some(outcome));
        });
        introduction
    }

    /// Takes a connection back after a response has ended on it.
    fn put_back(self: &Rc<Self>, connection: Http1Conn<B>) {
        connection.rest();
        let has_room = self.idle.borrow().len() < self.config.max_idle;
        if has_room && connection.is_usable(&self.config) {
            self.idle.borrow_mut().push(connection);
            self.reap();
        }
    }

    /// Closes connections that were not used for the idle time, so that the upstream need not.
    fn reap(self: &Rc<Self>) {
        if self.reaping.replace(true) {
            return;
        }
        let pool = Rc::downgrade(self);
        let pause = self.config.idle_timeout / 2;
        spawn_local(async move {
            loop {
                tokio::time::sleep(pause).await;
                let Some(pool) = Weak::upgrade(&pool) else { return };
                if pool.purge() == 0 {
                    pool.reaping.set(false);
                    return;
                }
            }
        });
    }

    /// Drops what is too old or closed, and returns how many connections are left idle.
    fn purge(&self) -> usize {
        self.idle.borrow_mut().retain(|connection| connection.is_usable(&self.config));
        let mut shared = self.shared.borrow_mut();
        shared.retain(|shared| self.is_trusted(shared));
        self.idle.borrow().len() + shared.len()
    }
}

/// The path and query of a request.
fn target(uri: &Uri) -> PathAndQuery {
    uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"))
}
