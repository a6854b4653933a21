//! The most careless server that there could be behind us: it decodes for as long as there is something
//! to decode, takes `\` for `/`, ignores case, parameters and empty segments, and resolves dots last.

/// The segments that such a server would look for.
pub fn segments(path: &str) -> Vec<String> {
    let mut bytes = path.as_bytes().to_vec();
    loop {
        let decoded = decoded(&bytes);
        if decoded == bytes {
            break;
        }
        bytes = decoded;
    }
    let text = String::from_utf8_lossy(&bytes).replace('\\', "/").to_ascii_lowercase();
    let mut segments = Vec::new();
    for segment in text.split('/') {
        match segment.split(';').next().unwrap_or_default().trim_matches('\0') {
            "" | "." => {}
            ".." => drop(segments.pop()),
            name => segments.push(name.to_owned()),
        }
    }
    segments
}

fn decoded(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let [first, tail @ ..] = rest {
        let digits = tail.get(..2).filter(|_| *first == b'%');
        let byte = digits
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        out.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &tail[2..] } else { tail };
    }
    out
}

/// Whether the path stays under this prefix and away from where tokens are made, whoever reads it.
pub fn is_harmless(path: &str, prefix: &str) -> bool {
    let (seen, under) = (segments(path), segments(prefix));
    seen.starts_with(&under)
        && !seen.iter().any(|name| name == "oauth" || name == "personal-access-tokens")
}
