//! Answers as they come off the wire.

use serde_json::Value;

/// One answer, or what there was of it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) status: u16,
    /// Status line and fields; chunks as they came, with their extensions and trailers.
    pub(crate) head: String,
    pub(crate) content: Vec<u8>,
    pub(crate) extent: Extent,
}

/// How much of an answer arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    Whole,
    /// Its head, and less content than was announced.
    Cut,
    /// Content that lasts until the connection ends.
    UntilEnd,
}

impl Seen {
    /// All final answers at the beginning of `bytes`; interim ones are skipped. `is_bodiless` says of
    /// the answer with that number that it answers HEAD.
    pub(crate) fn all(mut bytes: &[u8], is_bodiless: impl Fn(usize) -> bool) -> Vec<Self> {
        let mut seen = Vec::new();
        while let Some(end) = find(bytes, b"\r\n\r\n") {
            let mut head = String::from_utf8_lossy(&bytes[..end + 4]).into_owned();
            bytes = &bytes[end + 4..];
            let Some(status) = head.split(' ').nth(1).and_then(|text| text.parse().ok()) else {
                panic!("this is no answer: {head:?}");
            };
            if (100..200).contains(&status) && status != 101 {
                continue;
            }
            let bodiless = is_bodiless(seen.len()) || matches!(status, 101 | 204 | 304);
            let (content, extent, rest) = match bodiless {
                true => (Vec::new(), Extent::Whole, bytes),
                false => content(&head, bytes),
            };
            if field(&head, "transfer-encoding").is_some() {
                head.push_str(&String::from_utf8_lossy(&bytes[..bytes.len() - rest.len()]));
            }
            bytes = rest;
            seen.push(Self { status, head, content, extent });
        }
        seen
    }

    /// The value of the first field of that name.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        field(&self.head, name)
    }

    /// `error.code`, if this is an answer of the sidecar itself.
    pub(crate) fn code(&self) -> Option<String> {
        let content: Value = serde_json::from_slice(&self.content).ok()?;
        Some(content["error"]["code"].as_str()?.to_owned())
    }

    /// What an answer of the sidecar itself lacks, beside its code.
    pub(crate) fn shortcomings(&self) -> Vec<&'static str> {
        let content: Value = serde_json::from_slice(&self.content).unwrap_or_default();
        let said = |text: &Value| text.as_str().is_some_and(|text| !text.is_empty());
        let told = |name, start| self.field(name).is_some_and(|value| value.starts_with(start));
        [
            (content["success"] == false, "success: false"),
            (said(&content["message"]), "a message"),
            (said(&content["error"]["hint"]), "a hint"),
            (told("content-type", "application/json"), "its content type"),
            (told("cache-control", "no-store"), "Cache-Control: no-store"),
            (told("proxy-status", "webwork-sidecar; error="), "Proxy-Status"),
        ]
        .into_iter()
        .filter_map(|(is_there, what)| (!is_there).then_some(what))
        .collect()
    }
}

fn content<'a>(head: &str, bytes: &'a [u8]) -> (Vec<u8>, Extent, &'a [u8]) {
    if field(head, "transfer-encoding").is_some() {
        return match chunks(bytes) {
            Some((content, length)) => (content, Extent::Whole, &bytes[length..]),
            None => (bytes.to_vec(), Extent::Cut, &[]),
        };
    }
    match field(head, "content-length").map(str::parse::<usize>) {
        Some(Ok(length)) if length <= bytes.len() => {
            (bytes[..length].to_vec(), Extent::Whole, &bytes[length..])
        }
        Some(_) => (bytes.to_vec(), Extent::Cut, &[]),
        None => (bytes.to_vec(), Extent::UntilEnd, &[]),
    }
}

/// The content, and the length of its chunks and trailers; `None` if they do not end.
pub(super) fn chunks(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let mut content = Vec::new();
    let mut at = 0;
    loop {
        let end = at + find(&bytes[at..], b"\r\n")?;
        let line = std::str::from_utf8(&bytes[at..end]).ok()?;
        let size = usize::from_str_radix(line.split(';').next()?, 16).ok()?;
        at = end + 2;
        if size == 0 {
            let trailers = &bytes[at..];
            let length = match trailers.starts_with(b"\r\n") {
                true => 2,
                false => find(trailers, b"\r\n\r\n")? + 4,
            };
            return Some((content, at + length));
        }
        content.extend_from_slice(bytes.get(at..at + size)?);
        at += size + 2;
        if bytes.len() < at {
            return None;
        }
    }
}

/// The value of the first field of that name in a head.
pub(super) fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.split("\r\n").skip(1).find_map(|line| {
        let (field, value) = line.split_once(':')?;
        field.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

pub(super) fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
