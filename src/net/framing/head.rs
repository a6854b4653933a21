//! Heads: a first line, fields, and the empty line.

use super::fields::{Fields, Framing, Lines};
use super::flaw::Flaw;
use super::{Grammar, Limits};

/// The first line of one kind of message.
pub(super) trait FirstLine: Copy {
    /// Most empty lines that may stand before it.
    const EMPTY_BEFORE: usize;

    /// How strictly the fields behind it are read.
    const GRAMMAR: Grammar;

    /// Takes it in.
    fn read(line: &[u8], limits: &Limits) -> Result<Self, Flaw>;

    /// A byte that no first line begins with says at once that this is another protocol.
    fn check_first(byte: u8) -> Result<(), Flaw>;

    fn version(self) -> Version;
}

/// RFC 9112 §2.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    Http10,
    Http11,
}

impl Version {
    /// The names are case-sensitive, and there are two.
    pub(super) fn of(name: &[u8]) -> Option<Self> {
        match name {
            b"HTTP/1.1" => Some(Self::Http11),
            b"HTTP/1.0" => Some(Self::Http10),
            _ => None,
        }
    }
}

/// A head that is being read.
#[derive(Debug)]
pub(super) struct Head<L> {
    lines: Lines,
    first: Option<L>,
    fields: Fields,
}

/// A head that was read.
pub(super) struct Complete<L> {
    pub(super) first: L,
    pub(super) framing: Framing,
    /// Its length in bytes.
    pub(super) length: usize,
    /// How many fields it has.
    pub(super) fields: usize,
    /// Whether a field deviates from the grammar.
    pub(super) deviates: bool,
}

impl<L> Default for Head<L> {
    fn default() -> Self {
        Self { lines: Lines::default(), first: None, fields: Fields::default() }
    }
}

impl<L: FirstLine> Head<L> {
    /// Reads on; `section` begins with the first byte of the head.
    pub(super) fn read(
        &mut self,
        section: &[u8],
        limits: &Limits,
    ) -> Result<Option<Complete<L>>, Flaw> {
        if let Some(first) = section.first() {
            L::check_first(*first)?;
        }
        while let Some(line) = self.lines.next(section, limits.head)? {
            match self.first {
                None if line.is_empty() && self.lines.end() <= 2 * L::EMPTY_BEFORE => {}
                None => self.first = Some(L::read(line, limits)?),
                Some(first) if line.is_empty() => {
                    let framing = self.fields.framing();
                    if framing == Framing::Chunked && first.version() == Version::Http10 {
                        return Err(Flaw::CodingInHttp10);
                    }
                    return Ok(Some(Complete {
                        first,
                        framing,
                        length: self.lines.end(),
                        fields: self.fields.count(),
                        deviates: self.fields.deviate(),
                    }));
                }
                Some(_) => self.fields.read(line, limits.fields, L::GRAMMAR)?,
            }
        }
        Ok(None)
    }

    /// The first line, once it was read.
    pub(super) fn first(&self) -> Option<L> {
        self.first
    }
}
