//! Bytes on an HTTP/2 connection, counted above TLS.
//!
//! h2 does not tell whether a request that it has taken was written before the connection ended. And it ends
//! a connection at the first error, so a write that fails would hide what the upstream has said before: a
//! GOAWAY that tells which requests were not processed. So such an error is kept from h2, which reads on to
//! the end of the connection.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::net::connect::Stream;

/// Bytes read and written so far. A byte that TLS has taken counts as written.
#[derive(Debug, Default)]
pub(super) struct IoCounts {
    read: Cell<u64>,
    written: Cell<u64>,
}

impl IoCounts {
    pub(super) fn read(&self) -> u64 {
        self.read.get()
    }

    pub(super) fn written(&self) -> u64 {
        self.written.get()
    }
}

/// A connection whose bytes are counted.
#[derive(Debug)]
pub(super) struct CountingIo {
    stream: Stream,
    counts: Rc<IoCounts>,
    /// Nothing can be written any more. What h2 writes is taken, and goes nowhere.
    is_broken: bool,
}

impl CountingIo {
    pub(super) fn new(stream: Stream, counts: Rc<IoCounts>) -> Self {
        Self { stream, counts, is_broken: false }
    }

    /// Counts what was written of `length` bytes.
    fn poll_wrote(
        &mut self,
        written: Poll<io::Result<usize>>,
        length: usize,
    ) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(Ok(bytes)) => add(&self.counts.written, bytes),
            Poll::Ready(Err(_)) => {
                self.is_broken = true;
                return Poll::Ready(Ok(length));
            }
            Poll::Pending => {}
        }
        written
    }
}

fn add(count: &Cell<u64>, bytes: usize) {
    count.set(count.get() + bytes as u64);
}

impl AsyncRead for CountingIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        add(&self.counts.read, buf.filled().len() - before);
        polled
    }
}

impl AsyncWrite for CountingIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.is_broken {
            return Poll::Ready(Ok(buf.len()));
        }
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.poll_wrote(written, buf.len())
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let length = bufs.iter().map(|buf| buf.len()).sum();
        if self.is_broken {
            return Poll::Ready(Ok(length));
        }
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.poll_wrote(written, length)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.is_broken {
            self.is_broken = ready!(Pin::new(&mut self.stream).poll_flush(cx)).is_err();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_broken {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
