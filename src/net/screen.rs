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

use super::framing::{Flaw, Objection, Passed, Reader, Verdict, encoded};

/// The bytes of one direction of a connection, and who judges them.
#[derive(Debug)]
pub(super) struct Screen<R> {
    reader: R,
    /// Bytes that are not in hyper's buffer yet: some that are clear, then some that are not.
    held: Vec<u8>,
    clear: usize,
    taken: usize,
    /// What follows the clear ones has not been judged yet.
    unjudged: bool,
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
        Self {
            reader,
            held: Vec::new(),
            clear: 0,
            taken: 0,
            unjudged: false,
            objection: None,
            refused: Vec::new(),
        }
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
                if verdict.target.is_some() {
                    self.held = new.to_vec();
                    buf.set_filled(before);
                    self.encode(verdict);
                    continue;
                }
                self.objection = verdict.objection;
                match self.objection {
                    None => self.held.extend_from_slice(&new[verdict.clear..]),
                    Some(objection) if objection.flaw == Flaw::Http2 => {
                        self.refused = new[verdict.clear..].to_vec();
                    }
                    Some(_) => {}
                }
                buf.set_filled(before + verdict.clear);
                if verdict.clear > 0 {
                    return Poll::Ready(Ok(Brought::Bytes));
                }
            } else {
                if !std::mem::take(&mut self.unjudged) {
                    self.held.reserve(ROOM);
                    let new = ready!(pin!(stream.read_buf(&mut self.held)).poll(cx))?;
                    if new == 0 {
                        self.give_up(Flaw::Unfinished);
                        if self.objection.is_none() {
                            return Poll::Ready(Ok(Brought::End));
                        }
                        continue;
                    }
                    arrived(new);
                }
                let verdict = self.reader.judge(&self.held);
                if verdict.target.is_some() {
                    self.encode(verdict);
                    continue;
                }
                (self.clear, self.objection) = (verdict.clear, verdict.objection);
                if self.objection.is_some() {
                    self.refused = self.held.split_off(self.clear);
                }
            }
        }
    }

    /// Encodes the target in what is held, which is clear up to the end of its head.
    fn encode(&mut self, verdict: Verdict) {
        let Some(target) = verdict.target else { return };
        let place = target.begin..target.end;
        let spelt = encoded(&self.held[place.clone()]).into_owned();
        self.clear = verdict.clear - place.len() + spelt.len();
        self.held.splice(place, spelt);
        self.unjudged = self.clear < self.held.len();
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
