//! The way to the upstream: one pool of connections for each core, without a lock.
//!
//! Two facts decide whether a request may be sent again, and only a pool can know them: was the
//! connection used before, and did a byte of the request leave? `hyper_util::client::pool` (a cache,
//! a singleton and a negotiator of tower services) can be asked for neither, shares through
//! `Arc<Mutex>` what never leaves its core here, and keeps no times. So this pool stands directly on
//! `hyper::client::conn`.
//!
//! HTTP/1.1 connections rest in a stack: the one used last is the least likely to be closed. HTTP/2,
//! where ALPN gives it, is one connection that all requests of the core share, and a further one only
//! when the upstream takes no more requests at a time on it. The first connection is made by one
//! request for everybody, because until ALPN has spoken nobody knows whether a thousand waiting
//! requests need a thousand connections or one.

mod config;
mod connection;
mod content;
mod counted;
mod failure;
mod lease;
mod open;
mod progress;
mod traffic;

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tokio::sync::watch;
use tokio::task::spawn_local;

use super::connect::{ConnectError, Dial, Protocol, connect};
use super::origin::Origin;
use super::tls::{Alpn, Trust};
use crate::telemetry::Counters;
pub use config::Config;
use connection::{Shared, Single};
pub use content::Content;
pub use failure::{Cause, Exposure, Failure, Provenance};
use lease::{Lease, Sent};
use progress::Outgoing;

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
    idle: RefCell<Vec<Single<B>>>,
    /// The first one that takes requests gets them, so that the others are closed when they are not
    /// needed any more.
    shared: RefCell<Vec<Shared<B>>>,
    introduction: RefCell<Option<Introduction>>,
    reaping: Cell<bool>,
}

/// A connection being made for everybody who waits: `None` until it is known how it went.
type Introduction = watch::Receiver<Option<Result<(), ConnectError>>>;

/// How often a request that the connection gave back untouched is tried, and how often a connection
/// is looked for. A shared one can end between being found and being used.
const ATTEMPTS: usize = 5;

impl<B: RequestContent> Pool<B> {
    /// A pool without a connection; the first request makes one.
    pub fn new(config: Config, trust: Trust, counters: Arc<Counters>) -> Rc<Self> {
        Rc::new(Self {
            dial: config.dial(trust),
            config,
            counters,
            protocol: Cell::new(None),
            idle: RefCell::default(),
            shared: RefCell::default(),
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
    /// that a dead connection gave back untouched is sent on another one, whatever its method.
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
        let mut last = None;
        for _ in 0..ATTEMPTS {
            let lease = self.lease(freshness).await?;
            let provenance = lease.provenance();
            if provenance == Provenance::Reused {
                self.counters.reused();
            }
            let limit = self.config.response_timeout;
            match lease.send(request, progress.as_deref(), limit).await? {
                Sent::Answered(response) => return Ok(response),
                Sent::Returned(returned, failure) if provenance == Provenance::Reused => {
                    request = returned;
                    last = Some(failure);
                    // Where one resting connection was dead, its neighbours are likely to be.
                    freshness = Freshness::New;
                }
                Sent::Returned(_, failure) => return Err(failure),
            }
        }
        Err(last.unwrap_or_else(Failure::closed))
    }

    async fn lease(self: &Rc<Self>, freshness: Freshness) -> Result<Lease<B>, Failure> {
        let rests = || !self.idle.borrow().is_empty() || !self.shared.borrow().is_empty();
        if freshness == Freshness::Checked && rests() {
            // The runtime asks the kernel for news before it comes back to a task that has yielded:
            // a connection that the upstream has closed by now is seen to be closed.
            tokio::task::yield_now().await;
        }
        for _ in 0..ATTEMPTS {
            if let Some(shared) = self.current_shared() {
                // Where there is no further connection to be had, the request waits its turn.
                if !shared.is_full() || self.introduced().await.is_err() {
                    return Ok(Lease::shared(self, shared));
                }
                continue;
            }
            if freshness != Freshness::New
                && let Some(single) = self.rested()
            {
                return Ok(Lease::single(self, single));
            }
            if self.protocol.get() != Some(Protocol::Http1) {
                self.introduced().await?;
                continue;
            }
            let connection = connect(&self.dial, Alpn::Http2OrHttp1).await?;
            match connection.protocol() {
                Protocol::Http1 => {
                    return Ok(Lease::single(self, self.single(connection).await?));
                }
                Protocol::Http2 => self.share(connection).await?,
            }
        }
        match self.current_shared() {
            Some(shared) => Ok(Lease::shared(self, shared)),
            None => Err(Failure::closed()),
        }
    }

    /// A shared connection that takes a request, or a full one if all are full. One past its age is
    /// replaced behind the scenes and serves until then; one that nobody used for long is not trusted.
    fn current_shared(self: &Rc<Self>) -> Option<Shared<B>> {
        let mut all = self.shared.borrow_mut();
        all.retain(|shared| self.is_trusted(shared));
        let shared = all.iter().find(|shared| !shared.is_full()).or(all.first())?;
        if shared.born().elapsed() > self.config.max_age {
            self.introduce();
        }
        shared.touch();
        Some(shared.clone())
    }

    fn is_trusted(&self, shared: &Shared<B>) -> bool {
        !shared.is_closed() && shared.last_use().elapsed() <= self.config.idle_timeout
    }

    /// The connection used last, if it is young and alive.
    fn rested(&self) -> Option<Single<B>> {
        loop {
            let single = self.idle.borrow_mut().pop()?;
            if self.is_usable(&single) {
                return Some(single);
            }
        }
    }

    fn is_usable(&self, single: &Single<B>) -> bool {
        single.is_ready()
            && single.last_use().elapsed() <= self.config.idle_timeout
            && single.born().elapsed() <= self.config.max_age
    }

    /// Waits for the one connection that is being made for everybody, making it if nobody does.
    async fn introduced(self: &Rc<Self>) -> Result<(), Failure> {
        let mut introduction = self.introduce();
        match introduction.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(Err(error))) => Err(error.clone().into()),
            Ok(_) => Ok(()),
            Err(_) => Err(Failure::closed()),
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
    fn rest(self: &Rc<Self>, single: Single<B>) {
        single.touch();
        if self.is_usable(&single) {
            self.idle.borrow_mut().push(single);
            self.reap();
        }
    }

    /// Forgets all shared connections when one has died: where one is dead, its neighbours are likely
    /// to be, and a second attempt must not meet another one. Requests on them go on.
    fn retire(&self, dead: &Shared<B>) {
        if dead.die() {
            self.shared.borrow_mut().clear();
        }
    }

    /// Closes connections that nobody has used for the idle time, so that the upstream need not.
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

    /// Drops what is too old or closed, and returns how many connections are left at rest.
    fn purge(&self) -> usize {
        self.idle.borrow_mut().retain(|single| self.is_usable(single));
        let mut shared = self.shared.borrow_mut();
        shared.retain(|shared| self.is_trusted(shared));
        self.idle.borrow().len() + shared.len()
    }
}
