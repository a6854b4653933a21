//! Heads that are written anew, so that the parser behind sees the one reading that they have.
//!
//! In a request, a target is percent-encoded where hyper could not hold it. In a response, two reasons make it
//! necessary: a field deviates from the grammar in a way that RFC 9112 tells a recipient to
//! repair, or there are more fields than hyper reads without two allocations for every response. These
//! travel beside the head and join it behind hyper.

use http::{HeaderName, HeaderValue};

use super::fields::{is_framing, is_token};
use super::target::encoded;

/// A field that hyper does not see.
pub type Surplus = (HeaderName, HeaderValue);

/// A head that goes on in another form.
#[derive(Debug)]
pub struct Repair {
    begin: usize,
    end: usize,
    bytes: Vec<u8>,
}

/// The clear bytes of a window as they go on.
pub fn repaired(clear: &[u8], repairs: &[Repair]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(clear.len());
    let mut from = 0;
    for repair in repairs.iter().filter(|repair| repair.end <= clear.len()) {
        bytes.extend_from_slice(&clear[from..repair.begin]);
        bytes.extend_from_slice(&repair.bytes);
        from = repair.end;
    }
    bytes.extend_from_slice(&clear[from..]);
    bytes
}

impl Repair {
    /// Percent-encodes a request target that begins at this place of the window.
    pub(super) fn of_target(target: &[u8], begin: usize) -> Self {
        Self { begin, end: begin + target.len(), bytes: encoded(target).into_owned() }
    }

    /// Writes a head anew that begins at this place of the window and was read to its end. `length` is what its
    /// Content-Length says.
    pub(super) fn of(head: &[u8], begin: usize, length: Option<u64>) -> (Self, Vec<Surplus>) {
        let mut lines = lines(head);
        let mut bytes = lines.next().unwrap_or_default().to_vec();
        bytes.extend_from_slice(b"\r\n");
        let fields: Vec<_> = lines.map(parted).collect();
        let framing = fields.iter().filter(|(name, _)| is_framing(name)).count();
        // Those that hyper must see come first, wherever they stand.
        let mut room = (MOST_FIELDS.saturating_sub(framing), framing.min(MOST_FIELDS));
        let (mut surplus, mut length) = (Vec::new(), length);
        for (name, value) in fields {
            let is_length = name.eq_ignore_ascii_case(b"content-length");
            let room = if is_framing(name) { &mut room.1 } else { &mut room.0 };
            if is_length && let Some(length) = length.take() {
                *room = room.saturating_sub(1);
                bytes.extend_from_slice(format!("Content-Length: {length}\r\n").as_bytes());
            } else if is_length {
                // The same once more.
            } else if *room > 0 {
                *room -= 1;
                bytes.extend_from_slice(&[name, b": ", value, b"\r\n"].concat());
            } else if let (Ok(name), Ok(value)) =
                (HeaderName::from_bytes(name), HeaderValue::from_bytes(value))
            {
                surplus.push((name, value));
            }
        }
        bytes.extend_from_slice(b"\r\n");
        (Self { begin, end: begin + head.len(), bytes }, surplus)
    }
}

/// Fields that hyper keeps on the stack. For more, it would allocate twice for every response of the connection.
pub(super) const MOST_FIELDS: usize = 100;

/// The lines of a head without their ends, up to the empty one.
fn lines(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    let lines =
        head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    lines.take_while(|line| !line.is_empty())
}

/// Name and value of a field.
fn parted(line: &[u8]) -> (&[u8], &[u8]) {
    let end = line.iter().position(|byte| !is_token(*byte)).unwrap_or(line.len());
    let (name, rest) = line.split_at(end);
    let rest = rest.trim_ascii();
    (name, rest.strip_prefix(b":").unwrap_or(rest).trim_ascii())
}
