//! Bytes on an HTTP/2 connection, counted above TLS.
//!
//! h2 does not tell whether a request that it has taken was written before the connection ended.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

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
}

impl CountingIo {
    pub(super) fn new(stream: Stream, counts: Rc<IoCounts>) -> Self {
        Self { stream, counts }
    }

    fn count_written(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(bytes)) = written {
            add(&self.counts.written, bytes);
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
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.count_written(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.count_written(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
