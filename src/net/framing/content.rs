//! Content: where it ends.

use super::Grammar;
use super::fields::{Fields, Framing, Lines, line_end};
use super::flaw::Flaw;

/// Content that is being read.
#[derive(Debug)]
pub(super) enum Content {
    /// So many bytes are left.
    Length(u64),
    Chunked(Chunks),
    /// RFC 9112 §6.3: a response that ends with its connection.
    UntilClose,
}

/// RFC 9112 §7.1.
#[derive(Debug)]
pub(super) struct Chunks {
    grammar: Grammar,
    element: Element,
    /// Bytes of extensions so far.
    extensions: usize,
}

/// What comes next.
#[derive(Debug, Default)]
enum Element {
    #[default]
    Size,
    /// So many bytes of data.
    Data(u64),
    /// The line end after data.
    End,
    Trailers(Lines, Fields),
}

/// How far a reading has got.
pub(super) enum Progress {
    /// So many bytes are clear, and the content goes on.
    Open(usize),
    /// So many bytes are clear, and the content is complete.
    Complete(usize),
}

impl Content {
    /// None if there is none.
    pub(super) fn of(framing: Framing, grammar: Grammar) -> Option<Self> {
        match framing {
            Framing::Unsaid | Framing::Length(0) => None,
            Framing::Length(length) => Some(Self::Length(length)),
            Framing::Chunked => Some(Self::Chunked(Chunks::new(grammar))),
        }
    }

    /// Reads on. What is not clear is shown again, with more behind it.
    ///
    /// # Errors
    ///
    /// A flaw, and how many bytes before it are clear.
    pub(super) fn read(&mut self, window: &[u8]) -> Result<Progress, (Flaw, usize)> {
        match self {
            Self::Length(left) => {
                let taken = take(left, window);
                Ok(if *left == 0 { Progress::Complete(taken) } else { Progress::Open(taken) })
            }
            Self::Chunked(chunks) => chunks.read(window),
            Self::UntilClose => Ok(Progress::Open(window.len())),
        }
    }
}

impl Chunks {
    fn new(grammar: Grammar) -> Self {
        Self { grammar, element: Element::Size, extensions: 0 }
    }

    fn read(&mut self, window: &[u8]) -> Result<Progress, (Flaw, usize)> {
        let mut clear = 0;
        loop {
            let rest = &window[clear..];
            if rest.is_empty() {
                return Ok(Progress::Open(clear));
            }
            match self.step(rest).map_err(|flaw| (flaw, clear))? {
                Step::Incomplete => return Ok(Progress::Open(clear)),
                Step::On(length) => clear += length,
                Step::Complete(length) => return Ok(Progress::Complete(clear + length)),
            }
        }
    }

    /// Reads one element.
    fn step(&mut self, rest: &[u8]) -> Result<Step, Flaw> {
        match &mut self.element {
            Element::Size => self.size(rest),
            Element::Data(left) => {
                let taken = take(left, rest);
                if *left == 0 {
                    self.element = Element::End;
                }
                Ok(Step::On(taken))
            }
            Element::End => match rest {
                [b'\r', b'\n', ..] => {
                    self.element = Element::Size;
                    Ok(Step::On(2))
                }
                [b'\r'] => Ok(Step::Incomplete),
                _ => Err(Flaw::ChunkEnd),
            },
            Element::Trailers(lines, fields) => {
                trailers(lines, fields, rest).map_err(|flaw| match flaw {
                    Flaw::TooLarge | Flaw::TooManyFields => Flaw::TrailersTooLarge,
                    flaw => flaw,
                })
            }
        }
    }

    /// Reads the line with the size. RFC 9112 §7.1.1: extensions are ignored; they go no further, because
    /// hyper chunks content anew. Parsers have disagreed about where one ends, so only one that all see
    /// end at the same place is ignored. Load balancers pad the size of a chunk with spaces, which are
    /// ignored in responses alone: in a request, parsers have disagreed about them too.
    fn size(&mut self, rest: &[u8]) -> Result<Step, Flaw> {
        let digits = rest.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        if digits > MAX_DIGITS {
            return Err(Flaw::ChunkSize);
        }
        let length = match &rest[digits..] {
            _ if digits == 0 => return Err(Flaw::ChunkSize),
            [] | [b'\r'] => return Ok(Step::Incomplete),
            [b'\r', b'\n', ..] => digits + 2,
            extension @ ([b';', ..] | [b' ' | b'\t', ..])
                if extension[0] == b';' || self.grammar == Grammar::Lenient =>
            {
                let room = MAX_EXTENSIONS - self.extensions;
                let end = line_end(extension, 0, room).map_err(|_| Flaw::ChunkExtension)?;
                let Some(end) = end else { return Ok(Step::Incomplete) };
                if !matches!(extension[..end].trim_ascii_start(), [] | [b';', ..]) {
                    return Err(Flaw::ChunkSize);
                }
                self.extensions += end + 2;
                digits + end + 2
            }
            _ => return Err(Flaw::ChunkSize),
        };
        self.element = match hexadecimal(&rest[..digits]) {
            0 => Element::Trailers(Lines::default(), Fields::default()),
            size => Element::Data(size),
        };
        Ok(Step::On(length))
    }
}

enum Step {
    Incomplete,
    On(usize),
    Complete(usize),
}

/// Most digits of a size, leading zeros included: 64 bits.
const MAX_DIGITS: usize = 16;

/// Most bytes of extensions in all chunks together. hyper takes 16 KiB.
const MAX_EXTENSIONS: usize = 4 << 10;

/// Largest trailer section in bytes, its empty line included: less than hyper takes, which is 16 KiB, or
/// as much as a head may have.
const MAX_TRAILERS: usize = 4 << 10;

/// Most fields in it. hyper takes as many as a head may have, and this is the least that can be.
const MAX_TRAILER_FIELDS: usize = 10;

/// RFC 9112 §7.1.2: fields, and an empty line.
fn trailers(lines: &mut Lines, fields: &mut Fields, rest: &[u8]) -> Result<Step, Flaw> {
    while let Some(line) = lines.next(rest, MAX_TRAILERS)? {
        if line.is_empty() {
            return Ok(Step::Complete(lines.end()));
        }
        // hyper reads no trailer with a space before its colon.
        fields.read(line, MAX_TRAILER_FIELDS, Grammar::Strict)?;
    }
    Ok(Step::Incomplete)
}

/// No more than 16 digits.
fn hexadecimal(digits: &[u8]) -> u64 {
    digits.iter().fold(0, |number, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            _ => (digit | 0x20) - b'a' + 10,
        };
        number << 4 | u64::from(digit)
    })
}

/// Counts down.
fn take(left: &mut u64, window: &[u8]) -> usize {
    let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(window.len());
    *left -= taken as u64;
    taken
}
