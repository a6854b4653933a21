//! Accepting from listeners of either kind.

use std::io;
use std::os::fd::AsFd;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};

use crate::account::{Account, Gid, Uid};

/// A listener of either kind.
pub(super) trait Listen: 'static {
    type Stream: AsyncRead + AsyncWrite + AsFd + Unpin + 'static;
    /// A connection, and the account at its other end where the kernel tells it.
    fn accept(&self) -> impl Future<Output = io::Result<(Self::Stream, Option<Account>)>>;
}

impl Listen for TcpListener {
    type Stream = tokio::net::TcpStream;

    async fn accept(&self) -> io::Result<(Self::Stream, Option<Account>)> {
        let (stream, _) = self.accept().await?;
        // An answer is one write; waiting to fill a segment only adds delay.
        stream.set_nodelay(true)?;
        Ok((stream, None))
    }
}

impl Listen for UnixListener {
    type Stream = tokio::net::UnixStream;

    async fn accept(&self) -> io::Result<(Self::Stream, Option<Account>)> {
        let (stream, _) = self.accept().await?;
        let told = stream.peer_cred().ok();
        let account = told.map(|told| Account { uid: Uid(told.uid()), gid: Gid(told.gid()) });
        Ok((stream, account))
    }
}

/// Errors of one connection that was gone before it was accepted; the next one may be fine.
pub(super) fn is_caller_trouble(error: &io::Error) -> bool {
    use io::ErrorKind as E;
    matches!(
        error.kind(),
        E::ConnectionAborted | E::ConnectionReset | E::ConnectionRefused | E::InvalidInput
    )
}
