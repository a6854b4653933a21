//! A strict parser of requests and responses, written from RFC 9110 and RFC 9112 for this test alone: all bytes
//! at once, one rule after the other, slow.

use super::LIMITS;

/// Whether a deviation that RFC 9112 gives one reading is read in that one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Deviation {
    Refused,
    /// §5.1, §6.3 and §7.1.1, in responses.
    Read,
}

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
        fields.push(field(&line, Deviation::Refused)?);
        demand(fields.len() <= LIMITS.fields)?;
        framing(&fields, Deviation::Refused)?;
    }
    demand(input.at - begin + growth <= LIMITS.head)?;
    let content = match framing(&fields, Deviation::Refused)? {
        Framing::Unsaid => Vec::new(),
        Framing::Length(length) => input.exactly(length)?.to_vec(),
        Framing::Chunked if version == "HTTP/1.0" => return Err(No::Refused),
        Framing::Chunked => chunks(input, Deviation::Refused)?,
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

/// A response, as far as two parsers must agree on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// In the order of their names; a length is a number.
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) content: Vec<u8>,
}

/// What a connection brings that was asked once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Brought {
    Whole(Answer),
    /// The same, and something else.
    Surplus(Answer),
    Incomplete,
    Refused,
}

/// Reads the answer to one request; the connection ends behind the bytes.
pub(crate) fn answer(bytes: &[u8], asked: &str) -> Brought {
    let mut input = Input { bytes, at: 0 };
    match answered(&mut input, asked) {
        Ok(answer) if input.at == bytes.len() => Brought::Whole(answer),
        Ok(answer) => Brought::Surplus(answer),
        Err(No::Incomplete) => Brought::Incomplete,
        Err(No::Refused) => Brought::Refused,
    }
}

fn answered(input: &mut Input<'_>, asked: &str) -> Result<Answer, No> {
    let mut interim = 0;
    loop {
        let begin = input.at;
        let left = |input: &Input<'_>| LIMITS.head - (input.at - begin);
        match input.bytes.get(begin) {
            None => return Err(No::Incomplete),
            Some(first) => demand(*first == b'H')?,
        }
        let (version, status) = status_line(&text(input.line(left(input))?))?;
        let mut fields = Vec::new();
        loop {
            let line = text(input.line(left(input))?);
            if line.is_empty() {
                break;
            }
            fields.push(field(&line, Deviation::Read)?);
            demand(fields.len() <= LIMITS.fields)?;
            framing(&fields, Deviation::Read)?;
        }
        let framing = framing(&fields, Deviation::Read)?;
        demand(version == "HTTP/1.1" || !matches!(framing, Framing::Chunked))?;
        demand(status != 101)?;
        if status < 200 {
            interim += 1;
            demand(interim <= 8)?;
            continue;
        }
        if let Framing::Length(length) = framing {
            fields.retain(|(name, _)| name != "content-length");
            fields.push(("content-length".to_owned(), length.to_string()));
        }
        fields.sort();
        let content = match framing {
            _ if asked == "HEAD" || status == 204 || status == 304 => Vec::new(),
            Framing::Unsaid => {
                let rest = input.bytes[input.at..].to_vec();
                input.at = input.bytes.len();
                rest
            }
            Framing::Length(length) => input.exactly(length)?.to_vec(),
            Framing::Chunked => chunks(input, Deviation::Read)?,
        };
        return Ok(Answer { status, fields, content });
    }
}

/// `status-line = HTTP-version SP status-code SP [ reason-phrase ]`; the last space may be missing.
fn status_line(line: &str) -> Result<(&'static str, u16), No> {
    let version = ["HTTP/1.1", "HTTP/1.0"].into_iter().find(|version| line.starts_with(version));
    let version = version.ok_or(No::Refused)?;
    let rest = line[8..].strip_prefix(' ').ok_or(No::Refused)?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    demand(digits.len() == 3 && !digits.starts_with('0'))?;
    demand(rest.len() == 3 || rest[3..].starts_with(' '))?;
    Ok((version, digits.parse().unwrap()))
}

enum Framing {
    Unsaid,
    Length(u64),
    Chunked,
}

/// RFC 9112 §6.3, without its leniency.
fn framing(fields: &[(String, String)], deviation: Deviation) -> Result<Framing, No> {
    let named = |name: &str| -> Vec<&str> {
        let same = fields.iter().filter(|(known, _)| known == name);
        same.map(|(_, value)| value.as_str()).collect()
    };
    match (&named("content-length")[..], &named("transfer-encoding")[..]) {
        ([], []) => Ok(Framing::Unsaid),
        ([length], []) if deviation == Deviation::Refused => Ok(Framing::Length(number(length)?)),
        (lengths @ [_, ..], []) if deviation == Deviation::Read => {
            let all: Vec<_> = lengths.iter().flat_map(|length| length.split(',')).collect();
            let all: Vec<_> =
                all.iter().map(|length| number(length.trim_matches([' ', '\t']))).collect();
            let all = all.into_iter().collect::<Result<Vec<_>, _>>()?;
            demand(all.iter().all(|length| *length == all[0]))?;
            Ok(Framing::Length(all[0]))
        }
        ([], [coding]) => {
            demand(coding.eq_ignore_ascii_case("chunked"))?;
            Ok(Framing::Chunked)
        }
        _ => Err(No::Refused),
    }
}

fn number(digits: &str) -> Result<u64, No> {
    demand((1..=19).contains(&digits.len()))?;
    demand(digits.chars().all(|c| c.is_ascii_digit()))?;
    Ok(digits.parse().unwrap())
}

/// `chunked-body = *chunk last-chunk trailer-section CRLF`
fn chunks(input: &mut Input<'_>, deviation: Deviation) -> Result<Vec<u8>, No> {
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
        let is_padded = deviation == Deviation::Read && after.starts_with([' ', '\t']);
        if after.starts_with(';') || is_padded {
            let line = text(input.line(digits.len() + room)?);
            let extension = &line[digits.len()..];
            demand(!extension.chars().any(control))?;
            let behind = extension.trim_start_matches([' ', '\t']);
            demand(behind.is_empty() || behind.starts_with(';'))?;
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
        trailers.push(field(&line, Deviation::Refused)?);
        demand(trailers.len() <= 10)?;
        // What would frame a message is held to the rules of a head, wherever it stands.
        framing(&trailers, Deviation::Refused)?;
    }
    Ok(content)
}

/// `field-line = field-name ":" OWS field-value OWS`
fn field(line: &str, deviation: Deviation) -> Result<(String, String), No> {
    let (mut name, value) = line.split_once(':').ok_or(No::Refused)?;
    if deviation == Deviation::Read && name.ends_with([' ', '\t']) {
        name = name.trim_end_matches([' ', '\t']);
        let frames = ["connection", "content-length", "transfer-encoding"];
        demand(!frames.contains(&name.to_ascii_lowercase().as_str()))?;
    }
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
