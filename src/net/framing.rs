//! Where HTTP/1.1 messages begin and end, judged byte by byte before a lenient parser sees them.
//!
//! Two parsers that disagree about the end of one message disagree about the beginning of the next,
//! and what lies between them is a request that nobody admitted. hyper's parser takes lone line feeds
//! for line ends, prefers `Transfer-Encoding` where there is a `Content-Length` too, and answers what it
//! refuses without a word of ours. So these readers stand before it, in both directions, and let pass
//! only what has one reading:
//!
//! ```text
//! head       CRLF line ends · token names, colon at once · no folding, no control characters
//! request    METHOD SP target SP HTTP/1.0|HTTP/1.1 · one empty line may stand before it
//! target     printable, or above ASCII; no `#` · percent-encoded where hyper could not hold it
//! framing    nothing | one Content-Length of digits | one `chunked`, in HTTP/1.1 only
//! chunk      1 to 16 hexadecimal digits, perhaps an extension, CRLF data CRLF · trailers like fields
//! ```
//!
//! RFC 9112 lets a recipient repair some of the rest (§2.2, §3, §5.1, §5.2). In a request, a repair is a
//! second reading: a proxy before this one may have chosen the other. In a response it is made where the
//! RFC leaves one reading and servers of today depend on it:
//!
//! ```text
//! space before the colon          removed (§5.1), unless the field frames the message
//! one length twice, or `5, 5`     one field (§6.3)
//! space after a chunk's size      ignored (§7.1.1)
//! ```
//!
//! Bytes in, verdicts out: nothing here does I/O, and what is honest costs no allocation. A head, a
//! chunk's size and a trailer section become clear once they are complete, so whoever feeds a reader
//! shows it their beginning again, with more behind it.

mod content;
mod fields;
mod flaw;
mod head;
mod repair;
mod request;
mod response;
mod target;
#[cfg(test)]
mod tests;

pub use flaw::Flaw;
pub use repair::{Repair, Surplus, repaired};
pub use request::Requests;
pub use response::Responses;

/// What heads may cost.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Largest head in bytes, from its first to the end of the empty line.
    pub head: usize,
    /// Most fields in it.
    pub fields: usize,
    /// Longest request target in bytes.
    pub target: usize,
}

/// What a request asks for, as far as it decides about the end of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// HEAD, which is answered without content (RFC 9110 §9.3.2).
    Head,
    /// Any other method.
    Other,
}

/// A reader of one direction of a connection.
pub trait Reader {
    /// Judges the window: bytes that begin where the last verdict's clear ones ended. Not to be asked
    /// again after an objection.
    fn judge(&mut self, window: &[u8]) -> Verdict;

    /// Whether these bytes, which are not clear, are the beginning of a message.
    fn is_beginning(&self, rest: &[u8]) -> bool;

    /// The heads in the last window that must not go on as they are. Places are counted from its
    /// beginning; a repair beyond the clear bytes is void.
    fn repairs(&mut self) -> Vec<Repair> {
        Vec::new()
    }
}

/// Which deviations from the grammar are accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Grammar {
    /// None.
    Strict,
    /// Those of responses that RFC 9112 §5.1, §6.3 and §7.1.1 give one reading.
    Lenient,
}

/// What a reader says of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// So many bytes, from the first, may go on. What follows is not complete, or not acceptable.
    pub clear: usize,
    /// Why nothing more may go on.
    pub objection: Option<Objection>,
}

/// A flaw, and how much of its message has been let pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Objection {
    /// What is wrong.
    pub flaw: Flaw,
    /// How much of the message went on before.
    pub passed: Passed,
}

/// How much of a flawed message went on to the parser behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passed {
    /// Nothing: the message can be treated as if it had never been.
    Nothing,
    /// Its head, and perhaps some of its content.
    Head,
}

impl Verdict {
    fn clear(clear: usize) -> Self {
        Self { clear, objection: None }
    }

    /// `begin` is where the flawed message begins in the window, if it does, and `at` the flaw.
    fn flawed(flaw: Flaw, begin: Option<usize>, at: usize) -> Self {
        let (clear, passed) = match begin {
            Some(begin) => (begin, Passed::Nothing),
            None => (at, Passed::Head),
        };
        Self { clear, objection: Some(Objection { flaw, passed }) }
    }
}
