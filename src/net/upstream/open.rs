//! Opens upstream connections and sets their limits.

use std::rc::Rc;

use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::task::spawn_local;

use super::counted::Counted;
use super::failure::{Cause, Exposure, Failure, Provenance};
use super::http1::Http1Conn;
use super::http2;
use super::traffic::{Metered, Traffic};
use super::{MAX_RESPONSE_HEAD, Pool, RequestContent};
use crate::net::connect::{ConnectError, Connection, Protocol, connect};
use crate::net::framing::Limits;

impl<B: RequestContent> Pool<B> {
    /// Opens a connection for the request that comes first, and learns which protocol the upstream speaks.
    pub(super) async fn open(self: &Rc<Self>) -> Result<(), ConnectError> {
        let connection = connect(&self.dial, self.alpn()).await?;
        match connection.protocol() {
            Protocol::Http1 => {
                // The upstream has stopped speaking HTTP/2: a connection from before is past its age.
                self.shared.borrow_mut().clear();
                if let Ok(mut connection) = self.open_http1(connection).await
                    && connection.ready().await
                {
                    self.put_back(connection);
                }
            }
            // A connection that ends within its handshake is found closed, or not found, by those who wait
            // for it.
            Protocol::Http2 => drop(self.open_http2(connection).await),
        }
        Ok(())
    }

    /// Starts HTTP/1.1 on a new connection.
    pub(super) async fn open_http1(&self, connection: Connection) -> Result<Http1Conn<B>, Failure> {
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
            .map_err(|error| Failure::http1(&error, Provenance::New, Exposure::Unprocessed))?;
        let counted = Counted::new(&self.counters);
        spawn_local(async move {
            let _counted = counted;
            if let Err(error) = connection.await {
                tracing::debug!(%error, "an upstream connection ended");
            }
        });
        Ok(Http1Conn::new(sender, traffic))
    }

    /// Starts HTTP/2 on a new connection, which replaces those past their age.
    pub(super) async fn open_http2(self: &Rc<Self>, connection: Connection) -> Result<(), Failure> {
        self.protocol.set(Some(Protocol::Http2));
        let counted = Counted::new(&self.counters);
        let limits = http2::Limits {
            streams: self.stream_limit.get(),
            window: self.config.memory.stream_window(),
        };
        let opened =
            http2::connect(connection.into_stream(), limits, &self.capacity, counted).await;
        let opened = opened.map_err(|error| {
            let cause = Cause::Closed(error.to_string());
            Failure::new(cause, Provenance::New, Exposure::Unprocessed)
        })?;
        let mut all = self.shared.borrow_mut();
        all.retain(|shared| !shared.age().is_old(&self.config));
        all.push(opened);
        drop(all);
        self.reap();
        Ok(())
    }
}

/// What the head of a response may cost over HTTP/1.1. It has no target.
const RESPONSE_LIMITS: Limits = Limits { head: MAX_RESPONSE_HEAD, fields: 256, target: 0 };

/// Bytes buffered for each HTTP/1.1 connection and direction.
const BUFFER: usize = 64 << 10;
