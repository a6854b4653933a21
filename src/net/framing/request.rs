//! The requests of a caller's connection.

use http::Uri;

use super::content::{Content, Progress};
use super::fields::{is_plain, is_target, is_token};
use super::flaw::Flaw;
use super::head::{FirstLine, Head, Version};
use super::repair::Repair;
use super::target::encoded;
use super::{Asked, Grammar, Limits, Reader, Verdict};

/// Reads requests, one after the other.
#[derive(Debug)]
pub struct Requests {
    limits: Limits,
    state: State,
    repairs: Vec<Repair>,
}

#[derive(Debug)]
enum State {
    Head(Head<RequestLine>),
    Content(Content),
}

impl Requests {
    /// At the beginning of a connection.
    pub fn new(limits: Limits) -> Self {
        // What `http` takes for a target; hyper's own answer to more would be none of ours.
        let target = limits.target.min(usize::from(u16::MAX) - 1);
        let (limits, state) = (Limits { target, ..limits }, State::Head(Head::default()));
        Self { limits, state, repairs: Vec::new() }
    }

    /// What the request that is being read asks for, as far as it is known.
    pub fn asked(&self) -> Asked {
        match &self.state {
            State::Head(head) => head.first().map_or(Asked::Other, |line| line.asked),
            State::Content(_) => Asked::Other,
        }
    }

    /// Returns true if content of a request is to come next.
    pub fn is_in_content(&self) -> bool {
        matches!(self.state, State::Content(_))
    }
}

impl Reader for Requests {
    fn judge(&mut self, window: &[u8]) -> Verdict {
        let (mut clear, mut begin) = (0, None);
        self.repairs.clear();
        loop {
            let rest = &window[clear..];
            match &mut self.state {
                State::Head(head) => {
                    begin = Some(clear);
                    match head.read(rest, &self.limits) {
                        Ok(None) => return Verdict::clear(clear),
                        Ok(Some(complete)) => {
                            if let Some(odd) = complete.first.odd {
                                if complete.length + odd.growth > self.limits.head {
                                    return Verdict::flawed(Flaw::TooLarge, begin, clear);
                                }
                                // The empty line that may stand before a request.
                                let before = if rest.starts_with(b"\r\n") { 2 } else { 0 };
                                let place = before + odd.begin;
                                let target = &rest[place..place + odd.length];
                                self.repairs.push(Repair::of_target(target, clear + place));
                            }
                            clear += complete.length;
                            self.state = match Content::of(complete.framing, Grammar::Strict) {
                                Some(content) => State::Content(content),
                                None => State::Head(Head::default()),
                            };
                        }
                        Err(flaw) => return Verdict::flawed(flaw, begin, clear),
                    }
                }
                State::Content(content) => match content.read(rest) {
                    Ok(Progress::Open(length)) => return Verdict::clear(clear + length),
                    Ok(Progress::Complete(length)) => {
                        clear += length;
                        self.state = State::Head(Head::default());
                    }
                    Err((flaw, length)) => return Verdict::flawed(flaw, begin, clear + length),
                },
            }
        }
    }

    fn is_beginning(&self, rest: &[u8]) -> bool {
        matches!(self.state, State::Head(_)) && !matches!(rest, b"" | b"\r" | b"\r\n")
    }

    fn repairs(&mut self) -> Vec<Repair> {
        std::mem::take(&mut self.repairs)
    }
}

/// What the first line says, beside what hyper reads out of it.
#[derive(Clone, Copy, Debug)]
struct RequestLine {
    asked: Asked,
    version: Version,
    odd: Option<OddTarget>,
}

/// A target that hyper can hold only when it is percent-encoded.
#[derive(Clone, Copy, Debug)]
struct OddTarget {
    /// Where it begins in the line.
    begin: usize,
    length: usize,
    /// How many bytes longer it becomes.
    growth: usize,
}

impl OddTarget {
    /// Of a target that begins with a slash, `begin` bytes into its line; none if hyper holds it as it is. The
    /// limit counts for what goes on.
    fn of(target: &[u8], begin: usize, limits: &Limits) -> Result<Option<Self>, Flaw> {
        let encoded = encoded(target).len();
        if encoded > limits.target {
            return Err(Flaw::TargetTooLong);
        }
        let length = target.len();
        let growth = encoded - length;
        Ok((growth > 0).then_some(Self { begin, length, growth }))
    }
}

impl FirstLine for RequestLine {
    /// RFC 9112 §2.2: a server SHOULD ignore at least one; old callers send it after content.
    const EMPTY_BEFORE: usize = 1;

    const GRAMMAR: Grammar = Grammar::Strict;

    fn read(line: &[u8], limits: &Limits) -> Result<Self, Flaw> {
        let (method, rest) = parted(line, is_token, Flaw::Method)?;
        let plain = parted(rest, is_plain, Flaw::Target);
        let (target, version) = match plain {
            Err(Flaw::Target) => parted(rest, is_target, Flaw::Target)?,
            _ => plain?,
        };
        let Some(version) = Version::of(version) else {
            if line == PREFACE {
                return Err(Flaw::Http2);
            }
            return Err(match is_version(version) {
                true => Flaw::Version,
                false => Flaw::RequestLine,
            });
        };
        if target.len() > limits.target {
            return Err(Flaw::TargetTooLong);
        }
        let odd = match target[0] {
            b'/' if plain.is_ok() => None,
            b'/' => OddTarget::of(target, method.len() + 1, limits)?,
            // Which forms are welcome is the guard's to say. hyper's own refusal would be none of ours.
            _ if Uri::try_from(target).is_err() => return Err(Flaw::Target),
            _ => None,
        };
        let asked = if method == b"HEAD" { Asked::Head } else { Asked::Other };
        Ok(Self { asked, version, odd })
    }

    fn check_first(byte: u8) -> Result<(), Flaw> {
        match byte {
            b'\r' => Ok(()),
            HANDSHAKE => Err(Flaw::Tls),
            byte if is_token(byte) => Ok(()),
            _ => Err(Flaw::Method),
        }
    }

    fn version(self) -> Version {
        self.version
    }
}

/// The first line of HTTP/2's client preface, which is made to be refused.
const PREFACE: &[u8] = b"PRI * HTTP/2.0";

/// The content type of the first TLS record.
const HANDSHAKE: u8 = 22;

/// What stands before and after the first space, the former made of certain bytes.
fn parted(
    line: &[u8],
    is_part: impl Fn(u8) -> bool,
    otherwise: Flaw,
) -> Result<(&[u8], &[u8]), Flaw> {
    let end = line.iter().position(|byte| !is_part(*byte)).ok_or(Flaw::RequestLine)?;
    match line[end] {
        b' ' if end > 0 => Ok((&line[..end], &line[end + 1..])),
        b' ' => Err(Flaw::RequestLine),
        _ => Err(otherwise),
    }
}

/// Whether this names a version, though none that is spoken here.
fn is_version(name: &[u8]) -> bool {
    name.len() > 5
        && name[..5].eq_ignore_ascii_case(b"HTTP/")
        && name.iter().all(u8::is_ascii_graphic)
}
