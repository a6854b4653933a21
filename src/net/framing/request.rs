//! The requests of a caller's connection.

use http::Uri;

use super::content::{Content, Progress};
use super::fields::{is_target, is_token};
use super::flaw::Flaw;
use super::head::{FirstLine, Head, Version};
use super::{Asked, Limits, Reader, Verdict};

/// Reads requests, one after the other.
#[derive(Debug)]
pub struct Requests {
    limits: Limits,
    state: State,
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
        Self { limits: Limits { target, ..limits }, state: State::Head(Head::default()) }
    }

    /// What the request that is being read asks for, as far as it is known.
    pub fn asked(&self) -> Asked {
        match &self.state {
            State::Head(head) => head.first().map_or(Asked::Other, |line| line.asked),
            State::Content(_) => Asked::Other,
        }
    }
}

impl Reader for Requests {
    fn judge(&mut self, window: &[u8]) -> Verdict {
        let (mut clear, mut begin) = (0, None);
        loop {
            let rest = &window[clear..];
            match &mut self.state {
                State::Head(head) => {
                    begin = Some(clear);
                    match head.read(rest, &self.limits) {
                        Ok(None) => return Verdict::clear(clear),
                        Ok(Some(complete)) => {
                            clear += complete.length;
                            self.state = match Content::of(complete.framing) {
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
}

/// What the first line says, beside what hyper reads out of it.
#[derive(Clone, Copy, Debug)]
struct RequestLine {
    asked: Asked,
    version: Version,
}

impl FirstLine for RequestLine {
    /// RFC 9112 §2.2: a server SHOULD ignore at least one; old callers send it after content.
    const EMPTY_BEFORE: usize = 1;

    fn read(line: &[u8], limits: &Limits) -> Result<Self, Flaw> {
        let (method, rest) = parted(line, is_token, Flaw::Method)?;
        let (target, version) = parted(rest, is_target, Flaw::Target)?;
        let Some(version) = Version::of(version) else {
            return Err(match is_version(version) {
                true => Flaw::Version,
                false => Flaw::RequestLine,
            });
        };
        check_target(target, limits)?;
        let asked = if method == b"HEAD" { Asked::Head } else { Asked::Other };
        Ok(Self { asked, version })
    }

    fn check_first(byte: u8) -> Result<(), Flaw> {
        if is_token(byte) || byte == b'\r' { Ok(()) } else { Err(Flaw::Method) }
    }

    fn version(self) -> Version {
        self.version
    }
}

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

/// Which forms and paths are welcome is the guard's to say. A target in another form than origin-form is
/// parsed here as hyper will parse it, whose own refusal would be none of ours.
fn check_target(target: &[u8], limits: &Limits) -> Result<(), Flaw> {
    if target.len() > limits.target {
        return Err(Flaw::TargetTooLong);
    }
    if target[0] == b'/' || Uri::try_from(target).is_ok() { Ok(()) } else { Err(Flaw::Target) }
}
