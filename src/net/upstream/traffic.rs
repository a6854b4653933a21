//! Bytes on an upstream connection, counted where hyper cannot see.
//!
//! A request that hyper has taken may still be unsent when the connection dies, and a response may
//! have begun. Both decide whether the request may go out again. And a response is judged here before
//! hyper sees it; a connection that brought anything else is not used again.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::net::connect::Stream;
use crate::net::framing::{Asked, Limits, Responses};
use crate::net::screen::{Brought, Screen};

/// Bytes read and written so far, above TLS: a byte that TLS has taken counts as sent.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    read: Cell<u64>,
    written: Cell<u64>,
    /// What the request asks for whose first byte is written next.
    next: Cell<Option<Asked>>,
    spoilt: Cell<bool>,
}

/// The counts at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) read: u64,
    pub(super) written: u64,
}

impl Traffic {
    pub(super) fn now(&self) -> Reading {
        Reading { read: self.read.get(), written: self.written.get() }
    }

    /// A request is about to be sent.
    pub(super) fn announce(&self, asked: Asked) {
        self.next.set(Some(asked));
    }

    /// Whether the upstream has sent what is no answer.
    pub(super) fn is_spoilt(&self) -> bool {
        self.spoilt.get()
    }
}

/// A connection whose bytes are counted, and judged.
#[derive(Debug)]
pub(super) struct Metered {
    stream: Stream,
    traffic: Rc<Traffic>,
    screen: Screen<Responses>,
}

impl Metered {
    pub(super) fn new(stream: Stream, traffic: Rc<Traffic>, limits: Limits) -> Self {
        Self { stream, traffic, screen: Screen::new(Responses::new(limits)) }
    }

    /// What comes before a byte of the request was written is no answer to it.
    fn writing(&mut self) {
        if let Some(asked) = self.traffic.next.take() {
            self.screen.reader().expect(asked);
        }
    }

    fn wrote(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(bytes)) = written {
            add(&self.traffic.written, bytes);
        }
        written
    }
}

fn add(count: &Cell<u64>, bytes: usize) {
    count.set(count.get() + bytes as u64);
}

impl AsyncRead for Metered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { stream, traffic, screen } = &mut *self;
        let brought = screen.poll_read(stream, cx, buf, |bytes| add(&traffic.read, bytes));
        traffic.spoilt.set(screen.has_refused());
        match ready!(brought)? {
            Brought::Bytes | Brought::End => Poll::Ready(Ok(())),
            Brought::Refused(objection) => Poll::Ready(Err(objection.flaw.into_io())),
        }
    }
}

impl AsyncWrite for Metered {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.writing();
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.wrote(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.writing();
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.wrote(written)
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
