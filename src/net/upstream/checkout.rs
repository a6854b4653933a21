//! Finds a connection for one request: reused, shared, or new.

use std::rc::Rc;

use tokio::time::{Instant, timeout_at};

use super::failure::{Failure, Provenance};
use super::http1::Http1Conn;
use super::http2::{Http2Conn, Room, Slot};
use super::{Freshness, Pool, RequestContent};
use crate::net::connect::{Protocol, connect};

/// A connection that one request may use once.
pub(super) enum Checkout<B> {
    Http1(Http1Conn<B>),
    Http2(Http2Conn, Slot),
}

/// What an HTTP/2 connection says to a request.
enum Shared {
    /// It takes it.
    Free(Http2Conn),
    /// All are busy; a further one would help.
    Full,
    /// One has not told yet how many requests it takes, or takes none; a further one would not help.
    Unknown,
    /// There is none.
    None,
}

/// How often a connection that has just been made may be gone before it is used.
const DEAD_CONNECTIONS: usize = 5;

/// The least that RFC 9113 §6.5.2 recommends as a limit: no more is assumed before SETTINGS arrive.
const MOST_ASSUMED_STREAMS: usize = 100;

impl<B: RequestContent> Pool<B> {
    /// Finds a connection that takes a request now, or makes one. A request waits for a free stream as long
    /// as it would wait for a response.
    pub(super) async fn checkout(
        self: &Rc<Self>,
        freshness: Freshness,
    ) -> Result<Checkout<B>, Failure> {
        if freshness != Freshness::Any && self.has_connections() {
            // The runtime asks the kernel for news before it comes back to a task that has yielded: a
            // connection that the upstream has closed by now is seen to be closed.
            tokio::task::yield_now().await;
        }
        let (mut deadline, mut dead) = (None, 0);
        while dead < DEAD_CONNECTIONS {
            match self.shared() {
                Shared::Free(connection) => {
                    let slot = connection.slot();
                    return Ok(Checkout::Http2(connection, slot));
                }
                room @ (Shared::Full | Shared::Unknown) => {
                    let deadline = *deadline
                        .get_or_insert_with(|| Instant::now() + self.config.response_timeout);
                    let change = self.change(matches!(room, Shared::Full));
                    if timeout_at(deadline, change).await.is_err() {
                        return Err(Failure::no_capacity());
                    }
                    continue;
                }
                Shared::None => {}
            }
            if let Some(connection) = self.idle_http1(freshness) {
                return Ok(Checkout::Http1(connection));
            }
            if self.protocol.get() == Some(Protocol::Http1) {
                let connection = connect(&self.dial, self.alpn()).await?;
                match connection.protocol() {
                    Protocol::Http1 => {
                        return Ok(Checkout::Http1(self.open_http1(connection).await?));
                    }
                    Protocol::Http2 => self.open_http2(connection).await?,
                }
            } else {
                self.connected().await?;
            }
            dead += usize::from(!self.has_connections());
        }
        Err(Failure::closed(DEAD_CONNECTIONS))
    }

    fn has_connections(&self) -> bool {
        !self.idle.borrow().is_empty() || !self.shared.borrow().is_empty()
    }

    /// The first HTTP/2 connection that takes a request. One past its age is replaced in the background and
    /// serves until then; one that was not used for long is not trusted.
    fn shared(self: &Rc<Self>) -> Shared {
        let mut all = self.shared.borrow_mut();
        all.retain(|shared| self.is_trusted(shared));
        let mut found = Shared::None;
        for connection in &*all {
            match connection.room() {
                Room::Free => {
                    if let Some(limit) = connection.limit() {
                        self.stream_limit.set(limit.clamp(1, MOST_ASSUMED_STREAMS));
                    }
                    if connection.age().is_old(&self.config) {
                        self.introduce();
                    }
                    connection.age().touch();
                    return Shared::Free(connection.clone());
                }
                Room::Unknown => found = Shared::Unknown,
                Room::Full if matches!(found, Shared::None) => found = Shared::Full,
                Room::Full => {}
            }
        }
        found
    }

    /// Waits until a stream may be free. Where all connections are busy, a further one is made meanwhile; if
    /// that fails, the ones that work are waited for.
    async fn change(self: &Rc<Self>, make_another: bool) {
        let freed = self.capacity.notified();
        if !make_another {
            return freed.await;
        }
        let made = async {
            if self.connected().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = freed => {}
            () = made => {}
        }
    }

    pub(super) fn is_trusted(&self, shared: &Http2Conn) -> bool {
        !shared.is_closed() && !shared.age().is_stale(&self.config)
    }

    /// The HTTP/1.1 connection used last, if it is young and alive.
    fn idle_http1(&self, freshness: Freshness) -> Option<Http1Conn<B>> {
        loop {
            let connection = self.idle.borrow_mut().pop(freshness)?;
            if connection.is_usable(&self.config) {
                return Some(connection);
            }
        }
    }
}

impl<B> Checkout<B> {
    pub(super) fn provenance(&self) -> Provenance {
        match self {
            Self::Http1(connection) => connection.age().provenance(),
            Self::Http2(connection, _) => connection.age().provenance(),
        }
    }
}
