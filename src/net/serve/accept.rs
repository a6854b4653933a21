//! Listeners and callers of either kind.
//!
//! They are told apart when they are used and not by a type parameter: everything that serves a connection, with
//! hyper in it, would be in the program twice.

use std::io;

use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio_util::either::Either;

use crate::account::{Account, Gid, Uid};
use crate::net::listen::Socket;
use crate::net::memory::Budget;

/// A listener of either kind.
pub(super) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    pub(super) fn new(socket: Socket) -> io::Result<Self> {
        Ok(match socket {
            Socket::Tcp(socket) => Self::Tcp(TcpListener::from_std(socket)?),
            Socket::Unix(socket) => Self::Unix(UnixListener::from_std(socket)?),
        })
    }

    /// A connection, and the account at its other end where the kernel tells it.
    pub(super) async fn accept(&self) -> io::Result<(Stream, Option<Account>)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                // An answer is one write; waiting to fill a segment only adds delay.
                stream.set_nodelay(true)?;
                Ok((Either::Left(stream), None))
            }
            Self::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                let told = stream.peer_cred().ok();
                let account =
                    told.map(|told| Account { uid: Uid(told.uid()), gid: Gid(told.gid()) });
                Ok((Either::Right(stream), account))
            }
        }
    }
}

/// A connection of either kind.
pub(super) type Stream = Either<TcpStream, UnixStream>;

/// Errors of one connection that was gone before it was accepted; the next one may be fine.
pub(super) fn is_caller_trouble(error: &io::Error) -> bool {
    use io::ErrorKind as E;
    matches!(
        error.kind(),
        E::ConnectionAborted | E::ConnectionReset | E::ConnectionRefused | E::InvalidInput
    )
}

/// Where memory is limited, lets the kernel keep little for a caller that does not read. Its buffers count
/// towards the memory limit of a container, and grow to megabytes by themselves.
pub(super) fn bound_send_buffer(stream: &Stream, memory: &Budget) {
    let Some(bytes) = memory.content() else { return };
    let socket = match stream {
        Either::Left(tcp) => SockRef::from(tcp),
        Either::Right(unix) => SockRef::from(unix),
    };
    // A connection that has ended by now finds that out by itself.
    socket.set_send_buffer_size(bytes).ok();
}
