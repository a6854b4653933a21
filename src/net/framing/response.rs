//! The responses of an upstream's connection.

use super::content::{Content, Progress};
use super::fields::Framing;
use super::flaw::Flaw;
use super::head::{FirstLine, Head, Version};
use super::{Asked, Limits, Reader, Verdict};

/// Reads one response to each request, and nothing else.
#[derive(Debug)]
pub struct Responses {
    limits: Limits,
    state: State,
    asked: Asked,
    interim: usize,
}

#[derive(Debug)]
enum State {
    /// Nothing is asked for: every byte is one too many.
    Resting,
    Head(Head<StatusLine>),
    Content(Content),
}

impl Responses {
    /// At the beginning of a connection.
    pub fn new(limits: Limits) -> Self {
        Self { limits, state: State::Resting, asked: Asked::Other, interim: 0 }
    }

    /// A request begins to be written: from now on there may be an answer.
    pub fn expect(&mut self, asked: Asked) {
        (self.asked, self.interim) = (asked, 0);
        if matches!(self.state, State::Resting) {
            self.state = State::Head(Head::default());
        }
    }

    /// RFC 9112 §6.3: what follows a head.
    fn after(&mut self, status: u16, framing: Framing) -> Result<State, Flaw> {
        match status {
            101 => Err(Flaw::Switched),
            100..=199 if self.interim == MAX_INTERIM => Err(Flaw::TooManyInterim),
            100..=199 => {
                self.interim += 1;
                Ok(State::Head(Head::default()))
            }
            204 | 304 => Ok(State::Resting),
            _ if self.asked == Asked::Head => Ok(State::Resting),
            _ if framing == Framing::Unsaid => Ok(State::Content(Content::UntilClose)),
            _ => Ok(Content::of(framing).map_or(State::Resting, State::Content)),
        }
    }
}

/// Most interim answers to one request. One `100 Continue` and a few `103 Early Hints` are usual.
const MAX_INTERIM: usize = 8;

impl Reader for Responses {
    fn judge(&mut self, window: &[u8]) -> Verdict {
        let (mut clear, mut begin) = (0, None);
        loop {
            let rest = &window[clear..];
            match &mut self.state {
                State::Resting if rest.is_empty() => return Verdict::clear(clear),
                State::Resting => return Verdict::flawed(Flaw::Surplus, Some(clear), clear),
                State::Head(head) => {
                    begin = Some(clear);
                    let read = match head.read(rest, &self.limits) {
                        Ok(None) => return Verdict::clear(clear),
                        Ok(Some(complete)) => self
                            .after(complete.first.status, complete.framing)
                            .map(|state| (state, complete.length)),
                        Err(flaw) => Err(flaw),
                    };
                    match read {
                        Ok((state, length)) => {
                            self.state = state;
                            clear += length;
                        }
                        Err(flaw) => return Verdict::flawed(flaw, begin, clear),
                    }
                }
                State::Content(content) => match content.read(rest) {
                    Ok(Progress::Open(length)) => return Verdict::clear(clear + length),
                    Ok(Progress::Complete(length)) => {
                        clear += length;
                        self.state = State::Resting;
                    }
                    Err((flaw, length)) => return Verdict::flawed(flaw, begin, clear + length),
                },
            }
        }
    }

    fn is_beginning(&self, rest: &[u8]) -> bool {
        matches!(self.state, State::Head(_)) && !rest.is_empty()
    }
}

/// RFC 9112 §4.
#[derive(Clone, Copy, Debug)]
struct StatusLine {
    version: Version,
    status: u16,
}

impl FirstLine for StatusLine {
    const EMPTY_BEFORE: usize = 0;

    /// The space before a reason that is not there is missing often enough to be forgiven.
    fn read(line: &[u8], _: &Limits) -> Result<Self, Flaw> {
        let (version, rest) = line.split_at_checked(8).ok_or(Flaw::StatusLine)?;
        let version = Version::of(version).ok_or(match version.starts_with(b"HTTP/") {
            true => Flaw::Version,
            false => Flaw::StatusLine,
        })?;
        let (status, reason) = match rest {
            [b' ', a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', reason @ ..] => {
                let digit = |byte: &u8| u16::from(byte - b'0');
                (digit(a) * 100 + digit(b) * 10 + digit(c), reason)
            }
            _ => return Err(Flaw::StatusLine),
        };
        if !matches!(reason, [] | [b' ', ..]) {
            return Err(Flaw::StatusLine);
        }
        Ok(Self { version, status })
    }

    fn check_first(byte: u8) -> Result<(), Flaw> {
        if byte == b'H' { Ok(()) } else { Err(Flaw::StatusLine) }
    }

    fn version(self) -> Version {
        self.version
    }
}
