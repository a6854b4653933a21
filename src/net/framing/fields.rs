//! Lines of fields, and what they say about the end of the message.

use super::Grammar;
use super::flaw::Flaw;

/// The lines of a section as they become complete. The places are counted from its beginning, so that a
/// section that arrives in pieces is searched once.
#[derive(Debug, Default)]
pub(super) struct Lines {
    begin: usize,
    searched: usize,
}

impl Lines {
    /// The next line, without its end and without control characters other than HTAB; none if it is not
    /// complete.
    pub(super) fn next<'a>(
        &mut self,
        section: &'a [u8],
        limit: usize,
    ) -> Result<Option<&'a [u8]>, Flaw> {
        let Some(end) = line_end(section, self.searched, limit)? else {
            self.searched = section.len() - usize::from(section.ends_with(b"\r"));
            return Ok(None);
        };
        let line = &section[self.begin..end];
        (self.begin, self.searched) = (end + 2, end + 2);
        Ok(Some(line))
    }

    /// Where the last line has ended.
    pub(super) fn end(&self) -> usize {
        self.begin
    }
}

/// Where a CRLF is, which belongs to the first `limit` bytes; none if there may be one in bytes to come.
/// No other control character than HTAB may stand before it.
pub(super) fn line_end(bytes: &[u8], from: usize, limit: usize) -> Result<Option<usize>, Flaw> {
    let Some(found) = find_control(&bytes[from..]) else {
        return if bytes.len() < limit { Ok(None) } else { Err(Flaw::TooLarge) };
    };
    let at = from + found;
    match (bytes[at], bytes.get(at + 1)) {
        (b'\r', _) if at + 2 > limit => Err(Flaw::TooLarge),
        (b'\r', Some(b'\n')) => Ok(Some(at)),
        (b'\r', None) => Ok(None),
        _ if at + 1 > limit => Err(Flaw::TooLarge),
        (b'\n', _) => Err(Flaw::LineEnd),
        _ => Err(Flaw::Control),
    }
}

/// How a message says that its content ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Framing {
    #[default]
    Unsaid,
    Length(u64),
    Chunked,
}

/// The fields of a section, one after the other.
#[derive(Debug, Default)]
pub(super) struct Fields {
    count: usize,
    framing: Framing,
    deviates: bool,
}

impl Fields {
    /// Takes in a line that is not empty.
    pub(super) fn read(&mut self, line: &[u8], most: usize, grammar: Grammar) -> Result<(), Flaw> {
        if matches!(line, [b' ' | b'\t', ..]) {
            return Err(Flaw::Folded);
        }
        self.count += 1;
        if self.count > most {
            return Err(Flaw::TooManyFields);
        }
        let end = line.iter().position(|byte| !is_token(*byte)).ok_or(Flaw::FieldName)?;
        if end == 0 {
            return Err(Flaw::FieldName);
        }
        let name = &line[..end];
        let colon = match line[end] {
            b':' => end,
            b' ' | b'\t' if grammar == Grammar::Lenient => self.after_space(line, end)?,
            _ => return Err(Flaw::FieldName),
        };
        let value = &line[colon + 1..];
        // Two names matter, and no other has their lengths often.
        match name.len() {
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                self.measure(value.trim_ascii(), grammar)
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => self.code(value.trim_ascii()),
            _ => Ok(()),
        }
    }

    /// Where the colon is behind the space after a name. RFC 9112 §5.1: "A proxy MUST remove any such
    /// whitespace from a response message before forwarding the message downstream." Not where the field
    /// says where the message or its connection ends: servers and caches have disagreed whether it does.
    fn after_space(&mut self, line: &[u8], end: usize) -> Result<usize, Flaw> {
        let space = line[end..].iter().take_while(|byte| matches!(**byte, b' ' | b'\t')).count();
        let colon = end + space;
        if line.get(colon) != Some(&b':') || is_framing(&line[..end]) {
            return Err(Flaw::FieldName);
        }
        self.deviates = true;
        Ok(colon)
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Whether one of them is not as it should be, though it has one reading.
    pub(super) fn deviate(&self) -> bool {
        self.deviates
    }

    pub(super) fn framing(&self) -> Framing {
        self.framing
    }

    /// RFC 9112 §6.3: of a length that is said several times, with the same digits or in a list, a
    /// recipient may make one.
    fn measure(&mut self, value: &[u8], grammar: Grammar) -> Result<(), Flaw> {
        let is_list = grammar == Grammar::Lenient && value.contains(&b',');
        if is_list {
            self.deviates = true;
            return value.split(|byte| *byte == b',').try_for_each(|one| {
                let length = number(one.trim_ascii()).ok_or(Flaw::Length)?;
                self.frame(length, grammar)
            });
        }
        let length = number(value).ok_or(Flaw::Length)?;
        self.frame(length, grammar)
    }

    fn frame(&mut self, length: u64, grammar: Grammar) -> Result<(), Flaw> {
        match self.framing {
            Framing::Unsaid => self.framing = Framing::Length(length),
            Framing::Length(same) if same == length && grammar == Grammar::Lenient => {
                self.deviates = true;
            }
            Framing::Length(_) => return Err(Flaw::RepeatedLength),
            Framing::Chunked => return Err(Flaw::TwoFramings),
        }
        Ok(())
    }

    fn code(&mut self, value: &[u8]) -> Result<(), Flaw> {
        if !value.eq_ignore_ascii_case(b"chunked") {
            return Err(Flaw::Coding);
        }
        self.framing = match self.framing {
            Framing::Unsaid => Framing::Chunked,
            Framing::Length(_) => return Err(Flaw::TwoFramings),
            Framing::Chunked => return Err(Flaw::RepeatedCoding),
        };
        Ok(())
    }
}

/// Whether a field of this name decides where its message or its connection ends.
pub(super) fn is_framing(name: &[u8]) -> bool {
    let names: [&[u8]; 3] = [b"connection", b"content-length", b"transfer-encoding"];
    names.iter().any(|framing| name.eq_ignore_ascii_case(framing))
}

/// As many digits as always fit.
fn number(digits: &[u8]) -> Option<u64> {
    if !(1..=19).contains(&digits.len()) || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(digits.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
}

/// RFC 9110 §5.6.2.
pub(super) fn is_token(byte: u8) -> bool {
    CLASSES[usize::from(byte)] & TOKEN != 0
}

/// Whether a request target may have it: any visible character and bytes above ASCII, which clients send as
/// they are. `#` would begin a fragment, which some parsers cut off.
pub(super) fn is_target(byte: u8) -> bool {
    CLASSES[usize::from(byte)] & TARGET != 0
}

/// Whether RFC 3986 or `http::Uri` lets a request target have it anywhere.
pub(super) fn is_plain(byte: u8) -> bool {
    CLASSES[usize::from(byte)] & PLAIN != 0
}

const TOKEN: u8 = 1;
const TARGET: u8 = 2;
const PLAIN: u8 = 4;

const CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = b'!';
    while byte <= b'~' {
        let is_delimiter = matches!(
            byte,
            b'"' | b'(' | b')' | b',' | b'/' | b':'..=b'@' | b'[' | b'\\' | b']' | b'{' | b'}'
        );
        let is_odd = matches!(byte, b'"' | b'<' | b'>' | b'`');
        classes[byte as usize] = if is_delimiter { 0 } else { TOKEN }
            | if byte == b'#' { 0 } else { TARGET }
            | if byte == b'#' || is_odd { 0 } else { PLAIN };
        byte += 1;
    }
    let mut byte = 0x80;
    while byte < classes.len() {
        classes[byte] = TARGET;
        byte += 1;
    }
    classes
};

/// The first byte that is not HTAB, SP, VCHAR or obs-text (RFC 9110 §5.5), eight at a time: in an honest
/// line it is the CR that ends it.
fn find_control(bytes: &[u8]) -> Option<usize> {
    let is_control = |byte: &u8| (*byte < b' ' && *byte != b'\t') || *byte == 0x7f;
    let (words, rest) = bytes.as_chunks();
    for (number, word) in words.iter().enumerate() {
        let found = match find_odd(*word) {
            None => continue,
            Some(odd) if word[odd] == b'\t' => word.iter().position(is_control),
            odd => odd,
        };
        if let Some(found) = found {
            return Some(number * 8 + found);
        }
    }
    rest.iter().position(is_control).map(|found| words.len() * 8 + found)
}

/// The first of eight bytes that is below SP, HTAB included, or is DEL. A byte minus a bound borrows from
/// its top bit if it is below the bound, and what had a top bit before does not count. The borrow can
/// reach further up, so only the lowest bit is sure.
fn find_odd(word: [u8; 8]) -> Option<usize> {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const TOPS: u64 = ONES << 7;
    let word = u64::from_le_bytes(word);
    let unlike_del = word ^ (ONES * 0x7f);
    let below = word.wrapping_sub(ONES * 0x20) & !word;
    let del = unlike_del.wrapping_sub(ONES) & !unlike_del;
    let odd = (below | del) & TOPS;
    (odd != 0).then(|| odd.trailing_zeros() as usize / 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_found_wherever_they_are() {
        for byte in 0..=u8::MAX {
            let is_control = byte.is_ascii_control() && byte != b'\t';
            for place in 0..24 {
                for other in [b'a', b'\t', 0x80, 0xff] {
                    let mut bytes = [other; 24];
                    bytes[place] = byte;
                    assert_eq!(find_control(&bytes), is_control.then_some(place), "{byte} {other}");
                }
            }
        }
    }
}
