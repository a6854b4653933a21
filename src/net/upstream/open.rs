//! New connections: what is said first on them, and what they may cost.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::task::spawn_local;

use super::connection::{Limit, Shared, Single};
use super::counted::Counted;
use super::failure::{Exposure, Failure, Provenance};
use super::traffic::{Metered, Traffic};
use super::{Pool, RequestContent};
use crate::net::connect::{ConnectError, Connection, Protocol, connect};
use crate::net::framing::Limits;
use crate::net::tls::Alpn;

impl<B: RequestContent> Pool<B> {
    /// Makes a connection for whoever comes first, and learns what the upstream speaks.
    pub(super) async fn open(self: &Rc<Self>) -> Result<(), ConnectError> {
        let connection = connect(&self.dial, Alpn::Http2OrHttp1).await?;
        match connection.protocol() {
            Protocol::Http1 => {
                // The upstream has stopped speaking HTTP/2: a connection from before is past its age.
                self.shared.borrow_mut().clear();
                if let Ok(mut single) = self.single(connection).await
                    && single.ready().await
                {
                    self.rest(single);
                }
            }
            // A connection that ends within its handshake is found closed, or not found, by whoever
            // waits for it.
            Protocol::Http2 => drop(self.share(connection).await),
        }
        Ok(())
    }

    /// HTTP/1.1 on a new connection.
    pub(super) async fn single(&self, connection: Connection) -> Result<Single<B>, Failure> {
        self.protocol.set(Some(Protocol::Http1));
        let traffic = Rc::<Traffic>::default();
        let io = TokioIo::new(Metered::new(
            connection.into_stream(),
            Rc::clone(&traffic),
            RESPONSE_LIMITS,
        ));
        let (sender, connection) = http1::Builder::new()
            .max_header_size(MAX_RESPONSE_HEAD)
            .max_buf_size(BUFFER)
            .handshake(io)
            .await
            .map_err(|error| Failure::of(&error, Provenance::New, Exposure::Unprocessed))?;
        let counted = Counted::new(&self.counters);
        spawn_local(async move {
            let _counted = counted;
            if let Err(error) = connection.await {
                tracing::debug!(%error, "an upstream connection ended");
            }
        });
        Ok(Single::new(sender, traffic))
    }

    /// HTTP/2 on a new connection, which replaces those past their age.
    pub(super) async fn share(self: &Rc<Self>, connection: Connection) -> Result<(), Failure> {
        self.protocol.set(Some(Protocol::Http2));
        let io = TokioIo::new(connection.into_stream());
        // Until it tells otherwise, it allows what it allowed on another connection.
        let expected = self.shared.borrow().last().map(Shared::limit);
        let expected = expected.filter(|streams| *streams > 0).unwrap_or(INITIAL_STREAMS);
        let (sender, connection) = http2::Builder::new(Local)
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            // Callers who leave cost a reset each, and what the upstream had sent ahead comes in
            // afterwards. By default h2 takes a thousand such frames for an attack and ends the
            // connection under everybody else's requests.
            .max_local_error_reset_streams(None)
            .initial_max_send_streams(expected)
            .max_concurrent_reset_streams(REMEMBERED_RESETS)
            .max_send_buf_size(BUFFER)
            .max_header_list_size(MAX_RESPONSE_HEAD as u32)
            .keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT)
            .handshake(io)
            .await
            .map_err(|error| Failure::of(&error, Provenance::New, Exposure::Unprocessed))?;
        let connection = Rc::new(RefCell::new(connection));
        // The task that drives it must be the only one who keeps it alive: its end is how we learn that
        // it has ended.
        let asked = Rc::downgrade(&connection);
        let limit = Limit::new(move || {
            asked.upgrade().map_or(0, |connection| connection.borrow().current_max_send_streams())
        });
        let mut all = self.shared.borrow_mut();
        all.retain(|shared| shared.born().elapsed() <= self.config.max_age);
        all.push(Shared::new(sender, limit));
        drop(all);
        let counted = Counted::new(&self.counters);
        spawn_local(async move {
            let _counted = counted;
            let ended = poll_fn(|cx| Pin::new(&mut *connection.borrow_mut()).poll(cx));
            if let Err(error) = ended.await {
                tracing::debug!(%error, "an upstream connection ended");
            }
        });
        self.reap();
        Ok(())
    }
}

/// Largest head of a response, in bytes.
const MAX_RESPONSE_HEAD: usize = 64 << 10;

/// What the head of a response may cost over HTTP/1.1. It has no target.
const RESPONSE_LIMITS: Limits = Limits { head: MAX_RESPONSE_HEAD, fields: 100, target: 0 };

/// Bytes buffered for each HTTP/1.1 connection and direction, and for each HTTP/2 stream sent.
const BUFFER: usize = 64 << 10;

/// Requests at a time until the upstream tells: the least that RFC 9113 §6.5.2 recommends.
const INITIAL_STREAMS: usize = 100;

/// What the upstream may send ahead on one stream, and so the memory that a slow caller can cost:
/// 1.3 MB/s at a round trip of 100 ms.
const STREAM_WINDOW: u32 = 128 << 10;

/// What it may send ahead on all streams together: the windows of 8,192 streams, more than there are
/// connections of callers. If it were less, a few callers who stop reading would use it up, and
/// nothing would come in for anybody else.
const CONNECTION_WINDOW: u32 = 8_192 * STREAM_WINDOW;

/// Streams that were reset a moment ago and whose late frames are dropped without a word.
const REMEMBERED_RESETS: usize = 1_024;

/// A shared connection with requests on it that is silent for so long is asked whether it lives, …
const PING_INTERVAL: Duration = Duration::from_secs(15);

/// … and given up when it says nothing for so long.
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// Runs hyper's HTTP/2 tasks on the core that owns the pool.
#[derive(Clone, Copy, Debug)]
struct Local;

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for Local {
    fn execute(&self, future: F) {
        spawn_local(future);
    }
}
