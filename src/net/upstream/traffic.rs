//! Bytes on an upstream connection, counted where hyper cannot see.
//!
//! A request that hyper has taken may still be unsent when the connection dies, and a response may
//! have begun. Both decide whether the request may go out again. And a response is judged here before
//! hyper sees it; a connection that brought anything else is not used again.
//!
//! hyper ends a connection at the first error, in either direction. A server that refuses a large request
//! answers, and closes with most of the content unread: the next write fails while the answer waits to be
//! read. So an error is kept from hyper for as long as there is an answer to read, or the rest of a request
//! to take.

use std::cell::{Cell, RefCell};
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::net::connect::Stream;
use crate::net::framing::{Asked, Limits, Responses, Surplus};
use crate::net::screen::{Brought, Screen};

/// Bytes read and written so far, above TLS: a byte that TLS has taken counts as sent.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    read: Cell<u64>,
    written: Cell<u64>,
    /// What the request asks for whose first byte is written next.
    next: Cell<Option<Asked>>,
    /// From the first byte of a request until the connection rests again.
    busy: Cell<bool>,
    spoilt: Cell<bool>,
    suspect: Cell<bool>,
    late: Cell<bool>,
    /// Nobody waits any more for the connection to rest.
    given_up: Cell<bool>,
    /// Who learns of that.
    waiting: RefCell<Option<Waker>>,
    surplus: RefCell<Vec<Surplus>>,
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

    /// The last exchange is over, and the next one has not begun.
    pub(super) fn rest(&self) {
        self.busy.set(false);
    }

    /// The pool has no more use for the connection.
    pub(super) fn give_up(&self) {
        self.given_up.set(true);
        if let Some(waiting) = self.waiting.take() {
            waiting.wake();
        }
    }

    /// Whether nothing can be sent any more, or the upstream has sent what is no answer.
    pub(super) fn is_spoilt(&self) -> bool {
        self.spoilt.get()
    }

    /// Whether content may come late that belongs to the last answer, which must not have any.
    pub(super) fn is_suspect(&self) -> bool {
        self.suspect.get()
    }

    /// Whether such content came in place of an answer.
    pub(super) fn is_late(&self) -> bool {
        self.late.get()
    }

    /// The fields of the last head beyond those that hyper has read.
    pub(super) fn surplus(&self) -> Vec<Surplus> {
        self.surplus.take()
    }
}

/// A connection whose bytes are counted, and judged.
#[derive(Debug)]
pub(super) struct Metered {
    stream: Stream,
    traffic: Rc<Traffic>,
    screen: Screen<Responses>,
    /// What was written before the last request.
    before: u64,
    /// Why nothing can be sent any more.
    broken: Option<ErrorKind>,
}

impl Metered {
    pub(super) fn new(stream: Stream, traffic: Rc<Traffic>, limits: Limits) -> Self {
        let screen = Screen::new(Responses::new(limits));
        Self { stream, traffic, screen, before: 0, broken: None }
    }

    /// What comes before a byte of the request was written is no answer to it.
    fn writing(&mut self) {
        if let Some(asked) = self.traffic.next.take() {
            self.traffic.busy.set(true);
            self.before = self.traffic.written.get();
            self.screen.reader().expect(asked);
        }
    }

    /// Counts what was written. Once nothing can be sent any more, `length` is taken and goes nowhere.
    fn poll_wrote(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
        length: usize,
    ) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(Ok(bytes)) => add(&self.traffic.written, bytes),
            Poll::Ready(Err(error)) => return self.poll_broken(cx, &error).map_ok(|()| length),
            Poll::Pending => {}
        }
        written
    }

    /// Waits for the head of the answer to a request that cannot be sent on.
    ///
    /// # Errors
    ///
    /// There is none: the connection ended without it, what came is no answer, or not a byte was sent.
    fn poll_broken(&mut self, cx: &mut Context<'_>, error: &io::Error) -> Poll<io::Result<()>> {
        self.broken = Some(error.kind());
        self.traffic.spoilt.set(true);
        while !self.screen.reader().has_answered() {
            if self.traffic.written.get() == self.before {
                return Poll::Ready(Err(error.kind().into()));
            }
            let Self { stream, traffic, screen, .. } = self;
            match ready!(screen.poll_ahead(stream, cx, |bytes| add(&traffic.read, bytes))) {
                Ok(Brought::Bytes) => {}
                Ok(Brought::Refused(objection)) => {
                    self.tell();
                    return Poll::Ready(Err(objection.flaw.into_io()));
                }
                Ok(Brought::End) | Err(_) => return Poll::Ready(Err(error.kind().into())),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Tells the pool what the last read has shown.
    fn tell(&mut self) {
        let Self { traffic, screen, .. } = self;
        let has_refused = screen.has_refused();
        let reader = screen.reader();
        if has_refused {
            traffic.spoilt.set(true);
            traffic.late.set(reader.is_late());
        }
        traffic.suspect.set(reader.had_no_content());
        if reader.has_surplus() {
            traffic.surplus.replace(reader.surplus());
        }
    }

    /// Whether the answer is complete, and nothing follows it. hyper would give the rest of the request up
    /// over that, and the caller could be in the middle of sending it. So hyper does not learn of it, and
    /// the pool closes the connection when the request is over, or when that takes too long.
    fn is_answered(&mut self) -> bool {
        self.traffic.busy.get()
            && !self.traffic.given_up.get()
            && self.screen.reader().is_complete()
    }

    /// Whether the end of the connection is an orderly end of the content.
    fn end(&mut self, end: io::Result<()>) -> io::Result<()> {
        let broken = self.broken;
        let reader = self.screen.reader();
        let is_whole = match &end {
            // A write has taken the error that the read would have met.
            Ok(()) => broken != Some(ErrorKind::ConnectionReset) || !reader.may_be_cut(),
            Err(error) => match error.kind() {
                // Under TLS, the latter: the close_notify is missing.
                ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof => reader.ends_with_reset(),
                _ => false,
            },
        };
        if is_whole {
            reader.end();
            return Ok(());
        }
        end.and(Err(ErrorKind::ConnectionReset.into()))
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
        let Self { stream, traffic, screen, .. } = &mut *self;
        let brought = screen.poll_read(stream, cx, buf, |bytes| add(&traffic.read, bytes));
        self.tell();
        let ended = match ready!(brought) {
            Ok(Brought::Bytes) => return Poll::Ready(Ok(())),
            Ok(Brought::End) => Ok(()),
            Ok(Brought::Refused(objection)) => Err(objection.flaw.into_io()),
            Err(error) => Err(error),
        };
        self.traffic.spoilt.set(true);
        if self.is_answered() {
            self.traffic.waiting.replace(Some(cx.waker().clone()));
            return Poll::Pending;
        }
        Poll::Ready(self.end(ended))
    }
}

impl AsyncWrite for Metered {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.writing();
        let written = match self.broken {
            Some(kind) => Poll::Ready(Err(kind.into())),
            None => Pin::new(&mut self.stream).poll_write(cx, buf),
        };
        self.poll_wrote(cx, written, buf.len())
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.writing();
        let written = match self.broken {
            Some(kind) => Poll::Ready(Err(kind.into())),
            None => Pin::new(&mut self.stream).poll_write_vectored(cx, bufs),
        };
        self.poll_wrote(cx, written, bufs.iter().map(|buf| buf.len()).sum())
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = match self.broken {
            Some(kind) => Err(kind.into()),
            None => ready!(Pin::new(&mut self.stream).poll_flush(cx)),
        };
        match flushed {
            Ok(()) => Poll::Ready(Ok(())),
            Err(error) => self.poll_broken(cx, &error),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.broken {
            Some(_) => Poll::Ready(Ok(())),
            None => Pin::new(&mut self.stream).poll_shutdown(cx),
        }
    }
}
