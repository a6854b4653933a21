//! What stands between a connection and hyper: bytes are judged first, and go on when they are clear.
//!
//! Most reads bring whole messages, or content. Those go from the socket into hyper's own buffer and are
//! judged in there. Only what is not complete, the beginning of a head or of a chunk's size, is taken
//! out again and waits for the rest in a buffer here.

use std::error::Error;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

use super::framing::{Flaw, Objection, Passed, Reader, repaired};

/// The bytes of one direction of a connection, and who judges them.
#[derive(Debug)]
pub(super) struct Screen<R> {
    reader: R,
    /// Bytes that are not in hyper's buffer yet: some that are clear, then some that are not.
    held: Vec<u8>,
    clear: usize,
    taken: usize,
    objection: Option<Objection>,
    /// The beginning of what will never go on, where somebody else than hyper reads it.
    refused: Vec<u8>,
}

/// What a read has brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Brought {
    /// Bytes that may go on.
    Bytes,
    /// The end of the connection.
    End,
    /// All that was clear has gone on, and the rest never will.
    Refused(Objection),
}

/// Room for each read of what is held.
const ROOM: usize = 8 << 10;

impl<R: Reader> Screen<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, held: Vec::new(), clear: 0, taken: 0, objection: None, refused: Vec::new() }
    }

    pub(super) fn reader(&mut self) -> &mut R {
        &mut self.reader
    }

    /// Whether the beginning of a message waits for its rest.
    pub(super) fn is_beginning(&self) -> bool {
        self.reader.is_beginning(&self.held[self.clear..])
    }

    /// Whether there is something that will never go on.
    pub(super) fn has_refused(&self) -> bool {
        self.objection.is_some()
    }

    /// The beginning of another protocol, with what came behind it.
    pub(super) fn take_refused(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.refused)
    }

    /// Waits no longer for the rest of a message that has begun.
    pub(super) fn give_up(&mut self, flaw: Flaw) {
        if self.objection.is_none() && self.is_beginning() {
            self.objection = Some(Objection { flaw, passed: Passed::Nothing });
        }
    }

    /// These go on in place of what was refused.
    pub(super) fn substitute(&mut self, bytes: &[u8]) {
        self.held = bytes.to_vec();
        (self.clear, self.taken) = (bytes.len(), 0);
    }

    /// Reads what may go on into `buf`; `arrived` is told of all bytes that the connection brings.
    pub(super) fn poll_read<T: AsyncRead + Unpin>(
        &mut self,
        stream: &mut T,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
        mut arrived: impl FnMut(usize),
    ) -> Poll<io::Result<Brought>> {
        loop {
            if self.release(buf) {
                return Poll::Ready(Ok(Brought::Bytes));
            }
            if let Some(objection) = self.objection {
                return Poll::Ready(Ok(Brought::Refused(objection)));
            }
            let before = buf.filled().len();
            if self.held.is_empty() {
                ready!(Pin::new(&mut *stream).poll_read(cx, buf))?;
                let new = &buf.filled()[before..];
                if new.is_empty() {
                    return Poll::Ready(Ok(Brought::End));
                }
                arrived(new.len());
                let verdict = self.reader.judge(new);
                self.objection = verdict.objection;
                let (clear, rest) = new.split_at(verdict.clear);
                let repairs = self.reader.repairs();
                if !repairs.is_empty() {
                    self.held = repaired(clear, &repairs);
                    self.clear = self.held.len();
                }
                match self.objection {
                    None => self.held.extend_from_slice(rest),
                    Some(objection) if objection.flaw == Flaw::Http2 => {
                        self.refused = rest.to_vec();
                    }
                    Some(_) => {}
                }
                let passed = if repairs.is_empty() { clear.len() } else { 0 };
                buf.set_filled(before + passed);
                if passed > 0 {
                    return Poll::Ready(Ok(Brought::Bytes));
                }
            } else if ready!(self.poll_more(stream, cx, &mut arrived))? == Brought::End {
                return Poll::Ready(Ok(Brought::End));
            }
        }
    }

    /// Reads ahead: what comes may go on with a later read.
    pub(super) fn poll_ahead<T: AsyncRead + Unpin>(
        &mut self,
        stream: &mut T,
        cx: &mut Context<'_>,
        arrived: impl FnMut(usize),
    ) -> Poll<io::Result<Brought>> {
        match self.objection {
            Some(objection) => Poll::Ready(Ok(Brought::Refused(objection))),
            None => self.poll_more(stream, cx, arrived),
        }
    }

    /// Reads into the buffer here.
    fn poll_more<T: AsyncRead + Unpin>(
        &mut self,
        stream: &mut T,
        cx: &mut Context<'_>,
        mut arrived: impl FnMut(usize),
    ) -> Poll<io::Result<Brought>> {
        self.held.reserve(ROOM);
        let new = ready!(pin!(stream.read_buf(&mut self.held)).poll(cx))?;
        if new == 0 {
            self.give_up(Flaw::Unfinished);
        } else {
            arrived(new);
            let verdict = self.reader.judge(&self.held[self.clear..]);
            self.objection = verdict.objection;
            let end = self.clear + verdict.clear;
            let repairs = self.reader.repairs();
            if repairs.is_empty() {
                self.clear = end;
            } else {
                let rest = self.held.split_off(end);
                let clear = repaired(&self.held[self.clear..], &repairs);
                self.held.truncate(self.clear);
                self.held.extend_from_slice(&clear);
                self.clear = self.held.len();
                self.held.extend_from_slice(&rest);
            }
            if self.objection.is_some() {
                self.refused = self.held.split_off(self.clear);
            }
        }
        Poll::Ready(Ok(match self.objection {
            Some(objection) => Brought::Refused(objection),
            None if new == 0 => Brought::End,
            None => Brought::Bytes,
        }))
    }

    /// Lets go on what is clear. Says whether that was anything.
    fn release(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        if self.taken == self.clear {
            return false;
        }
        let end = self.clear.min(self.taken + buf.remaining());
        buf.put_slice(&self.held[self.taken..end]);
        self.taken = end;
        if self.taken == self.clear {
            self.held.drain(..self.clear);
            (self.clear, self.taken) = (0, 0);
            if self.held.is_empty() {
                // Resting connections are many, and slow heads few.
                self.held = Vec::new();
            }
        }
        true
    }
}

impl Flaw {
    /// As an error of a stream, which is how it reaches those who wait behind hyper.
    pub(super) fn into_io(self) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, self)
    }

    /// The flaw that an error of hyper's is about, if it came in this way.
    pub(super) fn behind(error: &hyper::Error) -> Option<Self> {
        let error = error.source()?.downcast_ref::<io::Error>()?;
        error.get_ref()?.downcast_ref::<Self>().copied()
    }
}
