//! A strict parser of requests, written from RFC 9110 and RFC 9112 for this test alone: all bytes at
//! once, one rule after the other, slow.

use super::LIMITS;

/// A request, as far as two parsers must agree on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) content: Vec<u8>,
}

/// What stands after the last complete message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    Nothing,
    Incomplete,
    Refused,
}

#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) messages: Vec<Message>,
    pub(crate) rest: Rest,
    /// How many messages there are up to the first one after which the connection ends.
    last: usize,
}

impl Reading {
    /// The messages that a server answers, RFC 9112 §9.3: HTTP/1.0 ends the connection unless it says
    /// that it does not.
    pub(crate) fn heard(&self) -> impl Iterator<Item = &Message> {
        self.messages.iter().take(self.last)
    }
}

/// No message, and why.
enum No {
    Incomplete,
    Refused,
}

pub(crate) fn read(bytes: &[u8]) -> Reading {
    let mut reading = Reading { messages: Vec::new(), rest: Rest::Nothing, last: usize::MAX };
    let mut input = Input { bytes, at: 0 };
    while input.at < bytes.len() {
        match message(&mut input) {
            Ok((message, persists)) => {
                reading.messages.push(message);
                if !persists {
                    reading.last = reading.last.min(reading.messages.len());
                }
            }
            Err(No::Incomplete) => return Reading { rest: Rest::Incomplete, ..reading },
            Err(No::Refused) => return Reading { rest: Rest::Refused, ..reading },
        }
    }
    reading
}

struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Input<'a> {
    /// A line up to CRLF, at most so long with it. No control character is part of one, but HTAB.
    fn line(&mut self, most: usize) -> Result<&'a [u8], No> {
        let rest = &self.bytes[self.at..];
        for (at, byte) in rest.iter().enumerate().take(most) {
            match (byte, rest.get(at + 1)) {
                (b'\r', _) if at + 2 > most => return Err(No::Refused),
                (b'\r', Some(b'\n')) => {
                    self.at += at + 2;
                    return Ok(&rest[..at]);
                }
                (b'\r', None) => return Err(No::Incomplete),
                (byte, _) => demand(!control(char::from(*byte)))?,
            }
        }
        Err(if rest.len() < most { No::Incomplete } else { No::Refused })
    }

    fn exactly(&mut self, length: u64) -> Result<&'a [u8], No> {
        let rest = &self.bytes[self.at..];
        match usize::try_from(length).ok().filter(|length| *length <= rest.len()) {
            Some(length) => {
                self.at += length;
                Ok(&rest[..length])
            }
            None => Err(No::Incomplete),
        }
    }
}

fn demand(is_good: bool) -> Result<(), No> {
    if is_good { Ok(()) } else { Err(No::Refused) }
}

/// The next message, and whether the connection goes on after it.
/// `HTTP-message = start-line CRLF *( field-line CRLF ) CRLF [ message-body ]`
fn message(input: &mut Input<'_>) -> Result<(Message, bool), No> {
    let begin = input.at;
    let left = |input: &Input<'_>| LIMITS.head - (input.at - begin);
    let first = input.bytes[input.at];
    demand(tchar(char::from(first)) || first == b'\r')?;
    let mut line = input.line(left(input))?;
    if line.is_empty() {
        line = input.line(left(input))?;
    }
    let line = text(line);
    let parts: Vec<&str> = line.split(' ').collect();
    demand(parts.len() == 3)?;
    let (method, target, version) = (parts[0], parts[1], parts[2]);
    demand(token(method) && (version == "HTTP/1.1" || version == "HTTP/1.0"))?;
    demand(!target.is_empty())?;
    demand(target.chars().all(|c| c > ' ' && c != '#' && c != '\x7f'))?;
    let sent = latin(target);
    let spelt = if target.starts_with('/') { spelt(&sent) } else { sent.clone() };
    demand(spelt.len() <= LIMITS.target && http::Uri::try_from(&spelt[..]).is_ok())?;
    let growth = spelt.len() - sent.len();
    let mut fields = Vec::new();
    loop {
        let line = text(input.line(left(input))?);
        if line.is_empty() {
            break;
        }
        fields.push(field(&line)?);
        demand(fields.len() <= LIMITS.fields)?;
        framing(&fields)?;
    }
    framing(&fields)?;
    demand(input.at - begin + growth <= LIMITS.head)?;
    let content = match framing(&fields)? {
        Framing::Length(length) => input.exactly(length)?.to_vec(),
        Framing::Chunked if version == "HTTP/1.0" => return Err(No::Refused),
        Framing::Chunked => chunks(input)?,
    };
    let named = |name: &str| -> Vec<String> {
        let same = fields.iter().filter(|(known, _)| known == name);
        same.map(|(_, value)| value.clone()).collect()
    };
    let options = named("connection").join(",");
    let stays = options.split(',').any(|option| option.trim() == "keep-alive");
    let target = String::from_utf8(spelt).unwrap();
    let message = Message { method: method.to_owned(), target, content };
    Ok((message, version == "HTTP/1.1" || stays))
}

enum Framing {
    Length(u64),
    Chunked,
}

/// RFC 9112 §6.3, without its leniency.
fn framing(fields: &[(String, String)]) -> Result<Framing, No> {
    let named = |name: &str| -> Vec<&str> {
        let same = fields.iter().filter(|(known, _)| known == name);
        same.map(|(_, value)| value.as_str()).collect()
    };
    match (&named("content-length")[..], &named("transfer-encoding")[..]) {
        ([], []) => Ok(Framing::Length(0)),
        ([length], []) => {
            demand((1..=19).contains(&length.len()))?;
            demand(length.chars().all(|c| c.is_ascii_digit()))?;
            Ok(Framing::Length(length.parse().unwrap()))
        }
        ([], [coding]) => {
            demand(coding.eq_ignore_ascii_case("chunked"))?;
            Ok(Framing::Chunked)
        }
        _ => Err(No::Refused),
    }
}

/// `chunked-body = *chunk last-chunk trailer-section CRLF`
fn chunks(input: &mut Input<'_>) -> Result<Vec<u8>, No> {
    let mut content = Vec::new();
    let mut room = 4 << 10;
    loop {
        let rest = text(&input.bytes[input.at..]);
        let digits: String = rest.chars().take_while(char::is_ascii_hexdigit).collect();
        if rest.is_empty() {
            return Err(No::Incomplete);
        }
        demand((1..=16).contains(&digits.len()))?;
        let after = &rest[digits.len()..];
        if after.starts_with(';') {
            let line = text(input.line(digits.len() + room)?);
            let extension = &line[digits.len()..];
            demand(!extension.chars().any(control))?;
            room -= line.chars().count() - digits.len() + 2;
        } else if after.is_empty() || after == "\r" {
            return Err(No::Incomplete);
        } else {
            demand(after.starts_with("\r\n"))?;
            input.at += digits.len() + 2;
        }
        let size = u64::from_str_radix(&digits, 16).unwrap();
        if size == 0 {
            break;
        }
        content.extend(input.exactly(size)?);
        match &input.bytes[input.at..] {
            [b'\r', b'\n', ..] => input.at += 2,
            [] | [b'\r'] => return Err(No::Incomplete),
            _ => return Err(No::Refused),
        }
    }
    let begin = input.at;
    let mut trailers = Vec::new();
    loop {
        let line = text(input.line((4 << 10) - (input.at - begin))?);
        if line.is_empty() {
            break;
        }
        trailers.push(field(&line)?);
        demand(trailers.len() <= 10)?;
        // What would frame a message is held to the rules of a head, wherever it stands.
        framing(&trailers)?;
    }
    Ok(content)
}

/// `field-line = field-name ":" OWS field-value OWS`
fn field(line: &str) -> Result<(String, String), No> {
    let (name, value) = line.split_once(':').ok_or(No::Refused)?;
    demand(token(name) && !value.chars().any(control))?;
    Ok((name.to_ascii_lowercase(), value.trim_matches([' ', '\t']).to_owned()))
}

/// What `Uri` holds in a path, or in a query, and an escape for each other byte.
fn spelt(target: &[u8]) -> Vec<u8> {
    let query = target.iter().position(|byte| *byte == b'?').unwrap_or(target.len());
    let is_held = |at: usize, length: usize| {
        let before = if at > query { &b"/?"[..] } else { b"/" };
        let bytes = target.get(at..at + length);
        bytes.is_some_and(|bytes| http::Uri::try_from([before, bytes].concat()).is_ok())
    };
    let (mut spelt, mut at) = (Vec::new(), 0);
    while at < target.len() {
        let length = (1..=4).find(|length| is_held(at, *length));
        match length {
            Some(length) => spelt.extend_from_slice(&target[at..at + length]),
            None => spelt.extend(format!("%{:02X}", target[at]).into_bytes()),
        }
        at += length.unwrap_or(1);
    }
    spelt
}

fn latin(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect()
}

/// One character for each byte.
fn text(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

fn token(text: &str) -> bool {
    !text.is_empty() && text.chars().all(tchar)
}

fn tchar(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

/// Not HTAB, SP, VCHAR or obs-text.
fn control(c: char) -> bool {
    c != '\t' && (c < ' ' || c == '\x7f')
}
