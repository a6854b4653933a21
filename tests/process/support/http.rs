//! One request on a connection of its own, as a simple program would send it.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use super::PATIENCE;

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) location: Option<String>,
    pub(crate) content: String,
}

impl Answer {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.content).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// `base` is such as `http://127.0.0.1:4711`.
pub(crate) fn get(base: &str, target: &str) -> io::Result<Answer> {
    ask(base, "GET", target, "")
}

pub(crate) fn ask(base: &str, method: &str, target: &str, content: &str) -> io::Result<Answer> {
    let authority = base.strip_prefix("http://").expect("plain HTTP");
    let mut stream = TcpStream::connect(authority)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let length = content.len();
    write!(
        stream,
        "{method} {target} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{content}"
    )?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    read(&String::from_utf8_lossy(&bytes))
        .ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "no whole answer"))
}

fn read(text: &str) -> Option<Answer> {
    let (head, content) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let fields = head.lines().filter_map(|line| line.split_once(": "));
    let mut locations = fields.filter(|(name, _)| name.eq_ignore_ascii_case("location"));
    let location = locations.next().map(|(_, value)| value.to_owned());
    let chunked = head.to_ascii_lowercase().contains("\r\ntransfer-encoding: chunked");
    let content = if chunked { joined(content)? } else { content.to_owned() };
    Some(Answer { status, location, content })
}

fn joined(mut chunks: &str) -> Option<String> {
    let mut content = String::new();
    loop {
        let (size, rest) = chunks.split_once("\r\n")?;
        let size = usize::from_str_radix(size, 16).ok()?;
        if size == 0 {
            return Some(content);
        }
        content.push_str(rest.get(..size)?);
        chunks = rest.get(size + 2..)?;
    }
}
