//! The most careless server that there could be behind us: it decodes for as long as there is something
//! to decode, knows overlong UTF-8, takes `\` for `/`, ignores case, parameters and empty segments, and resolves dots last.

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
    let text = characters(&bytes).replace('\\', "/").to_ascii_lowercase();
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

/// UTF-8 of up to six bytes, by the lower bits. Of two bytes the second may be any. A byte that begins nothing, or
/// too little, stands for itself.
fn characters(mut bytes: &[u8]) -> String {
    let mut text = String::new();
    while let [first, tail @ ..] = bytes {
        let more = match first {
            0xc0..=0xdf => 1,
            0xe0..=0xef => 2,
            0xf0..=0xf7 => 3,
            0xf8..=0xfb => 4,
            0xfc..=0xfd => 5,
            _ => 0,
        };
        let follows = |rest: &&[u8]| more == 1 || rest.iter().all(|it| (0x80..0xc0).contains(it));
        let Some(rest) = tail.get(..more).filter(follows) else {
            text.push(char::from(*first));
            bytes = tail;
            continue;
        };
        let begin = if more == 0 { *first } else { first & (0x3f >> more) };
        let meant = rest.iter().fold(u64::from(begin), |sum, it| sum << 6 | u64::from(it & 0x3f));
        let meant = u32::try_from(meant).ok().and_then(char::from_u32);
        text.push(meant.unwrap_or(char::REPLACEMENT_CHARACTER));
        bytes = &tail[more..];
    }
    text
}

/// Whether the path stays under this prefix and away from where tokens are made, whoever reads it.
pub fn is_harmless(path: &str, prefix: &str) -> bool {
    let (seen, under) = (segments(path), segments(prefix));
    seen.starts_with(&under)
        && !seen.iter().any(|name| name == "oauth" || name == "personal-access-tokens")
}
