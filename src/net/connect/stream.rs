//! The bytes of an outgoing connection.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;

use crate::net::descriptors::Slot;

/// What a connection is read from and written to. It has a descriptor for as long as it lives.
#[derive(Debug)]
pub struct Stream {
    io: Io,
    _slot: Slot,
    /// Most bytes that one read brings; none without a limit of memory.
    read: Option<usize>,
}

/// TLS, or plain TCP.
pub(super) type Io = Either<Box<TlsStream<TcpStream>>, TcpStream>;

impl Stream {
    pub(super) fn new(io: Io, slot: Slot) -> Self {
        Self { io, _slot: slot, read: None }
    }

    /// Bounds what one read brings, which is how large hyper's buffers grow, and what the kernel keeps
    /// for a connection that is not read. Not for HTTP/2: there all streams share one connection, which
    /// is always read, and each has a window of its own.
    pub(super) fn bound(&mut self, bytes: usize) {
        let socket = match &self.io {
            Either::Left(tls) => SockRef::from(tls.get_ref().0),
            Either::Right(tcp) => SockRef::from(tcp),
        };
        // A connection that has ended by now finds that out by itself.
        socket.set_recv_buffer_size(2 * bytes).ok();
        self.read = Some(bytes);
    }

    pub(super) fn io(&self) -> &Io {
        &self.io
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.read {
            Some(most) if buf.remaining() > most => {
                Pin::new(&mut (&mut self.io).take(most as u64)).poll_read(cx, buf)
            }
            _ => Pin::new(&mut self.io).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
