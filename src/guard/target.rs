//! The request target: one way to read it, or none.
//!
//! A path is judged here and read once more by the upstream, which may decode escapes, resolve dot
//! segments or take `\` for `/` at another moment than we do. So everything that could be read in two
//! ways is refused, and what remains means the same before and after any number of decodings. The bytes
//! judged here are the bytes that are sent.

use http::Uri;

/// Why a request target is not acceptable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// Absolute-form, RFC 9112 §3.2.2.
    #[error(
        "The request target is a whole URL, as a forward proxy gets it, and the sidecar is none."
    )]
    Absolute,
    /// Authority-form or asterisk-form, RFC 9112 §3.2.
    #[error("The request target is not in origin-form, such as /api/v2/workspaces.")]
    Form,
    /// A control character or, in the path, a backslash.
    #[error("The request target has a character that must be percent-encoded or left out.")]
    Character,
    /// A `%` without two hexadecimal digits.
    #[error("The path has a percent sign without two hexadecimal digits.")]
    Escape,
    /// An escape of a slash, backslash, dot, percent sign or control character.
    #[error("The path has an escape that hides a separator, a dot, another escape or a control.")]
    Hidden,
    /// Bytes, escaped or not, that a lenient decoder of UTF-8 could take for an ASCII character, and those that
    /// no character set has in text.
    #[error("The path has bytes that are no UTF-8 and could be read as other characters.")]
    Encoding,
    /// `.` or `..`, with or without path parameters.
    #[error("The path has a dot segment.")]
    DotSegment,
    /// `//`.
    #[error(
        "The path contains \"//\"; remove one slash (a base URL with a trailing slash is the usual cause)."
    )]
    EmptySegment,
}

/// The path of a target that has only one meaning.
///
/// # Errors
///
/// The first [`Flaw`].
pub(super) fn origin_form(uri: &Uri) -> Result<&str, Flaw> {
    let path = uri.path();
    if uri.scheme().is_some() {
        return Err(Flaw::Absolute);
    }
    if uri.authority().is_some() || !path.starts_with('/') {
        return Err(Flaw::Form);
    }
    if uri.query().is_some_and(|query| query.bytes().any(|byte| byte.is_ascii_control())) {
        return Err(Flaw::Character);
    }
    let mut rest = segments(path).peekable();
    while let Some(segment) = rest.next() {
        // Only the last one may be empty: `/api/` ends with a slash.
        if segment.is_empty() && rest.peek().is_some() {
            return Err(Flaw::EmptySegment);
        }
        check(segment)?;
    }
    Ok(path)
}

/// What stands between the slashes.
pub(super) fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.strip_prefix('/').unwrap_or(path).split('/')
}

/// The decoded name of a segment. What follows `;` are path parameters (RFC 3986 §3.3), which some
/// servers cut off before they look.
pub(super) fn name(segment: &str) -> impl Iterator<Item = u8> {
    decode(segment).map_while(Result::ok).take_while(|byte| *byte != b';')
}

/// The bytes that are meant, after the one decoding that there is.
pub(super) fn decode(text: &str) -> impl Iterator<Item = Result<u8, Flaw>> {
    let mut rest = text.as_bytes();
    std::iter::from_fn(move || match rest {
        [] => None,
        [b'%', high, low, tail @ ..] => {
            rest = tail;
            Some(unescape(*high, *low))
        }
        [b'%', ..] => {
            rest = &[];
            Some(Err(Flaw::Escape))
        }
        [byte, tail @ ..] => {
            rest = tail;
            let plain = !byte.is_ascii() || (byte.is_ascii_graphic() && *byte != b'\\');
            Some(if plain { Ok(*byte) } else { Err(Flaw::Character) })
        }
    })
}

/// Segments that lead to where tokens are made or revoked: a caller could turn the token that it never
/// sees into one that it keeps.
pub(super) const OFF_LIMITS: [&str; 2] = ["oauth", "personal-access-tokens"];

/// Routers may ignore the case.
pub(super) fn is_off_limits(segment: &str) -> bool {
    OFF_LIMITS
        .iter()
        .any(|word| name(segment).map(|byte| byte.to_ascii_lowercase()).eq(word.bytes()))
}

/// The byte that two hexadecimal digits mean.
pub(super) fn byte_of(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| u8::try_from(char::from(byte).to_digit(16)?).ok();
    Some(digit(high)? << 4 | digit(low)?)
}

fn unescape(high: u8, low: u8) -> Result<u8, Flaw> {
    match byte_of(high, low).ok_or(Flaw::Escape)? {
        b'/' | b'\\' | b'.' | b'%' => Err(Flaw::Hidden),
        byte if byte.is_ascii_control() => Err(Flaw::Hidden),
        byte => Ok(byte),
    }
}

fn check(segment: &str) -> Result<(), Flaw> {
    let mut last = 0;
    for byte in decode(segment) {
        let byte = byte?;
        if is_overlong(last, byte) {
            return Err(Flaw::Encoding);
        }
        last = byte;
    }
    if name(segment).eq(*b".") || name(segment).eq(*b"..") {
        return Err(Flaw::DotSegment);
    }
    Ok(())
}

/// Whether a byte, with the one before it, could begin a longer form of a character that has a shorter one:
/// `%c0%af` is a slash to a lenient decoder of UTF-8, and so is `%e0%80%af`. With other first bytes a character
/// lies beyond ASCII, whatever follows. Clients also send Latin-1, in which `%e0` is a letter by itself; nothing
/// but signs could follow it there. No text has `%fe` and `%ff`, which begin no form.
fn is_overlong(last: u8, byte: u8) -> bool {
    match (last, byte) {
        // Two bytes: some decoders looked at the lower bits of the second one alone (`%c0n` for a dot).
        (_, 0xc0 | 0xc1 | 0xfe | 0xff) => true,
        (0xe0, 0x80..0xa0) | (0xf0, 0x80..0x90) => true,
        // Five and six bytes, which UTF-8 had in the beginning.
        (0xf8, 0x80..0x88) | (0xfc, 0x80..0x84) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(target: &str) -> Result<(), Flaw> {
        origin_form(&target.parse().unwrap()).map(drop)
    }

    #[test]
    fn honest_targets_pass() {
        for target in [
            "/",
            "/api/",
            "/api/v2/workspaces",
            "/api/v2/tasks/42.json",
            "/api/v2/.well-known/...",
            "/api/v2/names/caf%C3%A9%20%F0%9F%98%80",
            "/api/v2/names/caf\u{e9}/\u{1f600}?q=\u{e9}",
            "/api/v2/\"a\"{b}|c^d[e]?q=`|\\^{}",
            "/api/v2/%3Ca%3E%60",
            "/api/v2/caf%E9",
            "/api/v2/caf%E9/%80%9f/%c3a/%ed",
            "/api/v2/voil%E0/gr%F6%DFe/f%FCr/%E0%A4%85",
            "/api/v2/a;b=c/d;e",
            "/api/v2/a:b@c!$&'()*+,=~_-",
            "/api/v2/x%3Fy%23z",
            "/api/v2/tasks?q=../../%2e%2e/%00//\\;%zz",
            "/api/v2/tasks?",
        ] {
            assert_eq!(verdict(target), Ok(()), "{target}");
        }
    }

    #[test]
    fn only_origin_form_passes() {
        for (target, flaw) in [
            ("*", Flaw::Form),
            ("localhost:9180", Flaw::Form),
            ("http://localhost:9180/api/", Flaw::Absolute),
            ("https://a/api/", Flaw::Absolute),
        ] {
            assert_eq!(verdict(target), Err(flaw), "{target}");
        }
    }

    #[test]
    fn whatever_could_be_read_in_two_ways_is_refused() {
        for (target, flaw) in [
            ("//evil.example/api/", Flaw::EmptySegment),
            ("/api//v2", Flaw::EmptySegment),
            ("/api/v2//", Flaw::EmptySegment),
            ("/api/.", Flaw::DotSegment),
            ("/api/./v2", Flaw::DotSegment),
            ("/api/..", Flaw::DotSegment),
            ("/api/../oauth/token", Flaw::DotSegment),
            ("/api/..;/oauth/token", Flaw::DotSegment),
            ("/api/..;a=b/oauth", Flaw::DotSegment),
            ("/api/..%3b/oauth", Flaw::DotSegment),
            ("/api/.;/oauth", Flaw::DotSegment),
            ("/api/%2e%2e/oauth", Flaw::Hidden),
            ("/api/%2E./oauth", Flaw::Hidden),
            ("/api/.%2e/oauth", Flaw::Hidden),
            ("/api/file%2ejson", Flaw::Hidden),
            ("/api%2fv2", Flaw::Hidden),
            ("/api/..%2Foauth", Flaw::Hidden),
            ("/api/..%5coauth", Flaw::Hidden),
            ("/api/%5C", Flaw::Hidden),
            ("/api/%00", Flaw::Hidden),
            ("/api/a%0d%0ab", Flaw::Hidden),
            ("/api/%7f", Flaw::Hidden),
            ("/api/%252e%252e/", Flaw::Hidden),
            ("/api/%25%32%65", Flaw::Hidden),
            ("/api/%25252f", Flaw::Hidden),
            ("/api/\\..\\oauth", Flaw::Character),
            ("/api\\v2", Flaw::Character),
            ("/api/caf\u{e9}\\", Flaw::Character),
            ("/api/caf\u{e9}/..", Flaw::DotSegment),
            ("/api/%", Flaw::Escape),
            ("/api/%2", Flaw::Escape),
            ("/api/%zz", Flaw::Escape),
            ("/api/%+1", Flaw::Escape),
            ("/api/%u002e", Flaw::Escape),
            ("/api/%c0%af", Flaw::Encoding),
            ("/api/%c0%ae%c0%ae/", Flaw::Encoding),
            ("/api/%e0%80%af", Flaw::Encoding),
            ("/api/%f0%80%80%af", Flaw::Encoding),
            ("/api/%e0%80%ae", Flaw::Encoding),
            ("/api/%c0n%c0n/oauth", Flaw::Encoding),
            ("/api/%fe", Flaw::Encoding),
            ("/api/%ff", Flaw::Encoding),
            ("/api/%f8%80%80%80%af", Flaw::Encoding),
            ("/api/%fc%80%80%80%80%af", Flaw::Encoding),
        ] {
            assert_eq!(verdict(target), Err(flaw), "{target}");
        }
    }
}
