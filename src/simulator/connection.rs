//! Accepting connections, and cutting them when a fault says so.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;

use crate::simulator::front::{Cut, Front};

/// A peer that has not finished its TLS handshake by then is gone.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Rest after a failed accept, which mostly means that the file descriptors are used up.
const REST: Duration = Duration::from_millis(50);

/// Serves until it is aborted; the connections end with it.
pub(super) async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, front: Front) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    connections.spawn(serve(stream, peer, tls.clone(), front.clone()));
                }
                Err(_) => tokio::time::sleep(REST).await,
            },
            Some(_ended) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, peer: SocketAddr, tls: Option<TlsAcceptor>, front: Front) {
    // Without it a small answer may wait for the peer's delayed acknowledgement.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    match tls {
        None => exchange(Either::Left(stream), peer, front).await,
        Some(tls) => {
            if let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE, tls.accept(stream)).await {
                exchange(Either::Right(stream), peer, front).await;
            }
        }
    }
}

/// TCP, or TLS on it. A type parameter would mean two copies of HTTP in the program.
type Stream = Either<TcpStream, TlsStream<TcpStream>>;

/// Runs HTTP on the stream until the peer leaves or a fault cuts the connection: then the stream is
/// dropped as it stands, with no answer and no TLS close.
async fn exchange(stream: Stream, peer: SocketAddr, front: Front) {
    let cut = Arc::new(Notify::new());
    let service = service_fn(|request: hyper::Request<Incoming>| {
        let (front, cut) = (front.clone(), Arc::clone(&cut));
        async move {
            match front.answer(peer.ip(), request).await {
                Ok(response) => Ok(response),
                Err(Cut) => {
                    cut.notify_one();
                    Err(Cut)
                }
            }
        }
    });
    let mut server = auto::Builder::new(TokioExecutor::new());
    // A peer may abandon as many requests as it likes: what it has sent of them comes in late.
    server.http2().max_local_error_reset_streams(None);
    tokio::select! {
        // How a connection ended says nothing that the journal does not know.
        _ended = server.serve_connection(TokioIo::new(stream), service) => {}
        () = cut.notified() => {}
    }
}
