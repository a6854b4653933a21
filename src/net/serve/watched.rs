//! What tells a seat how its connection is getting on: the stream under HTTP, and the body of an answer.
//!
//! The stream shows hyper only what [`framing`](crate::net::framing) has no objection to. Of a flawed
//! message hyper sees nothing if nothing of it went on before; in its place comes a plain request, so
//! that the refusal is an answer like any other: in its turn, counted, with a body, and the last one.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::busy::Busy;
use super::seat::Seat;
use crate::net::framing::{Asked, Flaw, Limits, Objection, Passed, Requests};
use crate::net::screen::{Brought, Screen};

/// A caller's stream that tells its seat what goes over it.
#[derive(Debug)]
pub(super) struct Watched<T> {
    stream: Rc<RefCell<T>>,
    seat: Rc<Seat>,
    screen: Screen<Requests>,
    /// Whether hyper has seen anything of this connection.
    begun: bool,
}

impl<T> Watched<T> {
    pub(super) fn new(stream: Rc<RefCell<T>>, seat: Rc<Seat>, limits: Limits) -> Self {
        Self { stream, seat, screen: Screen::new(Requests::new(limits)), begun: false }
    }

    /// Takes leave of a message that is not let pass, and of all that comes after it.
    fn refuse(&mut self, objection: Objection) -> io::Result<Next> {
        match objection.passed {
            Passed::Nothing if objection.flaw == Flaw::Http2 && !self.begun => {
                self.seat.http2().replace(Some(self.screen.take_refused()));
                Ok(Next::End)
            }
            Passed::Nothing if self.seat.flaw().is_none() => {
                self.seat.refuse(objection.flaw);
                let plain: &[u8] = match self.screen.reader().asked() {
                    Asked::Head => b"HEAD / HTTP/1.1\r\n\r\n",
                    Asked::Other => b"GET / HTTP/1.1\r\n\r\n",
                };
                self.screen.substitute(plain);
                Ok(Next::Read)
            }
            Passed::Nothing => Ok(Next::End),
            Passed::Head => Err(objection.flaw.into_io()),
        }
    }

    fn wrote(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(Ok(bytes)) => self.seat.written(bytes),
            Poll::Pending => self.seat.blocked(),
            Poll::Ready(Err(_)) => {}
        }
        written
    }
}

/// What hyper gets after a refusal.
enum Next {
    /// The request in place of the flawed one.
    Read,
    End,
}

impl<T: AsyncRead + Unpin> AsyncRead for Watched<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let Self { stream, seat, screen, .. } = &mut *self;
            if seat.is_late() {
                screen.give_up(Flaw::Late);
            }
            let (is_content, mut has_read) = (screen.reader().is_in_content(), false);
            let brought = screen.poll_read(&mut *stream.borrow_mut(), cx, buf, |_| has_read = true);
            let is_beginning = screen.is_beginning();
            seat.begins(is_beginning);
            // Content may come after its response; it has limits of its own.
            if has_read && (is_beginning || !is_content) {
                seat.read();
            }
            let Brought::Refused(objection) = ready!(brought)? else {
                self.begun = true;
                return Poll::Ready(Ok(()));
            };
            match self.refuse(objection)? {
                Next::Read => {}
                Next::End => return Poll::Ready(Ok(())),
            }
        }
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Watched<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut *self.stream.borrow_mut()).poll_write(cx, buf);
        self.wrote(written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut *self.stream.borrow_mut()).poll_write_vectored(cx, bufs);
        self.wrote(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.borrow().is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream.borrow_mut()).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.seat.http2().borrow().is_some() {
            // The answer is still to come.
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut *self.stream.borrow_mut()).poll_shutdown(cx)
    }
}

/// The body of an answer; the connection is busy for as long as it lives.
#[derive(Debug)]
pub(super) struct Seated<B> {
    body: B,
    busy: Busy,
}

impl<B> Seated<B> {
    pub(super) fn new(body: B, busy: Busy) -> Self {
        Self { body, busy }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Seated<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let Self { body, busy } = &mut *self;
        if busy.flow().is_full(cx) {
            return Poll::Pending;
        }
        let frame = Pin::new(body).poll_frame(cx);
        match &frame {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(data) = frame.data_ref() {
                    busy.flow().take(data.len());
                }
            }
            Poll::Ready(Some(Err(_))) => busy.seat().ending().break_off(),
            Poll::Ready(None) | Poll::Pending => {}
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
