//! The responses of an upstream's connection.

use super::content::{Content, Progress};
use super::fields::Framing;
use super::flaw::Flaw;
use super::head::{Complete, FirstLine, Head, Version};
use super::repair::{MOST_FIELDS, Repair, Surplus};
use super::{Asked, Grammar, Limits, Reader, Verdict};

/// Reads one response to each request, and nothing else.
#[derive(Debug)]
pub struct Responses {
    limits: Limits,
    state: State,
    asked: Asked,
    interim: usize,
    /// The status of the last response; 0 before it.
    status: u16,
    /// Whether the response before may still have content to come, which it must not have.
    may_be_late: bool,
    repairs: Vec<Repair>,
    surplus: Vec<Surplus>,
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
        Self {
            limits,
            state: State::Resting,
            asked: Asked::Other,
            interim: 0,
            status: 0,
            may_be_late: false,
            repairs: Vec::new(),
            surplus: Vec::new(),
        }
    }

    /// A request begins to be written: from now on there may be an answer.
    pub fn expect(&mut self, asked: Asked) {
        self.may_be_late = self.had_no_content();
        (self.asked, self.interim, self.status) = (asked, 0, 0);
        if matches!(self.state, State::Resting) {
            self.state = State::Head(Head::default());
        }
    }

    /// Whether the head of the response has gone on.
    pub fn has_answered(&self) -> bool {
        !matches!(self.state, State::Head(_))
    }

    /// Whether the whole response has gone on.
    pub fn is_complete(&self) -> bool {
        matches!(self.state, State::Resting)
    }

    /// Whether the last response had no content whatever its fields say. A server that sends content all
    /// the same sends it now.
    pub fn had_no_content(&self) -> bool {
        self.status != 0 && is_without_content(self.asked, self.status)
    }

    /// Whether what was refused may belong to the response before: that had no content, and no status line
    /// of the next one was read.
    pub fn is_late(&self) -> bool {
        self.may_be_late
            && self.interim == 0
            && matches!(&self.state, State::Head(head) if head.first().is_none())
    }

    /// Whether the content ends with its connection, by a reset as by an orderly close. A server that
    /// refuses a request and closes with the rest of it unread cannot end the connection in another way:
    /// its kernel sends the reset.
    pub fn ends_with_reset(&self) -> bool {
        self.ends_with_connection() && self.status >= 400
    }

    /// Whether the content ends with its connection, and a reset may have cut something off.
    pub fn may_be_cut(&self) -> bool {
        self.ends_with_connection() && self.status < 400
    }

    /// The connection has ended, and with it the content whose end that is.
    pub fn end(&mut self) {
        if self.ends_with_connection() {
            self.state = State::Resting;
        }
    }

    fn ends_with_connection(&self) -> bool {
        matches!(self.state, State::Content(Content::UntilClose))
    }

    /// The fields of the final head that did not go on with it.
    pub fn surplus(&mut self) -> Vec<Surplus> {
        std::mem::take(&mut self.surplus)
    }

    /// Whether there are any.
    pub fn has_surplus(&self) -> bool {
        !self.surplus.is_empty()
    }

    /// Writes a head anew if it cannot go on as it is.
    fn repair(&mut self, window: &[u8], begin: usize, complete: &Complete<StatusLine>) {
        if !complete.deviates && complete.fields <= MOST_FIELDS {
            return;
        }
        let length = match complete.framing {
            Framing::Length(length) => Some(length),
            Framing::Unsaid | Framing::Chunked => None,
        };
        let head = &window[begin..begin + complete.length];
        let (repair, surplus) = Repair::of(head, begin, length);
        self.repairs.push(repair);
        if complete.first.status >= 200 {
            self.surplus = surplus;
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
            _ => {
                self.status = status;
                if is_without_content(self.asked, status) {
                    Ok(State::Resting)
                } else if framing == Framing::Unsaid {
                    Ok(State::Content(Content::UntilClose))
                } else {
                    let content = Content::of(framing, Grammar::Lenient);
                    Ok(content.map_or(State::Resting, State::Content))
                }
            }
        }
    }
}

/// RFC 9112 §6.3: whatever its fields say.
fn is_without_content(asked: Asked, status: u16) -> bool {
    asked == Asked::Head || matches!(status, 204 | 304)
}

/// Most interim answers to one request. One `100 Continue` and a few `103 Early Hints` are usual.
const MAX_INTERIM: usize = 8;

impl Reader for Responses {
    fn judge(&mut self, window: &[u8]) -> Verdict {
        let (mut clear, mut begin) = (0, None);
        self.repairs.clear();
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
                            .map(|state| (state, complete)),
                        Err(flaw) => Err(flaw),
                    };
                    match read {
                        Ok((state, complete)) => {
                            self.repair(window, clear, &complete);
                            self.state = state;
                            clear += complete.length;
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

    fn repairs(&mut self) -> Vec<Repair> {
        std::mem::take(&mut self.repairs)
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

    const GRAMMAR: Grammar = Grammar::Lenient;

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
